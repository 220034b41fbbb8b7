"""Undo a scanner's blur in the unknown band: a bounded, edge-keeping deconvolution.

A CT shows occupancy blurred: its kernel spreads a sharp edge over 1.5 mm, about as far as a band
is wide. Given the mix m = K a + noise that HU show, alpha is what minimises

    F(a) = 1/2 |K a - m|^2 + sum over voxels of w sqrt(|grad a|^2 + eps^2),   0 <= a <= 1,

with K a Gaussian in mm and w in proportion to the noise (Rudin, Osher, Fatemi 1992; total
variation keeps edges). Known voxels are held. F is convex and smooth, so projected gradients reach
its minimum, accelerated as by Beck and Teboulle: A fast iterative shrinkage-thresholding algorithm
(FISTA), 2009, eq. 4.1 to 4.3, with the bounds as proximal map.

Their step must be at most 1 / L, L the Lipschitz constant of F's gradient. Images are mirrored
beyond their border: then K is symmetric, of norm 1, and K' K is one convolution. |grad a|^2 sums
over the axes the mean of the squared differences to both sides, each times p, the smallest voxel
side in parts of the axis's own. So L = 1 + 4 max(w) / eps (sum of p^2): 12 where voxels are cubes.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import special

from pipelines.compiled import compiled, inlined

Array = npt.NDArray[np.float32]

_EDGE = 0.1
"""eps: differences of alpha below it are smoothed as noise, above it kept as edges."""


def gaussian_taps(sigma_mm: float, spacing: float) -> Array:
    """One-sided weights of a Gaussian on a grid: the centre first; together with the mirror 1.

    Occupancy goes on linearly from voxel to voxel, and is blurred exactly: sampled at voxels, a
    Gaussian narrower than a thick slice would not blur at all, where HU do mix across its faces.
    """
    sigma = sigma_mm / spacing
    if sigma < 1e-4:  # Blurs less than float32 tells.
        return np.ones(1, np.float32)
    # The second difference of a ramp's positive part, blurred, is a triangle, blurred.
    u = np.arange(-1, int(3 * sigma + 1) + 2) / sigma
    ramp = sigma * (u * special.ndtr(u) + np.exp(-u * u / 2) / np.sqrt(2 * np.pi))
    taps = np.diff(ramp, 2)
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
    taps = tuple(gaussian_taps(psf_mm, s) for s in spacing)
    twice = tuple(_autocorrelation(t) for t in taps)
    weight = (np.float32(smoothing) * noise).astype(np.float32)
    # Along an axis of one voxel there are no differences.
    part = np.array(
        [min(spacing) / s if n > 1 else 0 for s, n in zip(spacing, mix.shape, strict=True)],
        np.float32,
    )
    most = float(weight.max(initial=0))
    bound = 1 + 4 * float((part**2).sum()) * most / _EDGE
    goal, room = np.empty_like(mix), np.empty_like(mix)
    rows = np.ones((2, *mix.shape[:2]), np.bool_)
    _blur(mix, goal, room, rows, taps, _mirrors(mix.shape, taps))
    mirrors = _mirrors(mix.shape, twice)
    edge, step = np.float32(_EDGE), np.float32(1 / bound)
    return _descend(goal, unknown, known, weight, part, step, steps, edge, twice, mirrors)


def _autocorrelation(taps: Array) -> Array:
    """One-sided weights of a symmetric kernel applied twice."""
    whole = np.concatenate([taps[:0:-1], taps])
    return np.convolve(whole, whole)[len(whole) - 1 :].astype(np.float32)


def _mirrors(shape: tuple[int, ...], taps: tuple[Array, ...]) -> tuple[npt.NDArray[np.int64], ...]:
    """Where each axis goes on beyond its ends, as far as a kernel reaches: its mirror image."""
    return tuple(
        np.pad(np.arange(n), len(t) - 1, mode="symmetric") for n, t in zip(shape, taps, strict=True)
    )


@inlined
def _blur(source, target, room, rows, taps, mirrors):
    """Separable, symmetric convolution of a volume that is mirrored. `room` is overwritten.

    `rows` says which rows are wanted after the second and after the last pass.
    """
    (taps_z, taps_y, taps_x), (mirror_z, mirror_y, mirror_x) = taps, mirrors
    depth, height, width = source.shape
    reach_z, reach_y, reach_x = len(taps_z) - 1, len(taps_y) - 1, len(taps_x) - 1
    row = np.empty(width + 2 * reach_x, np.float32)
    for z in range(depth):
        if not rows[0, z].any():
            continue
        for y in range(height):
            given, made = source[z, y], target[z, y]
            row[reach_x : reach_x + width] = given
            for k in range(reach_x):
                row[k] = given[mirror_x[k]]
                row[reach_x + width + k] = given[mirror_x[reach_x + width + k]]
            for x in range(width):
                made[x] = taps_x[0] * given[x]
            for k in range(1, reach_x + 1):
                left, right, tap = row[reach_x - k :], row[reach_x + k :], taps_x[k]
                for x in range(width):
                    made[x] += tap * (left[x] + right[x])
        for y in range(height):
            if not rows[0, z, y]:
                continue
            given, made = target[z, y], room[z, y]
            for x in range(width):
                made[x] = taps_y[0] * given[x]
            for k in range(1, reach_y + 1):
                left = target[z, mirror_y[reach_y + y - k]]
                right = target[z, mirror_y[reach_y + y + k]]
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
            for k in range(1, reach_z + 1):
                left = room[mirror_z[reach_z + z - k], y]
                right = room[mirror_z[reach_z + z + k], y]
                tap = taps_z[k]
                for x in range(width):
                    made[x] += tap * (left[x] + right[x])


@inlined
def _beside(row, left, right):
    """A row shifted by one voxel to both sides; its ends stay."""
    last = len(row) - 1
    left[1:] = row[:last]
    right[:last] = row[1:]
    left[0], right[last] = row[0], row[last]


@inlined
def _slopes(alpha, weight, inverse, rows, part, edge):
    """Of each voxel w / sqrt(|grad a|^2 + eps^2), into `inverse`."""
    depth, height, width = alpha.shape
    left, right = np.empty(width, np.float32), np.empty(width, np.float32)
    square, half = edge * edge, np.float32(0.5)
    in_z, in_y, in_x = half * part[0] ** 2, half * part[1] ** 2, half * part[2] ** 2
    # Differences to both sides: a flipped image gives the flipped answer.
    for z in range(depth):
        for y in range(height):
            if not rows[z, y]:
                continue
            here, pull, made = alpha[z, y], weight[z, y], inverse[z, y]
            below, above = alpha[max(z - 1, 0), y], alpha[min(z + 1, depth - 1), y]
            front, back = alpha[z, max(y - 1, 0)], alpha[z, min(y + 1, height - 1)]
            _beside(here, left, right)
            for x in range(width):
                a, b = above[x] - here[x], below[x] - here[x]
                total = square + in_z * (a * a + b * b)
                a, b = back[x] - here[x], front[x] - here[x]
                total += in_y * (a * a + b * b)
                a, b = right[x] - here[x], left[x] - here[x]
                total += in_x * (a * a + b * b)
                made[x] = pull[x] / np.sqrt(total)


@inlined
def _step(alpha, blurred, goal, inverse, moved, rows, part, step):
    """One projected gradient step of F from `alpha`, into `moved`."""
    depth, height, width = alpha.shape
    left, right = np.empty(width, np.float32), np.empty(width, np.float32)
    left_rate, right_rate = np.empty(width, np.float32), np.empty(width, np.float32)
    half, zero, one = np.float32(0.5), np.float32(0), np.float32(1)
    in_z, in_y, in_x = half * part[0] ** 2, half * part[1] ** 2, half * part[2] ** 2
    for z in range(depth):
        for y in range(height):
            if not rows[z, y]:
                continue
            low, high = max(z - 1, 0), min(z + 1, depth - 1)
            near, far = max(y - 1, 0), min(y + 1, height - 1)
            here, own, made = alpha[z, y], inverse[z, y], moved[z, y]
            below, above = alpha[low, y], alpha[high, y]
            front, back = alpha[z, near], alpha[z, far]
            below_rate, above_rate = inverse[low, y], inverse[high, y]
            front_rate, back_rate = inverse[z, near], inverse[z, far]
            _beside(here, left, right)
            _beside(own, left_rate, right_rate)
            wanted, seen = goal[z, y], blurred[z, y]
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
                made[x] = min(max(h + step * (wanted[x] - seen[x] + flow), zero), one)


@compiled
def _descend(goal, unknown, known, weight, part, step, steps, edge, twice, mirrors):
    """Accelerated projected gradients; `part` scales differences along each axis."""
    depth, height, width = goal.shape
    alpha, ahead = known.copy(), known.copy()
    blurred, room = np.empty_like(goal), np.empty_like(goal)
    inverse, moved = np.empty_like(goal), np.empty_like(goal)
    # Rows with unknown voxels, those beside them, and those that the blur across slices reaches.
    rows = np.zeros((2, depth, height), np.bool_)
    beside = np.zeros((depth, height), np.bool_)
    reach = len(twice[0]) - 1
    for z in range(depth):
        for y in range(height):
            if unknown[z, y].any():
                rows[1, z, y] = True
                beside[max(z - 1, 0) : z + 2, max(y - 1, 0) : y + 2] = True
                for k in range(-reach, reach + 1):
                    rows[0, mirrors[0][reach + z + k], y] = True
    age = 1.0
    for _ in range(steps):
        _blur(ahead, blurred, room, rows, twice, mirrors)
        _slopes(ahead, weight, inverse, beside, part, edge)
        _step(ahead, blurred, goal, inverse, moved, rows[1], part, step)
        newer = (1 + np.sqrt(1 + 4 * age * age)) / 2
        momentum = np.float32((age - 1) / newer)
        age = newer
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
