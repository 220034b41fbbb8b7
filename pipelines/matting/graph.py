"""Weighted ties between unknown voxels and their neighbours, as a quadratic form."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import sparse

from pipelines.compiled import compiled
from pipelines.matting.neighbours import Neighbourhood, Neighbours


@dataclass(frozen=True, eq=False)
class Graph:
    """The sum over ties of ``w (alpha_i - alpha_j)²``, known voxels eliminated.

    Attributes
    ----------
    ties : scipy.sparse.csr_array of float64, shape (unknown voxels, unknown voxels)
        w between unknown voxels, symmetric.
    diagonal : ndarray of float64, shape (unknown voxels,)
        Sum of w over all ties of a voxel, those to known voxels too.
    load : ndarray of float64, shape (unknown voxels,)
        Sum of w alpha over the ties to known voxels.
    """

    ties: sparse.csr_array
    diagonal: npt.NDArray[np.float64]
    load: npt.NDArray[np.float64]

    @classmethod
    def of(cls, place: Neighbourhood, passes: Sequence[tuple[Neighbours, float, float]]) -> Graph:
        """Tie each unknown voxel to its neighbours.

        A tie weighs ``1 - |df|_1 / dimensions``, at least 0, where df is the difference of
        intensity and of position (Chen, Li, Tang 2013, section 3.2). Ties that both ends ask for,
        or that several passes find, count as often.

        Parameters
        ----------
        place : Neighbourhood
            Where neighbours lie.
        passes : sequence of (Neighbours, float, float)
            Lists of neighbours, each with the mm that count as much as the whole window, and a
            factor of all its ties.
        """
        dimensions = 1 + int(np.count_nonzero(place.offset_mm.any(axis=0)))
        count = len(place.rows)
        asked = []
        diagonal, load = np.zeros(count), np.zeros(count)
        for found, position_mm, factor in passes:
            start, column, weight = _ties(
                place.rows,
                place.guide,
                place.number,
                place.alpha,
                place.steps,
                (np.abs(place.offset_mm).sum(axis=1) / position_mm).astype(np.float32),
                np.float32(1 / dimensions),
                found.start,
                found.which,
                found.weight * np.float32(factor),
                diagonal,
                load,
            )
            asked.append(sparse.csr_array((weight, column, start), shape=(count, count)))
        once = sum(asked[1:], start=asked[0])
        return cls((once + once.T).tocsr(), diagonal, load)

    def product(self, x: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """The matrix of the form times x, shape (unknown voxels,)."""
        return self.diagonal * x - self.ties @ x


@compiled
def _ties(rows, guide, number, alpha, steps, offsets, part, start, which, share, diagonal, load):
    begin = np.zeros(len(rows) + 1, np.int32)
    column = np.empty(len(which), np.int32)
    weight = np.empty(len(which), np.float64)
    kept = 0
    for row in range(len(rows)):
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
    return begin, column[:kept].copy(), weight[:kept].copy()
