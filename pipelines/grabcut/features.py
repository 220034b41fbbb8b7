"""What is measured of each voxel around a mark before anything is decided.

Grey values are taken between two levels, 0 the lung around the mark and 1 the lesion inside it
(the *mix*). A voxel is judged by the mix at its place, on its way from the mark's centre, further
out, across the slices and in the mark's plane below it; by its place in the mark's ellipsoid; and
by its depth behind the pleura, where there is one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from pipelines.compiled import compiled, inlined
from pipelines.grabcut.ellipsoid import RecistEllipsoid
from pipelines.grabcut.levels import Levels
from pipelines.grabcut.pleura import NOWHERE, Pleura, depth_behind, find_pleura
from pipelines.grabcut.rays import Sight, along_rays, sample
from pipelines.grabcut.slice_profile import slice_profile, unlike_core, up_to
from pipelines.grabcut.smooth import smooth

Array = npt.NDArray[np.float32]

FEATURES = (
    "mix",
    "fine mix",
    "coarse mix",
    "radius",
    "radius in the plane",
    "radius across it",
    "mix far outside",
    "mix just outside",
    "mix 1.5 mm further out",
    "least mix on the way in",
    "mean mix on the way in",
    "least mean mix of the slices up to here",
    "mix below in the mark's plane",
    "steepness",
    "distance from the ellipsoid",
    "size",
    "contrast",
    "HU of the lesion",
    "dense surroundings",
    "slice distance",
    "behind the pleura",
    "unlike the mark's core",
    "most unlike slice up to here",
)
"""Names of the columns of `Evidence.features`; each is centred and scaled to about one."""

_FINE_MM, _COARSE_MM = 0.7, 1.5
_LOWEST_HU, _HIGHEST_HU = -1000.0, 300.0


@dataclass(frozen=True, eq=False)
class Evidence:
    """The measurements.

    Attributes
    ----------
    features : ndarray of float32, shape (n, len(FEATURES))
        One row for each voxel that was asked for, in the order of the array.
    levels : Levels
        HU of lung and lesion.
    pleura : Pleura or None
        The lung's surface, where one was found.
    """

    features: Array
    levels: Levels
    pleura: Pleura | None


def measure(
    image: npt.NDArray,
    spacing: tuple[float, float, float],
    ellipsoid: RecistEllipsoid,
    offset: tuple[int, int, int],
    radius: Array,
    wanted: npt.NDArray[np.bool_],
) -> Evidence:
    """Measure the voxels around a mark.

    Parameters
    ----------
    image : ndarray, axes (slice, row, column)
        HU.
    spacing : tuple of float
        Voxel size in mm.
    ellipsoid : RecistEllipsoid
        The mark's shape.
    offset : tuple of int
        Index of the image's first voxel in the volume of the ellipsoid.
    radius : ndarray of float32, same shape
        Elliptic radius of each voxel.
    wanted : ndarray of bool, same shape
        Voxels to measure.
    """
    steps = np.asarray(spacing, dtype=np.float64)
    centre = ellipsoid.centre / steps - np.asarray(offset)
    levels = Levels.measure(image, radius)
    hu = smooth(np.clip(image, _LOWEST_HU, _HIGHEST_HU), spacing, _FINE_MM)
    fine = levels.mix(hu)
    wide = smooth(hu, spacing, float(np.sqrt(_COARSE_MM**2 - _FINE_MM**2)))
    coarse = levels.mix(wide)
    wanted = np.ascontiguousarray(wanted)
    pleura = find_pleura(hu, spacing, radius, centre, ellipsoid.directions)
    core = float(np.median(wide[radius <= max(0.4, float(radius.min()))]))
    profile = slice_profile(fine, wide, core, centre, steps, ellipsoid)
    rays = along_rays(Sight(fine, coarse, radius, wanted, centre, ellipsoid.size_mm))
    local = _Local(levels.mix(image), fine, coarse, wide, core, radius, wanted)
    mark = _Mark(
        centre,
        steps,
        ellipsoid.directions,
        ellipsoid.positive,
        ellipsoid.negative,
        ellipsoid.size_mm,
    )
    features = np.empty((len(rays), len(FEATURES)), np.float32)
    features[:, 15:20] = _of_all(
        ellipsoid.size_mm, levels, _dense_part(coarse, radius), profile.width_mm
    )
    _fill(features, local, mark, profile, NOWHERE if pleura is None else pleura, rays)
    return Evidence(features, levels, pleura)


class _Local(NamedTuple):
    """What is known at each voxel: mixes, HU and the core's, elliptic radius, which are wanted."""

    mix: Array
    fine: Array
    coarse: Array
    wide: Array
    core: float
    radius: Array
    wanted: npt.NDArray[np.bool_]


class _Mark(NamedTuple):
    """The ellipsoid on the grid: its centre in indices, voxel size in mm, and its shape in mm."""

    centre: npt.NDArray[np.float64]
    steps: npt.NDArray[np.float64]
    directions: npt.NDArray[np.float64]
    positive: npt.NDArray[np.float64]
    negative: npt.NDArray[np.float64]
    size_mm: float


def _of_all(size_mm: float, levels: Levels, dense_part: float, width_mm: float) -> Array:
    """Columns 15 to 19, which are the same for each voxel of a mark."""
    return np.array(
        [
            2 * np.clip(np.log(size_mm / 4), -1.0, 1.4),
            np.clip((levels.lesion - levels.lung - 650) / 300, -2.0, 2.0),
            np.clip((levels.lesion + 150) / 250, -2.5, 1.5),
            3 * (dense_part - 0.25),
            min(width_mm, 5.0) - 1.5,
        ],
        np.float32,
    )


@compiled
def _dense_part(coarse, radius):
    """Part of the shell around the mark that is nearer to the lesion's level than to lung."""
    dense, count = 0, 0
    for i in range(radius.shape[0]):
        for j in range(radius.shape[1]):
            for k in range(radius.shape[2]):
                if 1.2 < radius[i, j, k] < 1.8:
                    count += 1
                    if coarse[i, j, k] > 0.5:
                        dense += 1
    return dense / count if count else 0.0


@inlined
def _elliptic(z, y, x, mark, axis):
    """Coordinate of a place along one axis of the ellipsoid, in half axes of that side."""
    d = mark.directions
    c = z * d[axis, 0] + y * d[axis, 1] + x * d[axis, 2]
    return c / mark.positive[axis] if c > 0 else c / mark.negative[axis]


@inlined
def _beside(index, count, step):
    """Indices of both neighbours, at the border the voxel's own, and one over their distance."""
    low, high = max(index - 1, 0), min(index + 1, count - 1)
    return low, high, 1 / (max(high - low, 1) * step)


@compiled
def _fill(out, local, mark, profile, pleura, rays):
    """Fill one row a wanted voxel, but for the columns that are the same in each."""
    mix, fine, coarse, wide, core, radius, wanted = local
    centre, steps, normal = mark.centre, mark.steps, profile.normal
    shape = radius.shape
    n = 0
    for i in range(shape[0]):
        z = (i - centre[0]) * steps[0]
        i_low, i_high, per_z = _beside(i, shape[0], steps[0])
        for j in range(shape[1]):
            y = (j - centre[1]) * steps[1]
            j_low, j_high, per_y = _beside(j, shape[1], steps[1])
            for k in range(shape[2]):
                if not wanted[i, j, k]:
                    continue
                x = (k - centre[2]) * steps[2]
                k_low, k_high, per_x = _beside(k, shape[2], steps[2])
                r = float(radius[i, j, k])
                a, b = _elliptic(z, y, x, mark, 0), _elliptic(z, y, x, mark, 1)
                in_plane = np.sqrt(a * a + b * b)
                across = abs(_elliptic(z, y, x, mark, 2))
                height = z * normal[0] + y * normal[1] + x * normal[2]
                below = sample(
                    fine,
                    i - height * normal[0] / steps[0],
                    j - height * normal[1] / steps[1],
                    k - height * normal[2] / steps[2],
                )
                least_mix, most_unlike = up_to(profile, height)
                gz = (fine[i_high, j, k] - fine[i_low, j, k]) * per_z
                gy = (fine[i, j_high, k] - fine[i, j_low, k]) * per_y
                gx = (fine[i, j, k_high] - fine[i, j, k_low]) * per_x
                steepness = np.sqrt(gz * gz + gy * gy + gx * gx)
                out[n, 0] = 2 * (mix[i, j, k] - 0.5)
                out[n, 1] = 2 * (fine[i, j, k] - 0.5)
                out[n, 2] = 2 * (coarse[i, j, k] - 0.5)
                out[n, 3] = 2 * (min(r, 2.5) - 1)
                out[n, 4] = 2 * (min(in_plane, 2.5) - 0.8)
                out[n, 5] = 2 * (min(across, 2.5) - 0.6)
                out[n, 6] = 2 * (rays[n, 0] - 0.4)
                out[n, 7] = 2 * (rays[n, 1] - 0.4)
                out[n, 8] = 2 * (rays[n, 2] - 0.4)
                out[n, 9] = 2 * (rays[n, 3] - 0.5)
                out[n, 10] = 2 * (rays[n, 4] - 0.7)
                out[n, 11] = 2 * (min(max(least_mix, -0.3), 1.3) - 0.6)
                out[n, 12] = 2 * (below - 0.5)
                out[n, 13] = 4 * (min(steepness, 1.0) - 0.2)
                out[n, 14] = min(max((r - 1) * mark.size_mm, -6.0), 6.0) / 2
                out[n, 20] = min(max(depth_behind(z, y, x, pleura), -1.0), 1.0)
                out[n, 21] = unlike_core(wide[i, j, k], np.float32(core))
                out[n, 22] = most_unlike
                n += 1
