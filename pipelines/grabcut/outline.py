"""The cut's outline between voxels: alpha as shape alone suggests it."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from pipelines.compiled import compiled, inlined
from pipelines.grabcut.cut import box_around

_LEVEL = 0.35
"""Added to the log-odds: at this level the volume of juxta-pleural phantoms is right, on seeds
below 1000."""

_SURE = 6.0
"""Log-odds beyond which more says nothing of the distance."""

_FLATTEST = 0.5
"""Change of log-odds per mm; where they change less, their zero is no surface."""


def shape_from_cut(
    mask: npt.NDArray[np.bool_],
    probability: npt.NDArray[np.float32],
    spacing: tuple[float, float, float],
) -> npt.NDArray[np.float32]:
    """Alpha of voxels at the outline of a cut, from how far its probability lies from even.

    A mask ends in steps as large as voxels. Log-odds do not: divided by their slope they tell, to
    first order, how far in mm the lesion's surface is. Across it alpha falls over one voxel side.
    No voxel changes sides: alpha is at least 0.5 in the mask and at most 0.5 outside of it, and
    0 or 1 where all neighbours in 3x3x3 are on one side.

    Parameters
    ----------
    mask : ndarray of bool, axes (slice, row, column)
        The cut, `Cut.mask`.
    probability : ndarray of float32, same shape
        Of being lesion, `Cut.probability`.
    spacing : tuple of float
        Voxel size in mm.

    Returns
    -------
    ndarray of float32, same shape
        In [0, 1]; the prior of `pipelines.matting.occupancy`.
    """
    out = np.zeros(mask.shape, np.float32)
    box = box_around(mask)
    out[box] = _shape(
        np.ascontiguousarray(mask[box]),
        np.ascontiguousarray(probability[box], np.float32),
        np.array(spacing, np.float64),
    )
    return out


@compiled
def _shape(mask, probability, spacing):
    shape = mask.shape
    side = spacing.min()
    out = np.empty(shape, np.float32)
    for i in range(shape[0]):
        a, b = max(i - 1, 0), min(i + 1, shape[0] - 1)
        for j in range(shape[1]):
            c, d = max(j - 1, 0), min(j + 1, shape[1] - 1)
            for k in range(shape[2]):
                e, f = max(k - 1, 0), min(k + 1, shape[2] - 1)
                out[i, j, k] = mask[i, j, k]
                if not _mixed(mask, a, b, c, d, e, f):
                    continue
                z = _slope(probability[a, j, k], probability[b, j, k], (b - a) * spacing[0])
                y = _slope(probability[i, c, k], probability[i, d, k], (d - c) * spacing[1])
                x = _slope(probability[i, j, e], probability[i, j, f], (f - e) * spacing[2])
                steepness = max(np.sqrt(z * z + y * y + x * x), _FLATTEST)
                depth = _log_odds(probability[i, j, k]) / steepness
                low, high = (0.5, 1.0) if mask[i, j, k] else (0.0, 0.5)
                out[i, j, k] = min(max(depth / side + 0.5, low), high)
    return out


@inlined
def _mixed(mask, a, b, c, d, e, f):
    """Whether the voxels from one corner to the other lie on both sides of the cut."""
    first = mask[a, c, e]
    for i in range(a, b + 1):
        for j in range(c, d + 1):
            for k in range(e, f + 1):
                if mask[i, j, k] != first:
                    return True
    return False


@inlined
def _log_odds(p):
    """Log-odds at the level of the outline, cut off."""
    p = min(max(p, np.float32(1e-6)), np.float32(1 - 1e-6))
    return min(max(np.log(p / (1 - p)) + _LEVEL, -_SURE), _SURE)


@inlined
def _slope(low, high, distance):
    """Change of log-odds per mm; none along an axis of one voxel."""
    return (_log_odds(high) - _log_odds(low)) / distance if distance > 0 else 0.0
