"""What lies on the way from the mark's centre through each voxel: inwards, and beyond."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from pipelines.compiled import compiled, inlined

Array = npt.NDArray[np.float32]

_PARTS = 6
"""The way in is sampled at so many equal steps."""

_FURTHER_MM = 1.5
"""How much further out than the voxel a sample is taken."""

_LEAST_RADIUS = 0.3
"""Nearer to the centre than this a ray's direction says little."""


class Sight(NamedTuple):
    """From where, and through what, rays are cast; compiled code takes it as it is.

    Attributes
    ----------
    fine, coarse : ndarray of float32, axes (slice, row, column)
        Mix of lung and lesion, smoothed little and much.
    radius : ndarray of float32, same shape
        Elliptic radius.
    wanted : ndarray of bool, same shape
        Voxels through which rays go.
    centre : ndarray, shape (3,)
        The mark's centre in indices.
    size_mm : float
        Mean radius of the mark.
    """

    fine: Array
    coarse: Array
    radius: Array
    wanted: npt.NDArray[np.bool_]
    centre: npt.NDArray[np.float64]
    size_mm: float


@compiled
def along_rays(sight):
    """Five numbers of each wanted voxel, in the order of the array.

    Parameters
    ----------
    sight : Sight

    Returns
    -------
    ndarray of float32, shape (n, 5)
        Coarse mix far outside of the mark on the voxel's ray, fine mix just outside and 1.5 mm
        further out; least and mean fine mix on the way in, the voxel among it. A voxel beyond the
        mark takes its own place for outside.
    """
    fine, coarse, radius, wanted, centre, size = sight
    shape = fine.shape
    far_out, near_out = 1 + min(0.6, 5 / size), 1 + min(0.3, 2.5 / size)
    out = np.empty((np.count_nonzero(wanted), 5), np.float32)
    line = np.empty(shape[2], np.float32)
    least = np.empty(shape[2], np.float32)
    total = np.empty(shape[2], np.float32)
    n = 0
    for i in range(shape[0]):
        z = i - centre[0]
        for j in range(shape[1]):
            y = j - centre[1]
            first, last = _span(wanted[i, j])
            if first > last:
                continue
            least[first : last + 1] = fine[i, j, first : last + 1]
            total[first : last + 1] = fine[i, j, first : last + 1]
            for s in range(1, _PARTS):
                _inwards(fine, centre, z, y, s / _PARTS, first, last, line, least, total)
            for k in range(first, last + 1):
                if not wanted[i, j, k]:
                    continue
                x = k - centre[2]
                r = float(radius[i, j, k])
                safe = max(r, _LEAST_RADIUS)
                t = max(far_out, r) / safe
                out[n, 0] = sample(coarse, centre[0] + t * z, centre[1] + t * y, centre[2] + t * x)
                t = max(near_out, r) / safe
                if t == 1:
                    out[n, 1] = fine[i, j, k]
                else:
                    out[n, 1] = sample(
                        fine, centre[0] + t * z, centre[1] + t * y, centre[2] + t * x
                    )
                t = 1 + _FURTHER_MM / max(size * safe, 0.5)
                out[n, 2] = sample(fine, centre[0] + t * z, centre[1] + t * y, centre[2] + t * x)
                out[n, 3] = least[k]
                out[n, 4] = total[k] / _PARTS
                n += 1
    return out


@inlined
def sample(a, z, y, x):
    """Linear interpolation; beyond the border the nearest voxel repeats."""
    i, p, z = _between(z, a.shape[0])
    j, q, y = _between(y, a.shape[1])
    k, r, x = _between(x, a.shape[2])
    low = _line(_line(a[i, j, k], a[i, j, r], x), _line(a[i, q, k], a[i, q, r], x), y)
    high = _line(_line(a[p, j, k], a[p, j, r], x), _line(a[p, q, k], a[p, q, r], x), y)
    return _line(low, high, z)


@inlined
def _between(place, count):
    """The two indices around a place, and the part of the way from one to the other."""
    place = min(max(place, 0.0), count - 1.0)
    low = int(place)
    return np.uintp(low), np.uintp(min(low + 1, count - 1)), np.float32(place - low)


@inlined
def _line(a, b, part):
    return a + (b - a) * part


@inlined
def _span(wanted):
    """First and last of a row's wanted voxels; the last before the first if there is none."""
    first, last = 0, len(wanted) - 1
    while first <= last and not wanted[first]:
        first += 1
    while last > first and not wanted[last]:
        last -= 1
    return first, last


@inlined
def _inwards(fine, centre, z, y, t, first, last, line, least, total):
    """Samples of a row's rays at one part of the way: they lie in one line along the row."""
    i, p, dz = _between(centre[0] + t * z, fine.shape[0])
    j, q, dy = _between(centre[1] + t * y, fine.shape[1])
    count = fine.shape[2]
    start, stop = centre[2] + t * (first - centre[2]), centre[2] + t * (last - centre[2])
    low, _, _ = _between(start, count)
    _, high, _ = _between(stop, count)
    a, b, c, d = fine[i, j], fine[i, q], fine[p, j], fine[p, q]
    for k in range(low, high + 1):
        line[k] = _line(_line(a[k], b[k], dy), _line(c[k], d[k], dy), dz)
    for k in range(first, last + 1):
        left, right, dx = _between(centre[2] + t * (k - centre[2]), count)
        value = _line(line[left], line[right], dx)
        least[k] = min(least[k], value)
        total[k] += value
