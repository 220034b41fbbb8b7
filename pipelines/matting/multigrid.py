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
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyamg
from scipy import ndimage, sparse
from scipy.sparse.linalg import splu

from pipelines.compiled import compiled

Array = npt.NDArray[np.float64]
Correction = Callable[[npt.NDArray], npt.NDArray]

BLOCK = 8
"""Voxels of a block along each axis. Of 4, 5, 6, 8 and 12 the fastest from 100,000 voxels on; at
least 3, so that no window reaches beyond the next block."""

_DIRECT = 600
"""Coarse unknowns that are factorised at once."""

THICK = {2: 80, 3: 32}
"""Depth in voxels from which on it pays, by the number of axes longer than one (`worth_it`)."""


@dataclass(frozen=True, eq=False)
class Coarse:
    """Coarse functions of the unknown voxels, and L between them.

    Attributes
    ----------
    block : ndarray of int32, shape (unknown voxels,)
        Block of each unknown voxel.
    first, second : ndarray of float64, shape (unknown voxels,)
        The two functions of a block at its voxels, each of norm one; the second is 0 where
        intensity does not vary, both where there is no equation.
    matrix : scipy.sparse.bsr_matrix, two rows a block
        L between the functions.
    fields : ndarray of float64, shape (rows of the matrix, 2)
        Constant alpha and alpha that is the intensity, by those functions.
    inverse : ndarray of float64, shape (unknown voxels,)
        One over the diagonal of L; 0 where there is no equation.
    """

    block: npt.NDArray[np.int32]
    first: Array
    second: Array
    matrix: sparse.bsr_matrix
    fields: Array
    inverse: Array


def coarsen(
    guide: npt.NDArray,
    unknown: npt.NDArray[np.bool_],
    size: int = 3,
    *,
    ridge: float = 1e-7,
    weight: npt.NDArray | None = None,
) -> Coarse:
    """The coarse problem; parameters as of `preconditioner`."""
    shape = (1,) * (3 - guide.ndim) + guide.shape
    guide = np.ascontiguousarray(guide, np.float64).reshape(shape)
    unknown = np.ascontiguousarray(unknown).reshape(shape)
    at = unknown.nonzero()
    count = len(at[0])
    number = np.full(shape, -1, np.int32)
    number[at] = np.arange(count, dtype=np.int32)
    grid = tuple(-(-n // BLOCK) for n in shape)
    flat = np.ravel_multi_index(tuple(a // BLOCK for a in at), grid)
    used, block = np.unique(flat, return_inverse=True)
    block = block.astype(np.int32)
    intensity = guide[at]
    voxels = np.bincount(block).astype(np.float64)
    mean = np.bincount(block, intensity) / voxels
    deviation = intensity - mean[block]
    name = np.full(tuple(n + 2 for n in grid), -1, np.int32)
    name[tuple(i + 1 for i in np.unravel_index(used, grid))] = np.arange(len(used), dtype=np.int32)
    cells = np.stack(np.unravel_index(used, grid), axis=1) + 1
    steps = np.stack(np.unravel_index(np.arange(27), (3, 3, 3)), axis=1) - 1
    neighbour = name[tuple(np.moveaxis(cells[:, None] + steps, -1, 0))]
    own, diagonal = np.zeros(count), np.zeros(count)
    between = np.zeros((len(used), 27, 2, 2))
    sides = np.array([min(size, n) for n in shape])
    _galerkin(guide, number, deviation, name, sides, BLOCK, ridge, own, diagonal, between)
    if weight is not None:
        more = np.asarray(weight, np.float64).reshape(shape)[at]
        own, diagonal = own + more, diagonal + more
    for row, left in enumerate((None, deviation)):
        for column, right in enumerate((None, deviation)):
            value = own if left is None else own * left
            value = value if right is None else value * right
            between[:, 13, row, column] += np.bincount(block, value)
    spread = np.sqrt(np.bincount(block, deviation**2))
    varies = spread > 1e-8
    scale = np.stack([1 / np.sqrt(voxels), np.where(varies, 1 / np.where(varies, spread, 1), 0)], 1)

    there = neighbour >= 0
    for step in range(13):  # The kernel fills one of each two mirrored entries.
        row = np.flatnonzero(there[:, step])
        between[row, step] = between[neighbour[row, step], 26 - step].transpose(0, 2, 1)
    rows = np.repeat(np.arange(len(used)), there.sum(axis=1))
    columns = neighbour[there]
    data = between[there] * scale[rows][:, :, None] * scale[columns][:, None, :]
    # A function that L does not see, or that is not there, stands alone.
    on_diagonal = np.flatnonzero(rows == columns)
    for k in range(2):
        entry = data[on_diagonal, k, k]
        data[on_diagonal, k, k] = np.where(entry > 1e-9, entry * (1 + 1e-9), 1.0)
    starts = np.concatenate([[0], np.cumsum(there.sum(axis=1))])
    matrix = sparse.bsr_matrix((data, columns, starts), shape=(2 * len(used),) * 2)
    fields = np.zeros((2 * len(used), 2))
    fields[0::2, 0] = np.sqrt(voxels)
    fields[0::2, 1] = np.sqrt(voxels) * mean
    fields[1::2, 1] = spread
    asked = diagonal > 1e-9  # What has no equation keeps its first guess.
    return Coarse(
        block=block,
        first=np.where(asked, scale[block, 0], 0),
        second=np.where(asked, deviation * scale[block, 1], 0),
        matrix=matrix,
        fields=fields,
        inverse=np.where(asked, 1 / np.where(asked, diagonal, 1), 0),
    )


@compiled
def _galerkin(guide, number, deviation, name, sides, block, ridge, own, diagonal, between):
    """Sum L window by window.

    `own` takes the number of windows that hold each unknown voxel and `diagonal` that of L;
    `between` takes, of the functions 1 and `deviation` of every block, with themselves and with
    those of the 13 neighbours that come later, minus what the models of all windows explain.
    """
    deep, high, wide = sides
    count = deep * high * wide
    sums, moments = np.zeros((8, 2)), np.zeros((8, 2))
    names, met = np.zeros(8, np.int32), np.zeros(8, np.int64)
    for z in range(guide.shape[0] - deep + 1):
        for y in range(guide.shape[1] - high + 1):
            for x in range(guide.shape[2] - wide + 1):
                origin = guide[z, y, x]
                total = square = 0.0
                last = -1
                for i in range(z, z + deep):
                    for j in range(y, y + high):
                        for k in range(x, x + wide):
                            d = guide[i, j, k] - origin
                            total += d
                            square += d * d
                            last = max(last, number[i, j, k])
                if last < 0:
                    continue
                mean = total / count
                slope = 1 / (max(square - total * mean, 0.0) + ridge)
                constant = 1.0 / count
                mean += origin
                sums[:] = 0
                moments[:] = 0
                names[:] = -1
                bz, by, bx = z // block, y // block, x // block
                # First voxels of the next block.
                next_z, next_y, next_x = (bz + 1) * block, (by + 1) * block, (bx + 1) * block
                for i in range(z, z + deep):
                    for j in range(y, y + high):
                        for k in range(x, x + wide):
                            at = number[i, j, k]
                            if at < 0:
                                continue
                            d = guide[i, j, k] - mean
                            own[at] += 1
                            diagonal[at] += 1 - constant - slope * d * d
                            local = 4 * (i >= next_z) + 2 * (j >= next_y) + (k >= next_x)
                            names[local] = 0
                            e = deviation[at]
                            sums[local, 0] += 1
                            sums[local, 1] += e
                            moments[local, 0] += d
                            moments[local, 1] += d * e
                found = 0
                for p in range(8):
                    if names[p] == 0:
                        names[p] = name[bz + (p >> 2) + 1, by + (p >> 1 & 1) + 1, bx + (p & 1) + 1]
                        met[found] = p
                        found += 1
                for first in range(found):
                    p = met[first]
                    for second in range(first, found):
                        q = met[second]
                        step = 13 + 9 * ((q >> 2) - (p >> 2))
                        step += 3 * ((q >> 1 & 1) - (p >> 1 & 1)) + (q & 1) - (p & 1)
                        for row in range(2):
                            for column in range(2):
                                between[names[p], step, row, column] -= (
                                    slope * moments[p, row] * moments[q, column]
                                    + constant * sums[p, row] * sums[q, column]
                                )


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


def worth_it(unknown: npt.NDArray[np.bool_], count: int | None = None) -> bool:
    """Whether the multigrid preconditioner saves time on an unknown region.

    What decides is the depth of the region: the most voxels, counted along axes and diagonals,
    between an unknown voxel and the nearest known one. The diagonal's preconditioner takes 5 to 13
    iterations for each voxel of depth, this one 25 to 50 whatever the depth; its
    set-up and its dearer iterations cost as much as some 230 of the others in 3D, 430 in 2D. How
    many times faster it is, by ``python -m benchmarks.multigrid``, one core, set-up included:

    ==================================  =====  ======  ====
    unknown voxels                      depth  faster  rule
    ==================================  =====  ======  ====
    band of a lesion, 123,000               5    0.16  no
    3D, thick shell, 614,000               21    0.71  no
    3D, thick shell, 1,030,000             25    0.68  no
    3D, all but two seeds, 176,000         27    0.70  no
    3D, all but two seeds, 373,000         35    1.29  yes
    3D, all but two seeds, 1,125,000       51    2.13  yes
    the same, windows of two, 176,000      27    0.94  no
    the same, windows of two, 373,000      35    1.50  yes
    2D, thick shell, 81,000                71    0.96  no
    2D, thick shell, 122,000               87    1.47  yes
    2D, all but two seeds, 173,000        207    3.49  yes
    ==================================  =====  ======  ====

    Noise of 5 to 60 HU makes no difference. Bands around lesions never come near. Setting up takes
    130 bytes for each unknown voxel at the worst moment, of which 30 are kept.

    Parameters
    ----------
    unknown : ndarray of bool, 2D or 3D
        Where alpha is asked for; the image's border is not known.
    count : int, optional
        Number of unknown voxels; counted where it is not given.

    Returns
    -------
    bool
        Small regions are answered from their count alone.
    """
    lengths = [n for n in unknown.shape if n > 1]
    if len(lengths) < 2:
        return False
    thick = THICK[len(lengths)]
    # As deep a region holds at least a corner of a cube.
    least = int(np.prod([min(n, thick) for n in lengths]))
    if max(lengths) < thick or least > (np.count_nonzero(unknown) if count is None else count):
        return False
    # And in it a block on a grid of half that side: a band has none, and needs no distances.
    sides = tuple((min(n, thick) + 1) // 2 for n in unknown.shape)
    flat = (1,) * (3 - unknown.ndim)
    if not _holds_block(unknown.reshape(flat + unknown.shape), flat + sides):
        return False
    return int(ndimage.distance_transform_cdt(unknown, "chessboard").max()) >= thick


@compiled
def _holds_block(unknown, sides):
    """Whether some block of a regular grid is unknown throughout."""
    depth, height, width = unknown.shape
    for z in range(0, depth - sides[0] + 1, sides[0]):
        for y in range(0, height - sides[1] + 1, sides[1]):
            for x in range(0, width - sides[2] + 1, sides[2]):
                block = unknown[z : z + sides[0], y : y + sides[1], x : x + sides[2]]
                whole = True
                for k in range(sides[0]):
                    for j in range(sides[1]):
                        for i in range(sides[2]):
                            if not block[k, j, i]:
                                whole = False
                                break
                        if not whole:
                            break
                    if not whole:
                        break
                if whole:
                    return True
    return False
