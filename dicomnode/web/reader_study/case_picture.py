"""All candidates of a case on one plane as one picture, for browsers that run no scripts."""

from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO

import numpy as np
import numpy.typing as npt
from PIL import Image

from dicomnode.pictures.field_of_view import field_of_view
from dicomnode.pictures.hu_window import hu_window
from dicomnode.pictures.lesion_picture import Curve, Legend, lesion_picture
from dicomnode.reader_study.case_file import CaseVoxels
from dicomnode.reader_study.letters import LETTERS
from dicomnode.results.iso_curves import plane_curves
from dicomnode.web.lesion.plane_pictures import PLANES, Plane, PlaneName
from dicomnode.web.reader_study.case_body import OUTLINE_RGB

_LEAST_MM = 40.0
_SIZE = 360
_IN_A_ROW = 3
_GAP = 4


def case_picture(
    voxels: CaseVoxels, order: Sequence[int], display: str, name: PlaneName, place: int
) -> bytes:
    """Draw one plane of every candidate, and of the CT alone, as PNG.

    One picture for all: the sizes of several would tell them apart.

    Parameters
    ----------
    voxels : CaseVoxels
    order : sequence of int
    display : str
        "outline" draws the outline of each, "alpha" tints by alpha.
    name : str
    place : int
        On the lattice that begins at the candidates' first voxel.

    Raises
    ------
    IndexError
        If the CT does not reach there.
    """
    plane = PLANES[name]
    at = place + voxels.offset[plane.through]
    if not 0 <= at < voxels.hu.shape[plane.through]:
        raise IndexError(f"found no {name} plane at {place}")
    hu = np.take(voxels.hu, at, axis=plane.through)
    window = hu_window(voxels.hu)
    panels = [
        _panel(hu, _on_ct(array, voxels, plane, place), voxels, plane, display, window, letter)
        for letter, array in zip(LETTERS, voxels.in_order(order), strict=False)
    ]
    nothing = np.zeros(hu.shape, np.float32)
    panels.append(_panel(hu, nothing, voxels, plane, display, window, "CT alone"))
    file = BytesIO()
    Image.fromarray(_beside(panels), "RGB").save(file, "PNG")
    return file.getvalue()


def lesion_planes(voxels: CaseVoxels) -> list[int]:
    """Axial places at which any candidate has a voxel."""
    held = voxels.alpha.any(axis=(0, 2, 3))
    return [int(place) for place in np.flatnonzero(held)]


def _on_ct(
    alpha: npt.NDArray[np.uint8], voxels: CaseVoxels, plane: Plane, place: int
) -> npt.NDArray[np.float32]:
    shape = [voxels.hu.shape[a] for a in (plane.down, plane.across)]
    found = np.zeros(shape, np.float32)
    if 0 <= place < alpha.shape[plane.through]:
        corner = [voxels.offset[a] for a in (plane.down, plane.across)]
        held = np.take(alpha, place, axis=plane.through)
        box = tuple(slice(c, c + n) for c, n in zip(corner, held.shape, strict=True))
        found[box] = held / np.float32(255)
    return found


def _panel(
    hu: npt.NDArray[np.int16],
    alpha: npt.NDArray[np.float32],
    voxels: CaseVoxels,
    plane: Plane,
    display: str,
    window: tuple[float, float],
    title: str,
) -> npt.NDArray[np.uint8]:
    down, across = voxels.offset[plane.down], voxels.offset[plane.across]
    rows, columns = (voxels.alpha.shape[1 + a] for a in (plane.down, plane.across))
    if plane.head_up:
        hu, alpha, down = hu[::-1], alpha[::-1], len(hu) - down - rows
    spacing = voxels.spacing[plane.down], voxels.spacing[plane.across]
    box = (across, down, across + columns, down + rows)
    view = field_of_view(box, hu.shape, spacing, _LEAST_MM, _SIZE)
    curves = []
    if display == "outline":
        curves = [Curve(c.points, OUTLINE_RGB, closed=True) for c in plane_curves(alpha, 0.5)]
        alpha = np.zeros_like(alpha)
    legend = Legend("", ())
    return lesion_picture(hu, alpha, view, window, curves, [], legend, title)[: view.height]


def _beside(panels: Sequence[npt.NDArray[np.uint8]]) -> npt.NDArray[np.uint8]:
    """Panels of one size in rows, on black."""
    height, width, _ = panels[0].shape
    rows = -(-len(panels) // _IN_A_ROW)
    columns = min(len(panels), _IN_A_ROW)
    size = (rows * (height + _GAP) - _GAP, columns * (width + _GAP) - _GAP, 3)
    sheet = np.zeros(size, np.uint8)
    for index, panel in enumerate(panels):
        y, x = (n * step for n, step in zip(
            divmod(index, _IN_A_ROW), (height + _GAP, width + _GAP), strict=True
        ))  # fmt: skip
        sheet[y : y + height, x : x + width] = panel
    return sheet
