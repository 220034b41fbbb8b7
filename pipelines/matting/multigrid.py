"""A multigrid preconditioner for very thick unknown regions.

Conjugate gradients with the diagonal as preconditioner carry news by one window an iteration: the
thicker the unknown region, the more iterations. What they are slow at are alphas that nearly follow
a linear model everywhere, ``alpha = a I + b`` with a and b changing slowly, for L hardly sees them.
Those are two smooth fields, not one: a graph Laplacian of the voxels knows only b, takes the noise
in ``a I`` for roughness, and makes convergence worse. So the coarse problem is built for both: the
voxels are grouped in blocks of `BLOCK` along each axis, each block carries the two functions 1 and
``I - mean``, and the coarse matrix is L between those, summed window by window. PyAMG's
aggregation, given the same two fields, solves it approximately; the diagonal does the rest. The
number of iterations then hardly depends on the thickness.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pyamg
from scipy.sparse.linalg import splu

from pipelines.compiled import compiled
from pipelines.matting.multigrid_coarse import BLOCK, Coarse, coarsen
from pipelines.matting.multigrid_rule import THICK, worth_it

__all__ = ["BLOCK", "THICK", "Coarse", "coarsen", "preconditioner", "worth_it"]

Correction = Callable[[npt.NDArray], npt.NDArray]

_DIRECT = 600
"""Coarse unknowns that are factorised at once."""


@compiled
def _restrict(residual, block, first, second, out):
    """Sums of the residual weighted with each coarse function."""
    out[:] = 0
    for k in range(len(residual)):
        out[2 * block[k]] += first[k] * residual[k]
        out[2 * block[k] + 1] += second[k] * residual[k]


@compiled
def _correct(residual, inverse, block, first, second, coarse, out):
    """The diagonal's correction and that of the coarse functions."""
    for k in range(len(residual)):
        b = 2 * block[k]
        out[k] = inverse[k] * residual[k] + first[k] * coarse[b] + second[k] * coarse[b + 1]


def preconditioner(
    guide: npt.NDArray,
    unknown: npt.NDArray[np.bool_],
    size: int = 3,
    *,
    ridge: float = 1e-7,
    weight: npt.NDArray | None = None,
) -> Correction:
    """An approximate inverse of the matting Laplacian on the unknown voxels.

    Symmetric and positive definite, so that conjugate gradients may use it. Good for learning-based
    matting as well, the operator of which is nearly the same.

    Parameters
    ----------
    guide : ndarray, 2D or 3D
        Intensities scaled to [0, 1].
    unknown : ndarray of bool, same shape
        Where alpha is asked for, at least one voxel; all others are known.
    size : int
        Side of a window, 3 or 2.
    ridge : float
        `epsilon` of closed-form matting.
    weight : ndarray, same shape, optional
        Weight of a prior at each voxel.

    Returns
    -------
    callable
        From a residual, shape (unknown voxels,) in the order of ``unknown.nonzero()``, to a
        correction of the same shape and type.
    """
    coarse = coarsen(guide, unknown, size, ridge=ridge, weight=weight)
    if coarse.matrix.shape[0] <= _DIRECT:
        solve = splu(coarse.matrix.tocsc()).solve
    else:
        # Smoothed prolongators would save two iterations in thirty, but PyAMG scales them with
        # random vectors: the same input would not give the same alpha twice.
        solve = (
            pyamg.smoothed_aggregation_solver(
                coarse.matrix,
                B=coarse.fields,
                smooth=None,
                max_coarse=_DIRECT,
                coarse_solver="splu",
                presmoother=("block_gauss_seidel", {"sweep": "forward"}),
                postsmoother=("block_gauss_seidel", {"sweep": "backward"}),
            )
            .aspreconditioner(cycle="V")
            .matvec
        )
    right = np.zeros(coarse.matrix.shape[0])

    def correction(residual: npt.NDArray) -> npt.NDArray:
        _restrict(residual, coarse.block, coarse.first, coarse.second, right)
        out = np.empty_like(residual)
        _correct(
            residual, coarse.inverse, coarse.block, coarse.first, coarse.second, solve(right), out
        )
        return out

    return correction
