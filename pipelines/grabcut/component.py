"""The one connected piece of a mask that a mark means."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from pipelines.compiled import compiled


def nearest_component(
    mask: npt.NDArray[np.bool_], radius: npt.NDArray[np.float32]
) -> npt.NDArray[np.bool_]:
    """The 6-connected component of a mask that comes closest to the mark's centre.

    Parameters
    ----------
    mask : ndarray of bool, axes (slice, row, column)
        At least one voxel set.
    radius : ndarray of float32, same shape
        Elliptic radius of each voxel.
    """
    return _component(np.ascontiguousarray(mask), np.ascontiguousarray(radius))


@compiled
def _component(mask, radius):
    shape = mask.shape
    piece = np.zeros(shape, np.bool_)
    best, si, sj, sk = np.float32(np.inf), -1, -1, -1
    count = 0
    for i in range(shape[0]):
        for j in range(shape[1]):
            for k in range(shape[2]):
                if mask[i, j, k]:
                    count += 1
                    if radius[i, j, k] < best:
                        best, si, sj, sk = radius[i, j, k], i, j, k
    if count == 0:
        return piece
    # Each voxel enters once, so the stack cannot hold more than the mask.
    stack = np.empty((count, 3), np.int32)
    stack[0, 0], stack[0, 1], stack[0, 2] = si, sj, sk
    piece[si, sj, sk] = True
    top = 1
    while top > 0:
        top -= 1
        i, j, k = stack[top]
        for d in range(6):
            step = 2 * (d & 1) - 1
            a = i + step if d < 2 else i
            b = j + step if 2 <= d < 4 else j
            c = k + step if d >= 4 else k
            if a < 0 or b < 0 or c < 0 or a >= shape[0] or b >= shape[1] or c >= shape[2]:
                continue
            if mask[a, b, c] and not piece[a, b, c]:
                piece[a, b, c] = True
                stack[top, 0], stack[top, 1], stack[top, 2] = a, b, c
                top += 1
    return piece
