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
    rows = np.ones((2, *mix.shape[:2]), np.bool_)
    goal, room = np.empty_like(mix), np.empty_like(mix)
    _blur(mix, goal, room, rows, *flat)
    return _descend(goal, unknown, known, weight, part, step, steps, np.float32(_EDGE), *twice)


@compiled
def _blur(source, target, room, rows, taps_z, taps_y, taps_x):
    """Separable Gaussian; beyond the border its last value goes on. `room` is overwritten.

    `rows` says which rows are wanted after the second and after the last pass.
    """
    depth, height, width = source.shape
    reach = len(taps_x) - 1
    row = np.empty(width + 2 * reach, np.float32)
    for z in range(depth):
        if not rows[0, z].any():
            continue
        for y in range(height):
            given, made = source[z, y], target[z, y]
            row[reach : reach + width] = given
            row[:reach] = given[0]
            row[reach + width :] = given[width - 1]
            for x in range(width):
                made[x] = taps_x[0] * given[x]
            for k in range(1, reach + 1):
                left, right, tap = row[reach - k :], row[reach + k :], taps_x[k]
                for x in range(width):
                    made[x] += tap * (left[x] + right[x])
        for y in range(height):
            if not rows[0, z, y]:
                continue
            given, made = target[z, y], room[z, y]
            for x in range(width):
                made[x] = taps_y[0] * given[x]
            for k in range(1, len(taps_y)):
                left, right = target[z, max(y - k, 0)], target[z, min(y + k, height - 1)]
                tap = taps_y[k]
                for x in range(width):
                    made[x] += tap * (left[x] + right[x])
    for z in range(depth):
        for y in range(height):
            if not rows[1, z, y]:
                continue
            given, made = room[z, y], target[z, y]
            for x in range(width):
                made[x] = taps_z[0] * given[x]
            for k in range(1, len(taps_z)):
                left, right = room[max(z - k, 0), y], room[min(z + k, depth - 1), y]
                tap = taps_z[k]
                for x in range(width):
                    made[x] += tap * (left[x] + right[x])


@compiled
def _beside(row, left, right):
    """A row shifted by one voxel to both sides; its ends stay."""
    last = len(row) - 1
    left[1:] = row[:last]
    right[:last] = row[1:]
    left[0], right[last] = row[0], row[last]


@compiled
def _descend(goal, unknown, known, weight, part, step, steps, edge, taps_z, taps_y, taps_x):
    """Accelerated projected gradients; `part` scales differences along each axis."""
    depth, height, width = goal.shape
    alpha, ahead = known.copy(), known.copy()
    blurred, room = np.empty_like(goal), np.empty_like(goal)
    rate, moved = np.empty_like(goal), np.empty_like(goal)
    left, right = np.empty(width, np.float32), np.empty(width, np.float32)
    left_rate, right_rate = np.empty(width, np.float32), np.empty(width, np.float32)
    # Rows with unknown voxels, those beside them, and those that the blur across slices reaches.
    rows = np.zeros((2, depth, height), np.bool_)
    beside = np.zeros((depth, height), np.bool_)
    for z in range(depth):
        for y in range(height):
            if unknown[z, y].any():
                rows[1, z, y] = True
                beside[max(z - 1, 0) : z + 2, max(y - 1, 0) : y + 2] = True
                for k in range(max(z - len(taps_z) + 1, 0), min(z + len(taps_z), depth)):
                    rows[0, k, y] = True
    square, half = edge * edge, np.float32(0.5)
    in_z, in_y, in_x = half * part[0] ** 2, half * part[1] ** 2, half * part[2] ** 2
    zero, one = np.float32(0), np.float32(1)
    age = 1.0
    for _ in range(steps):
        _blur(ahead, blurred, room, rows, taps_z, taps_y, taps_x)
        # Differences to both sides: a flipped image gives the flipped answer.
        for z in range(depth):
            for y in range(height):
                if not beside[z, y]:
                    continue
                here, made = ahead[z, y], rate[z, y]
                below, above = ahead[max(z - 1, 0), y], ahead[min(z + 1, depth - 1), y]
                front, back = ahead[z, max(y - 1, 0)], ahead[z, min(y + 1, height - 1)]
                _beside(here, left, right)
                for x in range(width):
                    a, b = above[x] - here[x], below[x] - here[x]
                    total = square + in_z * (a * a + b * b)
                    a, b = back[x] - here[x], front[x] - here[x]
                    total += in_y * (a * a + b * b)
                    a, b = right[x] - here[x], left[x] - here[x]
                    total += in_x * (a * a + b * b)
                    made[x] = one / np.sqrt(total)
        newer = (1 + np.sqrt(1 + 4 * age * age)) / 2
        momentum = np.float32((age - 1) / newer)
        age = newer
        for z in range(depth):
            for y in range(height):
                if not rows[1, z, y]:
                    continue
                low, high = max(z - 1, 0), min(z + 1, depth - 1)
                near, far = max(y - 1, 0), min(y + 1, height - 1)
                here, own, made = ahead[z, y], rate[z, y], moved[z, y]
                below, above = ahead[low, y], ahead[high, y]
                front, back = ahead[z, near], ahead[z, far]
                below_rate, above_rate = rate[low, y], rate[high, y]
                front_rate, back_rate = rate[z, near], rate[z, far]
                _beside(here, left, right)
                _beside(own, left_rate, right_rate)
                wanted, seen, pull = goal[z, y], blurred[z, y], weight[z, y]
                for x in range(width):
                    h, r = here[x], own[x]
                    flow = in_z * (
                        (above[x] - h) * (above_rate[x] + r) + (below[x] - h) * (below_rate[x] + r)
                    )
                    flow += in_y * (
                        (back[x] - h) * (back_rate[x] + r) + (front[x] - h) * (front_rate[x] + r)
                    )
                    flow += in_x * (
                        (right[x] - h) * (right_rate[x] + r) + (left[x] - h) * (left_rate[x] + r)
                    )
                    made[x] = min(max(h + step * (wanted[x] - seen[x] + pull[x] * flow), zero), one)
        for z in range(depth):
            for y in range(height):
                if not rows[1, z, y]:
                    continue
                here, made, old, ask = ahead[z, y], moved[z, y], alpha[z, y], unknown[z, y]
                for x in range(width):
                    if ask[x]:
                        here[x] = made[x] + momentum * (made[x] - old[x])
                        old[x] = made[x]
    return alpha
