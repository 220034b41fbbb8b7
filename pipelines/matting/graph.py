"""Weighted ties between unknown voxels and their neighbours, as a quadratic form."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pipelines.compiled import compiled
from pipelines.matting.neighbours import Neighbourhood, Neighbours


@dataclass(frozen=True, eq=False)
class Graph:
    """The sum over ties of ``w (alpha_i - alpha_j)²``, known voxels eliminated.

    Attributes
    ----------
    start : ndarray of int64, shape (unknown voxels + 1,)
        Where the ties of each unknown voxel to others begin, and the end. Each is held once.
    column : ndarray of int32
        Number of the other voxel.
    weight : ndarray of float32
        w of each tie.
    diagonal : ndarray of float64, shape (unknown voxels,)
        Sum of w over all ties of a voxel, those to known voxels too.
    load : ndarray of float64, shape (unknown voxels,)
        Sum of w alpha over the ties to known voxels.
    """

    start: npt.NDArray[np.int64]
    column: npt.NDArray[np.int32]
    weight: npt.NDArray[np.float32]
    diagonal: npt.NDArray[np.float64]
    load: npt.NDArray[np.float64]

    @classmethod
    def of(cls, place: Neighbourhood, neighbours: Neighbours, position_mm: float) -> Graph:
        """Tie each unknown voxel to its neighbours.

        A tie weighs ``1 - |df|_1 / dimensions``, at least 0, where df is the difference of
        intensity and of position in units of `position_mm` (Chen, Li, Tang 2013, section 3.2).
        Ties that both ends ask for count twice.
        """
        offsets = (np.abs(place.offset_mm).sum(axis=1) / position_mm).astype(np.float32)
        dimensions = 1 + int(np.count_nonzero(place.offset_mm.any(axis=0)))
        return cls(
            *_ties(
                place.rows,
                place.guide,
                place.number,
                place.alpha,
                place.steps,
                offsets,
                np.float32(1 / dimensions),
                neighbours.start,
                neighbours.which,
                neighbours.weight,
            )
        )

    def product(self, x: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """The matrix of the form times x, shape (unknown voxels,)."""
        out = self.diagonal * x
        _subtract_ties(self.start, self.column, self.weight, x, out)
        return out


@compiled
def _ties(rows, guide, number, alpha, steps, offsets, part, start, which, share):
    count = len(rows)
    begin = np.zeros(count + 1, np.int64)
    column = np.empty(len(which), np.int32)
    weight = np.empty(len(which), np.float32)
    diagonal, load = np.zeros(count), np.zeros(count)
    kept = 0
    for row in range(count):
        at = rows[row]
        for k in range(start[row], start[row + 1]):
            other = at + steps[which[k]]
            difference = abs(guide[other] - guide[at]) + offsets[which[k]]
            w = share[k] * max(np.float32(1) - part * difference, np.float32(0))
            diagonal[row] += w
            if number[other] >= 0:
                diagonal[number[other]] += w
                column[kept] = number[other]
                weight[kept] = w
                kept += 1
            else:
                load[row] += w * alpha[other]
        begin[row + 1] = kept
    return begin, column[:kept].copy(), weight[:kept].copy(), diagonal, load


@compiled
def _subtract_ties(start, column, weight, x, out):
    for row in range(len(start) - 1):
        own = x[row]
        total = 0.0
        for k in range(start[row], start[row + 1]):
            other = column[k]
            total += weight[k] * x[other]
            out[other] -= weight[k] * own
        out[row] -= total
