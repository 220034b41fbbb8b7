"""Undo a scanner's blur in the unknown band: a bounded, edge-keeping deconvolution.

A CT shows occupancy blurred: its kernel spreads a sharp edge over 1.5 mm, about as far as a band
is wide. Given the mix m = K a + noise that HU show, alpha is what minimises

    1/2 |K a - m|^2 + sum over voxels of lambda sqrt(|grad a|^2 + eps^2),   0 <= a <= 1,

with K a Gaussian in mm and lambda in proportion to the noise (Rudin, Osher, Fatemi 1992; total
variation keeps edges). Known voxels are held. Accelerated projected gradients (Beck and Teboulle:
FISTA, 2009) come close enough in a fixed, small number of steps.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from pipelines.compiled import compiled

Array = npt.NDArray[np.float32]

_EDGE = 0.1
"""Differences of alpha between voxels below this are smoothed as noise, above it kept as edges."""


def gaussian_taps(sigma_mm: float, spacing: float) -> Array:
    """One-sided weights of a Gaussian on a grid: the centre first; together with the mirror 1."""
    sigma = sigma_mm / spacing
    reach = int(3 * sigma + 0.5)
    taps = np.exp(-0.5 * (np.arange(reach + 1) / max(sigma, 1e-6)) ** 2)
    return (taps / (2 * taps.sum() - taps[0])).astype(np.float32)


def deblur(
    mix: Array,
    unknown: npt.NDArray[np.bool_],
    known: Array,
    noise: Array,
    spacing: tuple[float, ...],
    *,
    psf_mm: float,
    smoothing: float,
    steps: int,
) -> Array:
    """Occupancy behind a blurred mix.

    Parameters
    ----------
    mix : ndarray of float32, axes (slice, row, column)
        What HU show: 0 at the background's level, 1 at the lesion's.
    unknown : ndarray of bool, same shape
        Where occupancy is asked for.
    known : ndarray of float32, same shape
        Occupancy elsewhere, and where to start.
    noise : ndarray of float32, same shape
        Standard deviation of the mix.
    spacing : tuple of float
        Voxel size in mm.
    psf_mm : float
        Standard deviation of the scanner's point spread in mm, the same along all axes.
    smoothing : float
        lambda in parts of the noise.
    steps : int
        Gradient steps.

    Returns
    -------
    ndarray of float32, same shape
        In [0, 1]; `known` where it is not unknown.
    """
    flat = [gaussian_taps(psf_mm, s) for s in spacing]
    twice = [gaussian_taps(psf_mm * np.sqrt(2), s) for s in spacing]
    weight = (np.float32(smoothing) * noise).astype(np.float32)
    most = float(weight[unknown].max()) if unknown.any() else 0.0
    step = np.float32(1 / (1 + 4 * most / _EDGE))
    part = np.array([min(spacing) / s for s in spacing], np.float32)
    goal = np.empty_like(mix)
    room = np.empty_like(mix)
    _blur(mix, goal, room, *flat)
    return _descend(goal, unknown, known, weight, part, step, steps, np.float32(_EDGE), *twice)


@compiled
def _blur(source, target, room, taps_z, taps_y, taps_x):
    """Separable Gaussian; beyond the border its last value goes on. `room` is overwritten."""
    depth, height, width = source.shape
    reach = len(taps_x) - 1
    row = np.empty(width + 2 * reach, np.float32)
    for z in range(depth):
        for y in range(height):
            for x in range(width):
                row[reach + x] = source[z, y, x]
            for k in range(reach):
                row[k] = source[z, y, 0]
                row[reach + width + k] = source[z, y, width - 1]
            for x in range(width):
                target[z, y, x] = taps_x[0] * row[reach + x]
            for k in range(1, reach + 1):
                for x in range(width):
                    target[z, y, x] += taps_x[k] * (row[reach + x - k] + row[reach + x + k])
        for y in range(height):
            for x in range(width):
                room[z, y, x] = taps_y[0] * target[z, y, x]
            for k in range(1, len(taps_y)):
                low, high = max(y - k, 0), min(y + k, height - 1)
                for x in range(width):
                    room[z, y, x] += taps_y[k] * (target[z, low, x] + target[z, high, x])
    for z in range(depth):
        for y in range(height):
            for x in range(width):
                target[z, y, x] = taps_z[0] * room[z, y, x]
        for k in range(1, len(taps_z)):
            low, high = max(z - k, 0), min(z + k, depth - 1)
            for y in range(height):
                for x in range(width):
                    target[z, y, x] += taps_z[k] * (room[low, y, x] + room[high, y, x])


@compiled
def _descend(goal, unknown, known, weight, part, step, steps, edge, taps_z, taps_y, taps_x):
    """Accelerated projected gradients; `part` scales differences along each axis."""
    depth, height, width = goal.shape
    alpha = known.copy()
    ahead = known.copy()
    blurred, room = np.empty_like(goal), np.empty_like(goal)
    moved = np.zeros_like(goal)
    busy = np.zeros((depth, height), np.bool_)
    for z in range(depth):
        for y in range(height):
            for x in range(width):
                if unknown[z, y, x]:
                    busy[z, y] = True
    square = edge * edge
    age = 1.0
    for _ in range(steps):
        _blur(ahead, blurred, room, taps_z, taps_y, taps_x)
        # Central differences: a flipped image gives the flipped answer.
        for z in range(depth):
            below, above = max(z - 1, 0), min(z + 1, depth - 1)
            for y in range(height):
                front, back = max(y - 1, 0), min(y + 1, height - 1)
                for x in range(width):
                    left, right = max(x - 1, 0), min(x + 1, width - 1)
                    here = ahead[z, y, x]
                    p, q = ahead[above, y, x] - here, here - ahead[below, y, x]
                    total = part[0] * part[0] * (p * p + q * q)
                    p, q = ahead[z, back, x] - here, here - ahead[z, front, x]
                    total += part[1] * part[1] * (p * p + q * q)
                    p, q = ahead[z, y, right] - here, here - ahead[z, y, left]
                    total += part[2] * part[2] * (p * p + q * q)
                    room[z, y, x] = 1 / np.sqrt(total * np.float32(0.5) + square)
        newer = (1 + np.sqrt(1 + 4 * age * age)) / 2
        momentum = np.float32((age - 1) / newer)
        age = newer
        for z in range(depth):
            below, above = max(z - 1, 0), min(z + 1, depth - 1)
            for y in range(height):
                if not busy[z, y]:
                    continue
                front, back = max(y - 1, 0), min(y + 1, height - 1)
                for x in range(width):
                    left, right = max(x - 1, 0), min(x + 1, width - 1)
                    here, rate = ahead[z, y, x], room[z, y, x]
                    pull = (
                        part[0]
                        * part[0]
                        * (
                            (ahead[above, y, x] - here) * (room[above, y, x] + rate)
                            + (ahead[below, y, x] - here) * (room[below, y, x] + rate)
                        )
                    )
                    pull += (
                        part[1]
                        * part[1]
                        * (
                            (ahead[z, back, x] - here) * (room[z, back, x] + rate)
                            + (ahead[z, front, x] - here) * (room[z, front, x] + rate)
                        )
                    )
                    pull += (
                        part[2]
                        * part[2]
                        * (
                            (ahead[z, y, right] - here) * (room[z, y, right] + rate)
                            + (ahead[z, y, left] - here) * (room[z, y, left] + rate)
                        )
                    )
                    slope = goal[z, y, x] - blurred[z, y, x]
                    slope += weight[z, y, x] * np.float32(0.5) * pull
                    moved[z, y, x] = min(max(here + step * slope, np.float32(0)), np.float32(1))
        for z in range(depth):
            for y in range(height):
                if not busy[z, y]:
                    continue
                for x in range(width):
                    if unknown[z, y, x]:
                        new = moved[z, y, x]
                        ahead[z, y, x] = new + momentum * (new - alpha[z, y, x])
                        alpha[z, y, x] = new
    return alpha
