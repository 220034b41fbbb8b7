"""How near two marks lie: the same line, or two lines through one lesion."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from dicomnode.marks.placement import ImagePlane
from pipelines.recist import RecistAxes

SAME_PIXELS = 0.5
"""Ends no farther apart than this are one mark: some viewers count from pixel centres."""

SAME_PLACE = 0.5
"""Part of the smaller of two lesions that must lie in the other for one to be the other, changed:
two lesions cannot lie in each other."""

UNKNOWN_WIDTH = 0.5
"""Width over length that is taken for a lesion of which only the long axis was drawn. Nearly all
are wider; a narrow one does not reach into its neighbour."""

FAR = 3.0
"""Lesions whose centres are farther apart than so many times the sum of their lengths are two,
whatever their tracking UIDs say."""

SAME_ORIENTATION = 1e-3
"""Largest difference of two direction cosines of one orientation."""

DEFAULT_THICKNESS_MM = 1.0
"""Of a slice that does not say."""

_LEAST_MM = 1e-3
"""Of half an axis; a line without width is no ellipse."""

_DISC = np.stack(np.meshgrid(*2 * [np.linspace(-1, 1, 41)]), axis=-1).reshape(-1, 2)
_DISC = _DISC[(_DISC**2).sum(axis=1) <= 1]


def are_near(lesions: Sequence[RecistAxes]) -> npt.NDArray[np.bool_]:
    """Which lesions lie so near each other that somebody could mean one by both, shape (n, n)."""
    centres = np.array([axes.centre for axes in lesions]).reshape(-1, 3)
    lengths = np.array([axes.long_mm for axes in lesions])
    apart = np.linalg.norm(centres[:, None] - centres, axis=-1)
    return apart <= FAR * (lengths[:, None] + lengths)


def depth_apart_mm(one: RecistAxes, other: RecistAxes, plane: ImagePlane) -> float:
    """Distance of two lesions along the normal of a slice."""
    return abs(float((one.centre - other.centre) @ plane.normal))


def share_tissue(
    one: RecistAxes, plane: ImagePlane, other: RecistAxes, other_plane: ImagePlane
) -> bool:
    """Whether two lesions were drawn on slices, of one orientation, that overlap.

    Parameters
    ----------
    one, other : RecistAxes
    plane, other_plane : ImagePlane
        Of their slices; `slice_spacing` is the thickness.
    """
    if np.abs(np.subtract(plane.orientation, other_plane.orientation)).max() > SAME_ORIENTATION:
        return False
    thick = sum(p.slice_spacing or DEFAULT_THICKNESS_MM for p in (plane, other_plane))
    return depth_apart_mm(one, other, plane) < thick / 2 * (1 - 1e-6)


def same_line(
    one: RecistAxes, plane: ImagePlane, other: RecistAxes, other_plane: ImagePlane
) -> bool:
    """Whether all ends lie within `SAME_PIXELS` of each other, seen along the slices' normal.

    The depth does not count: two reconstructions of one acquisition have slices at other places.
    """
    near_mm = SAME_PIXELS * max(*plane.pixel_spacing, *other_plane.pixel_spacing) * (1 + 1e-3)
    for mine, theirs in ((one.long_axis, other.long_axis), (one.short_axis, other.short_axis)):
        if (mine is None) != (theirs is None):
            return False
        if mine is not None:
            aside = [_in_plane(mine - order, plane) for order in (theirs, theirs[::-1])]
            if min(np.abs(a).max() for a in aside) > near_mm:
                return False
    return True


def common_part(one: RecistAxes, other: RecistAxes, plane: ImagePlane) -> float:
    """Part of the smaller lesion that lies in the other, from 0 to 1.

    Lesions are taken for ellipses with the drawn axes, seen along the normal of `plane`.
    """
    mine, theirs = _ellipse(one, plane), _ellipse(other, plane)
    parts = []
    for inner, outer in ((mine, theirs), (theirs, mine)):
        area = abs(np.linalg.det(inner[1]))
        points = inner[0] + _DISC @ inner[1]
        inside = ((points - outer[0]) @ np.linalg.inv(outer[1])) ** 2
        parts.append((area, float((inside.sum(axis=1) <= 1).mean())))
    smallest = min(area for area, _ in parts)
    return max(part for area, part in parts if area <= smallest * (1 + 1e-6))


def _in_plane(vectors: npt.NDArray[np.float64], plane: ImagePlane) -> npt.NDArray[np.float64]:
    """Components of vectors (n, 3) along rows and columns, shape (n, 2), mm."""
    return vectors @ np.array(plane.orientation).reshape(2, 3).T


def _ellipse(
    axes: RecistAxes, plane: ImagePlane
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Centre, shape (2,), and half axes as rows, shape (2, 2), in the plane, mm."""
    ends = _in_plane(axes.long_axis, plane)
    long = (ends[1] - ends[0]) / 2
    across = np.array([-long[1], long[0]]) / max(np.linalg.norm(long), _LEAST_MM)
    centre, width = ends.mean(axis=0), np.linalg.norm(long) * UNKNOWN_WIDTH
    if axes.short_axis is not None:
        short = _in_plane(axes.short_axis, plane)
        width = np.linalg.norm(short[1] - short[0]) / 2
        # The lesion reaches to both sides of its long axis as far as the short one does.
        centre = centre + across * float((short.mean(axis=0) - centre) @ across)
    return centre, np.stack([long, across * max(width, _LEAST_MM)])
