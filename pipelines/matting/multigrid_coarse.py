"""The coarse problem of multigrid: two functions a block of voxels, and the Laplacian between them.

Each block of `BLOCK` voxels along each axis carries the functions 1 and ``I - mean``; the coarse
matrix is L between those, summed window by window (`pipelines.matting.multigrid` says why).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import sparse

from pipelines.compiled import compiled

Array = npt.NDArray[np.float64]

BLOCK = 8
"""Voxels of a block along each axis. Of 4, 5, 6, 8 and 12 the fastest from 100,000 voxels on; at
least 3, so that no window reaches beyond the next block."""


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
    """The coarse problem; parameters as of `multigrid.preconditioner`."""
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
