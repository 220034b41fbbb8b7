"""What the column of tissue through a mark looks like, slice by slice."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from pipelines.compiled import compiled, inlined
from pipelines.grabcut.ellipsoid import RecistEllipsoid

Array = npt.NDArray[np.float32]


class SliceProfile(NamedTuple):
    """What the mark's inner column looks like, slice by slice; compiled code takes it as it is.

    Attributes
    ----------
    least_mix, most_unlike : ndarray of float64, shape (n + 1,)
        Least mean mix, and greatest difference to the mark's core, from the mark's plane outwards
        up to each slice; the last stands twice.
    first : int
        Number of the first slice; the mark's plane is 0.
    normal : ndarray of float64, shape (3,)
        Unit vector across the slices.
    width_mm : float
        Distance of two slices.
    """

    least_mix: npt.NDArray[np.float64]
    most_unlike: npt.NDArray[np.float64]
    first: int
    normal: npt.NDArray[np.float64]
    width_mm: float


def slice_profile(
    fine: Array,
    wide: Array,
    core: float,
    centre: npt.NDArray[np.float64],
    steps: npt.NDArray[np.float64],
    ellipsoid: RecistEllipsoid,
) -> SliceProfile:
    """Measure a mark's inner column.

    Parameters
    ----------
    fine, wide : ndarray of float32, axes (slice, row, column)
        Mix of lung and lesion, and smoothed HU.
    core : float
        HU of the mark's core.
    centre, steps : ndarray, shape (3,)
        The mark's centre in indices, and the voxel size in mm.
    ellipsoid : RecistEllipsoid
        The mark's shape.
    """
    width = float(np.abs(ellipsoid.directions[2]) @ steps)
    corners = np.array(np.meshgrid(*[(0, n - 1) for n in fine.shape])).reshape(3, -1).T
    heights = ((corners - centre) * steps) @ ellipsoid.directions[2] / width
    first = int(np.floor(heights.min())) - 1
    count = int(np.ceil(heights.max())) + 2 - first
    total, unlike, weight = _column(
        fine,
        wide,
        core,
        centre,
        steps,
        ellipsoid.directions,
        ellipsoid.positive,
        ellipsoid.negative,
        first,
        count,
        width,
    )
    weight = np.maximum(weight, 1e-9)
    mean = np.where(weight > 1e-6, total / weight, np.inf)
    unlike = np.abs(unlike / weight)
    middle = min(max(-first, 0), count - 1)
    if not np.isfinite(mean[middle]):
        mean[middle], unlike[middle] = 1.0, 0.0
    for part in (slice(middle, None), slice(middle, None, -1)):
        mean[part] = np.minimum.accumulate(mean[part])
        unlike[part] = np.maximum.accumulate(unlike[part])
    mean, unlike = (np.append(a, a[-1]) for a in (mean, unlike))
    return SliceProfile(mean, unlike, first, ellipsoid.directions[2], width)


@inlined
def up_to(profile, height):
    """Least mix and most unlike of the slices from the mark's plane up to a height in mm."""
    at = height / profile.width_mm - profile.first
    floor = int(np.floor(at + 1e-9))
    part = max(at - floor, 0.0)
    mix, unlike = profile.least_mix, profile.most_unlike
    return (
        mix[floor] + part * (mix[floor + 1] - mix[floor]),
        unlike[floor] + part * (unlike[floor + 1] - unlike[floor]),
    )


@inlined
def unlike_core(hu, core):
    """Difference to the core in steps of 40 HU, at most 1.5: soft tissues differ by so little."""
    return min(max((hu - core) / np.float32(40), np.float32(-1.5)), np.float32(1.5))


@compiled
def _column(fine, wide, core, centre, steps, directions, positive, negative, first, count, width):
    """Sums over the voxels within 0.6 of the mark in its plane, slice by slice."""
    total, unlike, weight = np.zeros(count), np.zeros(count), np.zeros(count)
    for i in range(fine.shape[0]):
        z = (i - centre[0]) * steps[0]
        for j in range(fine.shape[1]):
            y = (j - centre[1]) * steps[1]
            row_a = z * directions[0, 0] + y * directions[0, 1]
            row_b = z * directions[1, 0] + y * directions[1, 1]
            row_h = z * directions[2, 0] + y * directions[2, 1]
            for k in range(fine.shape[2]):
                x = (k - centre[2]) * steps[2]
                a = row_a + x * directions[0, 2]
                a /= positive[0] if a > 0 else negative[0]
                b = row_b + x * directions[1, 2]
                b /= positive[1] if b > 0 else negative[1]
                if a * a + b * b > 0.36:
                    continue
                h = (row_h + x * directions[2, 2]) / width - first
                n = int(h)
                part = h - n
                # Between two slices a voxel counts for both; hardly at all for a far one.
                off = unlike_core(wide[i, j, k], core)
                if part < 0.999:
                    total[n] += (1 - part) * fine[i, j, k]
                    unlike[n] += (1 - part) * off
                    weight[n] += 1 - part
                if part > 0.001:
                    total[n + 1] += part * fine[i, j, k]
                    unlike[n + 1] += part * off
                    weight[n + 1] += part
    return total, unlike, weight
