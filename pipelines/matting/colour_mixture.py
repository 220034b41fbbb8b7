"""Each unknown voxel as a mixture of its neighbours: locally linear embedding."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import sparse

from pipelines.compiled import compiled
from pipelines.matting.neighbours import Neighbourhood, Neighbours

_RIDGE = 1e-6
"""Of the mixing weights, as part of the mean squared distance to the neighbours."""


@dataclass(frozen=True, eq=False)
class Mixture:
    """The sum over unknown voxels of ``(alpha_i - sum_j w_ij alpha_j)²``, known voxels eliminated.

    Attributes
    ----------
    weights : scipy.sparse.csr_array of float64, shape (unknown voxels, unknown voxels)
        w between unknown voxels; with those on known voxels each row sums to 1.
    transposed : scipy.sparse.csr_array
        The same, turned: two products by rows are faster than one by rows and one by columns.
    known : ndarray of float64, shape (unknown voxels,)
        Sum of w alpha over known neighbours.
    """

    weights: sparse.csr_array
    transposed: sparse.csr_array
    known: npt.NDArray[np.float64]

    @classmethod
    def of(cls, place: Neighbourhood, neighbours: Neighbours, position_mm: float) -> Mixture:
        """Weights that best mix intensity and place of each voxel from its neighbours'.

        Least squares with weights that sum to 1 (Aksoy, Aydin, Pollefeys 2017, section 3.1; Roweis
        and Saul 2000). There are more neighbours than dimensions, so that the ridge chooses the
        weights of least norm.
        """
        start, column, weight, known = _split(
            place.rows,
            place.number,
            place.alpha,
            place.steps,
            neighbours.start,
            neighbours.which,
            mixing_weights(place, neighbours, position_mm),
        )
        weights = sparse.csr_array((weight, column, start), shape=(len(known),) * 2)
        return cls(weights, weights.T.tocsr(), known)

    @property
    def diagonal(self) -> npt.NDArray[np.float64]:
        """Of the matrix of the form, shape (unknown voxels,)."""
        # Off the diagonal the matrix is I - W; no voxel is its own neighbour.
        squares = np.bincount(self.weights.indices, self.weights.data**2, minlength=len(self.known))
        return 1 + squares

    @property
    def load(self) -> npt.NDArray[np.float64]:
        """Right-hand side, shape (unknown voxels,)."""
        return self.known - self.transposed @ self.known

    def product(self, x: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """The matrix of the form times x, shape (unknown voxels,)."""
        residue = x - self.weights @ x
        return residue - self.transposed @ residue


def mixing_weights(
    place: Neighbourhood, neighbours: Neighbours, position_mm: float
) -> npt.NDArray[np.float32]:
    """Weights of the neighbours of each unknown voxel, in the order of ``neighbours.which``.

    They sum to 1 for each voxel that has a neighbour.
    """
    offsets = place.offset_mm / np.float32(position_mm)
    return _mix(
        place.rows,
        place.guide,
        place.steps,
        offsets,
        neighbours.start,
        neighbours.which,
        neighbours.weight,
        _RIDGE,
    )


@compiled
def _mix(rows, guide, steps, offsets, start, which, share, ridge):
    # With Z the differences (4 x K), the weights are those of (Z'Z + r I)^-1 1, made to sum to 1.
    # By Woodbury's identity that is 1 - Z'(Z Z' + r I)^-1 Z 1: four equations instead of K.
    weights = np.empty(len(which), np.float32)
    matrix = np.empty((4, 4))
    z, total = np.empty(4), np.empty(4)
    for row in range(len(rows)):
        own = guide[rows[row]]
        matrix[:] = 0
        total[:] = 0
        for k in range(start[row], start[row + 1]):
            z[0] = guide[rows[row] + steps[which[k]]] - own
            for a in range(3):
                z[a + 1] = offsets[which[k], a]
            for a in range(4):
                scaled = share[k] * z[a]
                total[a] += scaled
                for b in range(a + 1):
                    matrix[a, b] += scaled * z[b]
        trace = matrix[0, 0] + matrix[1, 1] + matrix[2, 2] + matrix[3, 3]
        count = max(start[row + 1] - start[row], 1)
        floor = ridge * trace / count + 1e-12
        # Cholesky, in place, lower triangle.
        for a in range(4):
            for b in range(a + 1):
                value = matrix[a, b] + (floor if a == b else 0.0)
                for c in range(b):
                    value -= matrix[a, c] * matrix[b, c]
                matrix[a, b] = np.sqrt(max(value, 1e-15)) if a == b else value / matrix[b, b]
        for a in range(4):
            for c in range(a):
                total[a] -= matrix[a, c] * total[c]
            total[a] /= matrix[a, a]
        for a in range(3, -1, -1):
            for c in range(a + 1, 4):
                total[a] -= matrix[c, a] * total[c]
            total[a] /= matrix[a, a]
        whole = 0.0
        for k in range(start[row], start[row + 1]):
            value = 1 - total[0] * (guide[rows[row] + steps[which[k]]] - own)
            for a in range(3):
                value -= total[a + 1] * offsets[which[k], a]
            weights[k] = share[k] * value
            whole += share[k] * value
        for k in range(start[row], start[row + 1]):
            weights[k] /= whole
    return weights


@compiled
def _split(rows, number, alpha, steps, start, which, weights):
    begin = np.zeros(len(rows) + 1, np.int32)
    column = np.empty(len(which), np.int32)
    weight = np.empty(len(which), np.float64)
    known = np.zeros(len(rows))
    kept = 0
    for row in range(len(rows)):
        for k in range(start[row], start[row + 1]):
            other = rows[row] + steps[which[k]]
            if number[other] >= 0:
                column[kept] = number[other]
                weight[kept] = weights[k]
                kept += 1
            else:
                known[row] += weights[k] * alpha[other]
        begin[row + 1] = kept
    return begin, column[:kept].copy(), weight[:kept].copy(), known
