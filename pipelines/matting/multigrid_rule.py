"""When the multigrid preconditioner pays: a measured rule."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from pipelines.compiled import compiled

THICK = {2: 80, 3: 32}
"""Depth in voxels from which on it pays, by the number of axes longer than one (`worth_it`)."""


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
