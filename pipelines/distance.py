"""Exact distances in mm on anisotropic grids, as far as a limit.

What makes a trimap looks a few millimetres around an outline, where the separable minimum over
parabolas (Felzenszwalb and Huttenlocher: Distance transforms of sampled functions, 2012) needs a
few steps an axis only, and costs a small part of an unlimited transform.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from pipelines.compiled import compiled


def distance_within(
    target: npt.NDArray[np.bool_], spacing: tuple[float, ...], limit_mm: float
) -> npt.NDArray[np.float32]:
    """Distance of each voxel centre to the nearest centre in `target`, in mm.

    Parameters
    ----------
    target : ndarray of bool, 2D or 3D
        Where distance is 0.
    spacing : tuple of float
        Voxel size in mm, one for each axis.
    limit_mm : float
        Distances up to here are exact; what is farther away, or has no target, is infinite.

    Returns
    -------
    ndarray of float32, same shape
    """
    target = np.asarray(target, dtype=bool)
    flat = (1,) * (3 - target.ndim) + target.shape
    steps = (1.0,) * (3 - target.ndim) + tuple(float(s) for s in spacing)
    limit = np.float32(limit_mm * (1 + 1e-5))
    square = _squares(
        np.ascontiguousarray(target).reshape(flat),
        np.array(steps, np.float32),
        np.array([min(int(limit / s), n - 1) for s, n in zip(steps, flat, strict=True)]),
        limit * limit,
    )
    return square.reshape(target.shape)


@compiled
def _squares(target, steps, reach, most):
    """Separable minima of squared distances; rows along the last axis stay in the cache."""
    depth, height, width = target.shape
    far = np.float32(np.inf)
    first = np.empty((depth, height, width), np.float32)
    empty = np.ones((depth, height), np.bool_)
    for z in range(depth):
        for y in range(height):
            for x in range(width):
                first[z, y, x] = np.float32(0) if target[z, y, x] else far
                if target[z, y, x]:
                    empty[z, y] = False
            if empty[z, y]:
                continue
            # Two sweeps count the voxels to the nearest target in the row.
            gap = far
            for x in range(width):
                gap = np.float32(0) if target[z, y, x] else gap + steps[2]
                first[z, y, x] = gap
            gap = far
            for x in range(width - 1, -1, -1):
                gap = np.float32(0) if target[z, y, x] else gap + steps[2]
                gap = min(gap, first[z, y, x])
                first[z, y, x] = gap * gap if gap * gap <= most else far
    second = np.full((depth, height, width), far, np.float32)
    nothing = np.ones((depth, height), np.bool_)
    for z in range(depth):
        for y in range(height):
            for k in range(max(0, y - reach[1]), min(height, y + reach[1] + 1)):
                if empty[z, k]:
                    continue
                nothing[z, y] = False
                add = np.float32((steps[1] * (k - y)) ** 2)
                for x in range(width):
                    second[z, y, x] = min(second[z, y, x], first[z, k, x] + add)
    result = np.full((depth, height, width), far, np.float32)
    for z in range(depth):
        for k in range(max(0, z - reach[0]), min(depth, z + reach[0] + 1)):
            add = np.float32((steps[0] * (k - z)) ** 2)
            for y in range(height):
                if nothing[k, y]:
                    continue
                for x in range(width):
                    result[z, y, x] = min(result[z, y, x], second[k, y, x] + add)
        for y in range(height):
            for x in range(width):
                value = result[z, y, x]
                result[z, y, x] = np.sqrt(value) if value <= most else far
    return result
