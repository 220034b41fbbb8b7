"""What is measured of each voxel around a mark before anything is decided.

Grey values are taken between two levels, 0 the lung around the mark and 1 the lesion inside it
(the *mix*). A voxel is judged by the mix at its place, on its way from the mark's centre, further
out, across the slices and in the mark's plane below it; by its place in the mark's ellipsoid; and
by its depth behind the pleura, where there is one.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pipelines.compiled import compiled
from pipelines.grabcut.ellipsoid import RecistEllipsoid
from pipelines.grabcut.levels import Levels
from pipelines.grabcut.pleura import Pleura, find_pleura
from pipelines.grabcut.slice_profile import slice_profile, unlike_core
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
    pleura = find_pleura(hu, spacing, radius, centre, ellipsoid.directions)
    size = ellipsoid.size_mm
    width = float(np.abs(ellipsoid.directions[2]) @ steps)
    core = float(np.median(wide[radius <= max(0.4, float(radius.min()))]))
    profile, unlike, first = slice_profile(fine, wide, core, centre, steps, ellipsoid, width)
    surface = np.zeros((4, 3)) if pleura is None else np.vstack([pleura.frame, np.zeros(3)])
    coefficients = np.zeros(7)
    if pleura is not None:
        coefficients[:6], coefficients[6] = pleura.coefficients, pleura.reach_mm
    features = np.empty((int(np.count_nonzero(wanted)), len(FEATURES)), np.float32)
    _fill(
        features,
        np.ascontiguousarray(image, np.float32),
        fine,
        coarse,
        wide,
        core,
        radius,
        np.ascontiguousarray(wanted),
        centre,
        steps,
        ellipsoid.directions,
        ellipsoid.positive,
        ellipsoid.negative,
        size,
        levels.lung,
        levels.lesion,
        profile,
        unlike,
        first,
        width,
        _dense_part(coarse, radius),
        surface,
        coefficients,
    )
    return Evidence(features, levels, pleura)


@compiled
def _elliptic(p, directions, positive, negative, axis):
    """Coordinate of a place along one axis of the ellipsoid, in half axes of that side."""
    c = p[0] * directions[axis, 0] + p[1] * directions[axis, 1] + p[2] * directions[axis, 2]
    return c / positive[axis] if c > 0 else c / negative[axis]


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


@compiled
def _at(a, z, y, x):
    """Linear interpolation; beyond the border the nearest voxel repeats."""
    z = min(max(z, 0.0), a.shape[0] - 1.0)
    y = min(max(y, 0.0), a.shape[1] - 1.0)
    x = min(max(x, 0.0), a.shape[2] - 1.0)
    i, j, k = int(z), int(y), int(x)
    p, q = min(i + 1, a.shape[0] - 1), min(j + 1, a.shape[1] - 1)
    r = min(k + 1, a.shape[2] - 1)
    z, y, x = np.float32(z - i), np.float32(y - j), np.float32(x - k)
    one = np.float32(1)
    low = (a[i, j, k] * (one - x) + a[i, j, r] * x) * (one - y) + (
        a[i, q, k] * (one - x) + a[i, q, r] * x
    ) * y
    high = (a[p, j, k] * (one - x) + a[p, j, r] * x) * (one - y) + (
        a[p, q, k] * (one - x) + a[p, q, r] * x
    ) * y
    return low * (one - z) + high * z


@compiled
def _slope(a, i, j, k, axis, step):
    """Central difference per mm, one-sided at the border."""
    n = a.shape[axis]
    if n == 1:
        return np.float32(0)
    here = i if axis == 0 else (j if axis == 1 else k)
    low, high = max(here - 1, 0), min(here + 1, n - 1)
    if axis == 0:
        d = a[high, j, k] - a[low, j, k]
    elif axis == 1:
        d = a[i, high, k] - a[i, low, k]
    else:
        d = a[i, j, high] - a[i, j, low]
    return d / ((high - low) * step)


@compiled
def _fill(
    out,
    image,
    fine,
    coarse,
    wide,
    core,
    radius,
    wanted,
    centre,
    steps,
    directions,
    positive,
    negative,
    size,
    lung,
    lesion,
    profile,
    unlike,
    first,
    width,
    dense_part,
    surface,
    coefficients,
):
    """Fill one row a wanted voxel, in the order of FEATURES."""
    contrast = lesion - lung
    far_out, near_out = 1 + min(0.6, 5 / size), 1 + min(0.3, 2.5 / size)
    relative_size = np.log(size / 4)
    p = np.empty(3)
    n = 0
    for i in range(image.shape[0]):
        p[0] = (i - centre[0]) * steps[0]
        for j in range(image.shape[1]):
            p[1] = (j - centre[1]) * steps[1]
            for k in range(image.shape[2]):
                if not wanted[i, j, k]:
                    continue
                p[2] = (k - centre[2]) * steps[2]
                r = float(radius[i, j, k])
                a = _elliptic(p, directions, positive, negative, 0)
                b = _elliptic(p, directions, positive, negative, 1)
                c = _elliptic(p, directions, positive, negative, 2)
                in_plane = np.sqrt(a * a + b * b)
                mix = min(max((image[i, j, k] - lung) / contrast, -0.3), 1.3)
                here = fine[i, j, k]
                z, y, x = p[0] / steps[0], p[1] / steps[1], p[2] / steps[2]
                safe = max(r, 0.3)
                t = max(far_out, r) / safe
                far = _at(coarse, centre[0] + t * z, centre[1] + t * y, centre[2] + t * x)
                t = max(near_out, r) / safe
                near = _at(fine, centre[0] + t * z, centre[1] + t * y, centre[2] + t * x)
                t = 1 + 1.5 / max(size * safe, 0.5)
                further = _at(fine, centre[0] + t * z, centre[1] + t * y, centre[2] + t * x)
                least, mean = here, here
                for s in range(1, 6):
                    t = s / 6
                    value = _at(fine, centre[0] + t * z, centre[1] + t * y, centre[2] + t * x)
                    least = min(least, value)
                    mean += value
                h = p[0] * directions[2, 0] + p[1] * directions[2, 1] + p[2] * directions[2, 2]
                below = _at(
                    fine,
                    i - h * directions[2, 0] / steps[0],
                    j - h * directions[2, 1] / steps[1],
                    k - h * directions[2, 2] / steps[2],
                )
                at = h / width - first
                floor = int(np.floor(at + 1e-9))
                part = max(at - floor, 0.0)
                up_to, off = profile[floor], unlike[floor]
                if part > 0.001:
                    up_to += part * (profile[floor + 1] - profile[floor])
                    off += part * (unlike[floor + 1] - unlike[floor])
                gz = _slope(fine, i, j, k, 0, steps[0])
                gy = _slope(fine, i, j, k, 1, steps[1])
                gx = _slope(fine, i, j, k, 2, steps[2])
                behind = -1.0
                if coefficients[6] > 0:
                    u = (p[0] * surface[0, 0] + p[1] * surface[0, 1] + p[2] * surface[0, 2]) / (
                        coefficients[6]
                    )
                    v = (p[0] * surface[1, 0] + p[1] * surface[1, 1] + p[2] * surface[1, 2]) / (
                        coefficients[6]
                    )
                    w = p[0] * surface[2, 0] + p[1] * surface[2, 1] + p[2] * surface[2, 2]
                    q = coefficients
                    w -= q[0] + q[1] * u + q[2] * v + q[3] * u * u + q[4] * u * v + q[5] * v * v
                    su = (q[1] + 2 * q[3] * u + q[4] * v) / q[6]
                    sv = (q[2] + 2 * q[5] * v + q[4] * u) / q[6]
                    behind = min(max(w / np.sqrt(1 + su * su + sv * sv), -1.0), 1.0)
                row = out[n]
                row[0] = 2 * (mix - 0.5)
                row[1] = 2 * (here - 0.5)
                row[2] = 2 * (coarse[i, j, k] - 0.5)
                row[3] = 2 * (min(r, 2.5) - 1)
                row[4] = 2 * (min(in_plane, 2.5) - 0.8)
                row[5] = 2 * (min(abs(c), 2.5) - 0.6)
                row[6] = 2 * (far - 0.4)
                row[7] = 2 * (near - 0.4)
                row[8] = 2 * (further - 0.4)
                row[9] = 2 * (least - 0.5)
                row[10] = 2 * (mean / 6 - 0.7)
                row[11] = 2 * (min(max(up_to, -0.3), 1.3) - 0.6)
                row[12] = 2 * (below - 0.5)
                row[13] = 4 * (min(np.sqrt(gz * gz + gy * gy + gx * gx), 1.0) - 0.2)
                row[14] = min(max((r - 1) * size, -6.0), 6.0) / 2
                row[15] = 2 * min(max(relative_size, -1.0), 1.4)
                row[16] = min(max((contrast - 650) / 300, -2.0), 2.0)
                row[17] = min(max((lesion + 150) / 250, -2.5), 1.5)
                row[18] = 3 * (dense_part - 0.25)
                row[19] = min(width, 5.0) - 1.5
                row[20] = behind
                row[21] = unlike_core(wide[i, j, k], np.float32(core))
                row[22] = off
                n += 1
