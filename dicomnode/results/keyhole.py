"""Curves with holes as single curves, by the keyhole technique (PS3.3 C.8.8.6.3).

The standard's newer way, CLOSEDPLANAR_XOR, loses whole slices: plastimatch 1.9 leaves such curves
out, the outer ones too, and Debian's dciodvfy calls the type an error.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from dicomnode.results.iso_curves import IsoCurve


def keyholed(curves: Sequence[IsoCurve]) -> list[npt.NDArray[np.float64]]:
    """Curves of one slice, each hole joined to the curve around it by a line there and back.

    Parameters
    ----------
    curves : sequence of IsoCurve
        They don't cross each other.

    Returns
    -------
    list of ndarray, shape (n, 2)
        One closed curve for each that encloses the lesion, the first point not repeated. What an
        odd number of turns goes around is the lesion.
    """
    outer = [curve for curve in curves if curve.encloses_lesion]
    holes: list[list[npt.NDArray[np.float64]]] = [[] for _ in outer]
    for hole in curves:
        if hole.encloses_lesion:
            continue
        around = [
            index
            for index, curve in enumerate(outer)
            # A corner serves: curves don't touch, so it lies within whatever is around the hole.
            if _is_within(hole.points[0], curve.points)
        ]
        if around:
            holes[min(around, key=lambda index: outer[index].area)].append(hole.points)
    return [_joined(curve.points, found) for curve, found in zip(outer, holes, strict=True)]


def _joined(
    points: npt.NDArray[np.float64], holes: list[npt.NDArray[np.float64]]
) -> npt.NDArray[np.float64]:
    """The nearest hole first, at its nearest point, so that no line crosses another hole."""
    holes = list(holes)
    while holes:
        gaps = [np.linalg.norm(points[:, None] - hole[None], axis=2) for hole in holes]
        nearest = int(np.argmin([gap.min() for gap in gaps]))
        at, start = np.unravel_index(int(gaps[nearest].argmin()), gaps[nearest].shape)
        hole = np.roll(holes.pop(nearest), -int(start), axis=0)
        points = np.concatenate([points[: at + 1], hole, hole[:1], points[at:]])
    return points


def _is_within(point: npt.NDArray[np.float64], polygon: npt.NDArray[np.float64]) -> bool:
    """Whether a ray from the point crosses the polygon an odd number of times."""
    after = np.roll(polygon, -1, axis=0)
    spans = (polygon[:, 1] > point[1]) != (after[:, 1] > point[1])
    start, end = polygon[spans], after[spans]
    at = start[:, 0] + (point[1] - start[:, 1]) / (end[:, 1] - start[:, 1]) * (end - start)[:, 0]
    return bool((point[0] < at).sum() % 2)
