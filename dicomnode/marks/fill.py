"""From closed curves to the pixels that they enclose, on the grid of the image they are on.

A pixel belongs to a curve by its centre, at 0.5 from the pixel's outer corners. A curve that
crosses itself encloses what an odd number of its turns goes around, so that the keyhole technique
(PS3.3 C.8.8.6.3), one curve that runs to an inner wall and back along the same line, leaves the
hole empty whichever way the inner wall is drawn.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from dicomnode.marks.outline import Contour
from dicomnode.marks.placement import Unplaceable

ON_EDGE = 1e-4
"""Pixels by which a centre may be off a curve that runs through it: points are 32-bit floats."""

MAX_CROSSINGS = 20_000_000
"""Rows that the edges of one curve may cross in all; a lesion's outline needs a few thousand."""

_CHUNK = 1_000_000
_FARTHEST = 1e6


class TooMuchToFill(Unplaceable):
    """Contours would take too long to fill."""


class Combination(Enum):
    """How the curves on one image make one region."""

    HOLES = "holes"
    """All that enclose the lesion, together, without the holes, with what lies in a hole again."""
    ODD = "odd"
    """What an odd number of curves encloses (CLOSEDPLANAR_XOR, PS3.3 C.8.8.6.3)."""


def fill(
    points: npt.ArrayLike, shape: tuple[int, int], *, edge_is_inside: bool = True
) -> npt.NDArray[np.bool_]:
    """Pixels whose centres a closed curve encloses.

    Parameters
    ----------
    points : array_like, shape (n, 2)
        Corners (column, row), counted from the outer corner of the first pixel, whose centre is
        (0.5, 0.5). The last joins the first.
    shape : tuple of int
        Rows and columns. What lies beyond is cut off.
    edge_is_inside : bool
        Whether a pixel whose centre lies on the curve, to `ON_EDGE`, is set.

    Returns
    -------
    ndarray of bool, shape (rows, columns)

    Raises
    ------
    ValueError
        If the points have another shape, are not finite or lie further than a million pixels away.
    TooMuchToFill
        If the edges cross more than `MAX_CROSSINGS` rows.
    """
    inside, edge = _inside_and_edge(_corners(points), shape)
    return inside | edge if edge_is_inside else inside & ~edge


def _corners(points: npt.ArrayLike) -> npt.NDArray[np.float64]:
    corners = np.asarray(points, dtype=np.float64)
    if corners.ndim != 2 or corners.shape[1] != 2:
        raise ValueError(f"points: found shape {corners.shape}, expected (n, 2)")
    if not (np.abs(corners) < _FARTHEST).all():
        raise ValueError("points: found coordinates that are not finite or absurdly large")
    return corners


def _inside_and_edge(
    corners: npt.NDArray[np.float64], shape: tuple[int, int]
) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
    """Centres that the curve goes around an odd number of times, and centres that lie on it.

    The first means nothing where the second holds.
    """
    # Centres become whole numbers, which makes curves through centres exact.
    rows, columns = shape
    start = corners - 0.5
    end = np.roll(start, -1, axis=0)
    turns = np.zeros((rows, columns + 1), dtype=bool)
    edge = np.zeros((rows, columns), dtype=bool)

    low, high = np.minimum(start[:, 1], end[:, 1]), np.maximum(start[:, 1], end[:, 1])
    first = np.clip(np.ceil(low - ON_EDGE), 0, rows).astype(np.int64)
    last = np.clip(np.floor(high + ON_EDGE), -1, rows - 1).astype(np.int64)
    level = high - low <= ON_EDGE
    spans = np.where(high == low, 0, np.maximum(last - first + 1, 0))
    if spans.sum() > MAX_CROSSINGS:
        raise TooMuchToFill(
            f"the edges of a curve cross {int(spans.sum())} rows, expected at most {MAX_CROSSINGS}"
        )
    for chunk in _chunks(spans):
        which = np.repeat(np.arange(chunk.start, chunk.stop), spans[chunk])
        before = np.cumsum(spans[chunk]) - spans[chunk]
        row = np.arange(len(which)) - np.repeat(before, spans[chunk]) + first[which]
        a, b = start[which], end[which]
        part = np.clip((row - a[:, 1]) / (b[:, 1] - a[:, 1]), 0.0, 1.0)
        x = a[:, 0] + part * (b[:, 0] - a[:, 0])
        # Half-open in rows: a corner at the height of a row is crossed once, not twice.
        crossing = (low[which] <= row) & (row < high[which])
        column = np.clip(np.floor(x[crossing]) + 1, 0, columns).astype(np.int64)
        np.logical_xor.at(turns, (row[crossing], column), True)
        nearest = np.rint(x)
        on = (np.abs(x - nearest) <= ON_EDGE) & (nearest >= 0) & (nearest < columns)
        edge[row[on], nearest[on].astype(np.int64)] = True
    for k in np.flatnonzero(level):
        row = round(float(start[k, 1]))
        if 0 <= row < rows and abs(start[k, 1] - row) <= ON_EDGE:
            left, right = sorted((float(start[k, 0]), float(end[k, 0])))
            reach = slice(
                max(0, int(np.ceil(left - ON_EDGE))), max(0, int(np.floor(right + ON_EDGE)) + 1)
            )
            edge[row, reach] = True
    return np.logical_xor.accumulate(turns, axis=1)[:, :columns], edge


def _box(
    corners: npt.NDArray[np.float64], shape: tuple[int, int]
) -> tuple[tuple[slice, slice], npt.NDArray[np.float64]]:
    """Rows and columns of the image that a curve may reach, and the first (column, row)."""
    limit = np.array([shape[1], shape[0]])
    low = np.clip(np.floor(corners.min(axis=0)) - 1, 0, limit).astype(np.int64)
    high = np.clip(np.ceil(corners.max(axis=0)) + 1, low, limit).astype(np.int64)
    (left, top), (right, bottom) = low.tolist(), high.tolist()
    return (slice(top, bottom), slice(left, right)), low.astype(np.float64)


def _chunks(spans: npt.NDArray[np.int64]) -> list[slice]:
    """Runs of edges that cross about `_CHUNK` rows each, to bound memory."""
    total = np.cumsum(spans)
    if total[-1] == 0:
        return []
    cuts = np.searchsorted(total, np.arange(_CHUNK, total[-1], _CHUNK), side="right")
    borders = np.unique(np.concatenate([[0], cuts, [len(spans)]]))
    return [slice(int(a), int(b)) for a, b in pairwise(borders)]


def fill_contours(
    contours: Sequence[Contour],
    shape: tuple[int, int],
    combination: Combination = Combination.HOLES,
) -> npt.NDArray[np.bool_]:
    """Pixels of all curves on one image.

    Parameters
    ----------
    contours : sequence of Contour
        In pixels.
    shape : tuple of int
        Rows and columns.
    combination : Combination
        What nested curves mean.

    Returns
    -------
    ndarray of bool, shape (rows, columns)
        `Contour.edge_is_inside` says of every curve whether pixels centred on it are lesion, of a
        hole's edge as well.
    """
    if combination is Combination.ODD:
        return _odd(contours, shape)
    region = np.zeros(shape, dtype=bool)
    # The largest first: what lies within another curve is drawn over it, an island over its hole.
    for contour in sorted(contours, key=_extent, reverse=True):
        box, inside, edge = _on_image(contour, shape)
        region[box][inside] = contour.encloses_lesion
        if contour.edge_is_inside:
            region[box] |= edge
        elif not contour.encloses_lesion:
            region[box] &= ~edge
    return region


def _odd(contours: Sequence[Contour], shape: tuple[int, int]) -> npt.NDArray[np.bool_]:
    lesion, edges, bare = (np.zeros(shape, dtype=bool) for _ in range(3))
    for contour in contours:
        box, inside, edge = _on_image(contour, shape)
        lesion[box] ^= inside
        on_curve = edges if contour.edge_is_inside else bare
        on_curve[box] |= edge
    return (lesion | edges) & ~bare


def _extent(contour: Contour) -> tuple[float, bool]:
    """Area of the box around a curve: greater than that of any within it. Holes after lesions."""
    corners = _corners(contour.points)
    return float(np.prod(np.ptp(corners, axis=0))), contour.encloses_lesion


def _on_image(
    contour: Contour, shape: tuple[int, int]
) -> tuple[tuple[slice, slice], npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
    """The part of the image that a curve may reach; centres within it and on the curve there."""
    corners = _corners(contour.points)
    box, first = _box(corners, shape)
    size = tuple(side.stop - side.start for side in box)
    inside, edge = _inside_and_edge(corners - first, size)
    return box, inside & ~edge, edge
