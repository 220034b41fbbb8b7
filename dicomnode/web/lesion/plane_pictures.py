"""Pictures of a lesion's planes, drawn by the server: for browsers that run no scripts."""

from __future__ import annotations

from dataclasses import dataclass
from io import BytesIO
from typing import Literal

import numpy as np
import numpy.typing as npt
from PIL import Image

from dicomnode.pictures.field_of_view import field_of_view
from dicomnode.pictures.lesion_picture import Curve, Legend, lesion_picture
from dicomnode.results.iso_curves import LEVEL_COLOURS, plane_curves
from dicomnode.web.lesion.drawn import ALPHA_MEANS, DrawnLesion, DrawnLine

PlaneName = Literal["axial", "coronal", "sagittal"]

_LEAST_MM = 60.0
_SIZE = 512


@dataclass(frozen=True)
class Plane:
    """Which axes of a lesion's lattice (head, back, left) a plane has.

    Attributes
    ----------
    through, down, across : int
    head_up : bool
        Whether the picture's rows run against `down`.
    """

    through: int
    down: int
    across: int
    head_up: bool


PLANES: dict[PlaneName, Plane] = {
    "axial": Plane(0, 1, 2, False),
    "coronal": Plane(1, 0, 2, True),
    "sagittal": Plane(2, 0, 1, True),
}


def plane_picture(drawn: DrawnLesion, name: PlaneName, place: int | None = None) -> bytes:
    """Draw one plane with alpha, its curves and the readers' marks, as PNG.

    Parameters
    ----------
    drawn : DrawnLesion
    name : str
    place : int, optional
        On the lattice; where the mark lies without one.

    Raises
    ------
    IndexError
        If the CT that is shown does not reach there.
    """
    plane = PLANES[name]
    at = round(drawn.start[plane.through]) if place is None else place
    hu = _cut(drawn.hu.array, at - drawn.hu.offset[plane.through], plane)
    if hu is None:
        raise IndexError(f"found no {name} plane at {at}")
    alpha = np.zeros(hu.shape, np.float32)
    mask = drawn.grid.place(drawn.mask.alpha.array, drawn.mask.offset)
    held = _cut(mask.array, at - mask.offset[plane.through], plane)
    corner = [mask.offset[a] - drawn.hu.offset[a] for a in (plane.down, plane.across)]
    box = tuple(
        slice(c, c + mask.array.shape[a])
        for c, a in zip(corner, (plane.down, plane.across), strict=True)
    )
    if held is not None:
        alpha[box] = held
    curves = [
        Curve(curve.points, colour, closed=True)
        for level, colour in LEVEL_COLOURS.items()
        for curve in plane_curves(alpha, level)
    ]
    marks = [
        Curve(points, closed=line.closed)
        for line in drawn.marks
        if (points := _in_plane(line, plane, at, drawn)) is not None
    ]
    if plane.head_up:
        hu, alpha = hu[::-1], alpha[::-1]
        curves, marks = ([_upside_down(c, len(hu)) for c in lines] for lines in (curves, marks))
        box = (slice(len(hu) - box[0].stop, len(hu) - box[0].start), box[1])
    spacing = drawn.grid.spacing[plane.down], drawn.grid.spacing[plane.across]
    view = field_of_view(
        (box[1].start, box[0].start, box[1].stop, box[0].stop), hu.shape, spacing, _LEAST_MM, _SIZE
    )
    legend = Legend(
        alpha=f"alpha: {ALPHA_MEANS[drawn.mask.quantity]}",
        levels=tuple(LEVEL_COLOURS.items()),
        lines=(f"method {drawn.mask.method}",),
    )
    title = f"lesion {drawn.number},  {name} {at}"
    picture = lesion_picture(hu, alpha, view, drawn.window(), curves, marks, legend, title)
    file = BytesIO()
    Image.fromarray(picture, "RGB").save(file, "PNG")
    return file.getvalue()


def drawn_planes(drawn: DrawnLesion) -> list[int]:
    """Axial places where any voxel has a part in the lesion."""
    mask = drawn.grid.place(drawn.mask.alpha.array, drawn.mask.offset)
    there = np.flatnonzero((mask.array >= min(LEVEL_COLOURS)).any(axis=(1, 2)))
    return [int(i) + mask.offset[0] for i in there]


def _cut(array: npt.NDArray, index: int, plane: Plane) -> npt.NDArray | None:
    """One plane, axes (down, across); both run upwards on the lattice, so their order stays."""
    if not 0 <= index < array.shape[plane.through]:
        return None
    return np.take(array, index, axis=plane.through)


def _in_plane(
    line: DrawnLine, plane: Plane, at: int, drawn: DrawnLesion
) -> npt.NDArray[np.float64] | None:
    """(column, row) of a line that lies in a plane, from the outer corner of its first pixel."""
    if np.abs(line.points[:, plane.through] - at).max() > 0.5:
        return None
    corner = np.array(drawn.hu.offset)
    points = line.points - corner + 0.5
    return points[:, [plane.across, plane.down]]


def _upside_down(curve: Curve, rows: int) -> Curve:
    points = curve.points * (1, -1) + (0, rows)
    return Curve(points, curve.rgb, curve.closed)
