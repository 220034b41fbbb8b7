"""Statistics of all windows around the unknown voxels: the set-up of `window_laplacian`."""

from __future__ import annotations

import numpy as np

from pipelines.compiled import compiled, inlined
from pipelines.matting.lanes import WIDTH, load, lower, splat, store, upper, where_positive


@inlined
def _centres(length, size):
    """Along one axis: 1 at each voxel that names a window which the image holds, else 0."""
    valid = np.zeros(length, np.float64)
    if length < size:
        valid[0] = 1
    elif size == 3:
        valid[1 : length - 1] = 1
    else:
        valid[: length - 1] = 1
    return valid


@inlined
def _holders(valid, size):
    """Along one axis: number of windows that hold each voxel."""
    count = np.zeros(len(valid), np.float64)
    for centre in range(len(valid)):
        if valid[centre]:
            for voxel in range(centre - (size == 3), centre + 2):
                if 0 <= voxel < len(valid):
                    count[voxel] += 1
    return count


@inlined
def _masks(like):
    """For each byte the eight numbers 0 and 1 that its bits are, lowest bit first."""
    masks = np.zeros(256 * WIDTH, like.dtype)
    for byte in range(256):
        for k in range(WIDTH):
            masks[byte * WIDTH + k] = byte >> k & 1
    return masks


@inlined
def _plane(image, alpha, low, scale, width, out):
    """Copy one slice into padded buffers, intensities clipped to [0, 1]."""
    zero, one = low * 0, low * 0 + 1
    for y in range(image.shape[0]):
        for x in range(image.shape[1]):
            at = (y + 1) * width + x + 1
            out[0, at] = min(max((image[y, x] - low) * scale, zero), one)
            out[1, at] = alpha[y, x]


@compiled
def windows(image, alpha, low, scale, ridge, learning, size, place, slices, out, slope_of_known):
    """Statistics of all windows.

    `out` takes intensity, mean, slope and constant; `slope_of_known` the pair (a, b) of the known
    alpha in each window.
    """
    intensity, mean, slope, constant = out
    known_a, known_b = slope_of_known
    depth, height, breadth = image.shape
    like = intensity
    zero = like.dtype.type(0)
    count = 1
    for n in image.shape:
        count *= min(n, size)
    n = like.dtype.type(count)
    valid_z, valid_y = _centres(depth, size), _centres(height, size)
    # Padded by one voxel before and after, and to whole chunks.
    rows, width = height + 2, (breadth + WIDTH - 1) // WIDTH * WIDTH + 2
    valid_x = np.zeros(width, like.dtype)
    valid_x[1 : breadth + 1] = _centres(breadth, size)
    inside_x = np.zeros(width, like.dtype)
    inside_x[1 : breadth + 1] = 1
    buffer = np.zeros((3, 2, rows * width), like.dtype)
    back = 1 if size == 3 else 0
    ready = -10
    for k in range(len(slices) - 1):
        if slices[k] == slices[k + 1]:
            continue
        z = place[slices[k], 0]
        for wanted in range(max(z - back, ready + 1), min(z + 2, depth)):
            _plane(image[wanted], alpha[wanted], low, scale, width, buffer[wanted % 3])
        ready = z + 1
        for chunk in range(slices[k], slices[k + 1]):
            y = place[chunk, 1]
            column = place[chunk, 2] + 1
            at = (y + 1) * width + column
            centre = load(buffer[z % 3, 0], at)
            store(intensity, chunk * WIDTH, centre)
            d1 = splat(like, zero)
            d2, p0, p1 = d1, d1, d1
            for dz in range(max(-back, -z), min(2, depth - z)):
                values, alphas = buffer[(z + dz) % 3, 0], buffer[(z + dz) % 3, 1]
                for dy in range(max(-back, -y), min(2, height - y)):
                    row = at + dy * width
                    for dx in range(-back, 2):
                        # Differences from one voxel of the window keep small variances exact.
                        inside = load(inside_x, column + dx)
                        d = inside * (load(values, row + dx) - centre)
                        p = load(alphas, row + dx)
                        d1 = d1 + d
                        d2 = d2 + d * d
                        p0 = p0 + p
                        p1 = p1 + d * p
            per_voxel = splat(like, 1 / n)
            shift = d1 * per_voxel
            spread = d2 - d1 * shift  # n times the variance
            spread = where_positive(spread, spread)
            m = centre + shift
            valid = splat(like, like.dtype.type(valid_z[z] * valid_y[y])) * load(valid_x, column)
            one, r = splat(like, like.dtype.type(1)), splat(like, ridge)
            if learning:
                # Ridge r on a and b: K = M + r M^2 with M the inverse of [[S2, S1], [S1, n]] + r.
                full = splat(like, n)
                second = spread + full * m * m
                determinant = full * spread + r * (second + full + r)
                m11, m22 = (full + r) / determinant, (second + r) / determinant
                m12 = full * m / determinant  # times -1
                trace = one + r * (m11 + m22)
                k11 = m11 + r * (m11 * m11 + m12 * m12)
                s = valid * k11
                m = m12 * trace / k11
                c = valid * (trace + r * r / determinant) / (determinant * k11)
            else:
                s = valid / (spread + r)
                c = valid * per_voxel
            store(mean, chunk * WIDTH, m)
            store(slope, chunk * WIDTH, s)
            store(constant, chunk * WIDTH, c)
            a = s * (p1 + (centre - m) * p0)
            store(known_a, chunk * WIDTH, a)
            store(known_b, chunk * WIDTH, c * p0 - m * a)


@compiled
def diagonal(place, unknown, neighbours, joined, size, shape, model, own, inverse):
    """Own factors, and the inverse of the diagonal at unknown voxels."""
    intensity, mean, slope, constant = model
    back = 1 if size == 3 else 0
    holders_z = _holders(_centres(shape[0], size), size)
    holders_y = _holders(_centres(shape[1], size), size)
    holders_x = np.zeros((shape[2] + WIDTH - 1) // WIDTH * WIDTH, own.dtype)
    holders_x[: shape[2]] = _holders(_centres(shape[2], size), size)
    real = own.dtype.type
    least = splat(own, real(1e-5 if own.itemsize == 4 else 1e-12))
    zero, one = splat(own, real(0)), splat(own, real(1))
    masks = _masks(own)
    store(inverse, 0, zero)
    for chunk in range(1, len(unknown)):
        z, y, x = place[chunk]
        at = chunk * WIDTH
        windows = splat(own, real(holders_z[z] * holders_y[y])) * load(holders_x, x)
        left = load(own, at) + windows
        store(own, at, left)
        if unknown[chunk] == 0:
            store(inverse, at, zero)
            continue
        here = load(intensity, at)
        for dz in range(-1, 1 + back):
            plane = chunk if dz == 0 else neighbours[chunk, 0 if dz < 0 else 1]
            if plane == 0:
                continue
            for dy in range(-1, 1 + back):
                row = plane if dy == 0 else neighbours[plane, 2 if dy < 0 else 3]
                if row == 0:
                    continue
                before = (row - 1) * WIDTH if joined[row] else 0
                after = (row + 1) * WIDTH if joined[row + 1] else 0
                m = load(mean, row * WIDTH)
                s = load(slope, row * WIDTH)
                c = load(constant, row * WIDTH)
                d = here - m
                left = left - c - s * d * d
                d = here - lower(load(mean, before), m)
                left = left - lower(load(constant, before), c)
                left = left - lower(load(slope, before), s) * d * d
                if back:
                    d = here - upper(m, load(mean, after))
                    left = left - upper(c, load(constant, after))
                    left = left - upper(s, load(slope, after)) * d * d
        # A voxel whose windows hold nothing else has no equation: it keeps its first guess.
        asked = load(masks, np.int64(unknown[chunk]) * WIDTH) * (left - least)
        store(inverse, at, where_positive(asked, one / left))


@compiled
def first_guess(unknown, intensity, gain, offset, out):
    """A line of the intensity at unknown voxels, clipped to [0, 1]; 0 elsewhere."""
    masks = _masks(out)
    real = out.dtype.type
    one, slope, start = splat(out, real(1)), splat(out, real(gain)), splat(out, real(offset))
    for chunk in range(len(unknown)):
        at = chunk * WIDTH
        value = slope * load(intensity, at) + start
        value = where_positive(value, value)
        missing = one - value
        value = one - where_positive(missing, missing)
        store(out, at, load(masks, np.int64(unknown[chunk]) * WIDTH) * value)
