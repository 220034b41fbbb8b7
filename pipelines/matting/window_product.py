"""Product with the Laplacian of `window_laplacian`, and conjugate gradients with it.

Each product takes four stages, slice by slice: row sums of p and I p; sums over slices and columns,
which give the linear model of each window; row sums of the models; and what the models leave of p.
"""

from __future__ import annotations

import numpy as np

from pipelines.compiled import compiled, inlined
from pipelines.matting.lanes import WIDTH, load, lower, splat, store, total, upper, where_positive

_SLOTS = 5
"""Slices that the stages of a product hold at once."""


@inlined
def _model_sums(p, intensity, neighbours, size, begin, end, shift, sum_p, sum_ip):
    """Row sums of p and I p."""
    back = splat(p, p.dtype.type(1 if size == 3 else 0))
    for chunk in range(begin, end):
        at = chunk * WIDTH
        lo, hi = np.int64(neighbours[chunk, 2]) * WIDTH, np.int64(neighbours[chunk, 3]) * WIDTH
        p0, p1, p2 = back * load(p, lo), load(p, at), load(p, hi)
        ip = load(intensity, lo) * p0 + load(intensity, at) * p1 + load(intensity, hi) * p2
        store(sum_p, (chunk + shift) * WIDTH, p0 + p1 + p2)
        store(sum_ip, (chunk + shift) * WIDTH, ip)


@inlined
def _ring(chunk, shift):
    """Place of a chunk's numbers; the empty chunk stays where it is."""
    return (np.int64(chunk) + shift) * WIDTH if chunk else 0


@inlined
def _fit(sums, neighbours, joined, size, begin, end, shifts, model, out):
    """Sums over slices and columns, then the linear model (a, b) of each window."""
    sum_p, sum_ip = sums
    mean, slope, constant = model
    a, b = out
    below, same, above = shifts
    back = splat(a, a.dtype.type(1 if size == 3 else 0))
    zero = splat(a, a.dtype.type(0))
    before0, before1, here0, here1 = zero, zero, zero, zero
    for chunk in range(begin, end + 1):
        next0, next1 = zero, zero
        if chunk < end:
            at = (chunk + same) * WIDTH
            lo, hi = _ring(neighbours[chunk, 0], below), _ring(neighbours[chunk, 1], above)
            next0 = back * load(sum_p, lo) + load(sum_p, at) + load(sum_p, hi)
            next1 = back * load(sum_ip, lo) + load(sum_ip, at) + load(sum_ip, hi)
        if chunk > begin:
            at = (chunk - 1) * WIDTH
            left0, left1, right0, right1 = zero, zero, zero, zero
            if joined[chunk - 1]:
                left0, left1 = before0, before1
            if joined[chunk]:
                right0, right1 = next0, next1
            s0 = back * lower(left0, here0) + here0 + upper(here0, right0)
            s1 = back * lower(left1, here1) + here1 + upper(here1, right1)
            m = load(mean, at)
            fitted = load(slope, at) * (s1 - m * s0)
            store(a, at + same * WIDTH, fitted)
            c = load(constant, at if len(constant) > WIDTH else 0)
            store(b, at + same * WIDTH, c * s0 - m * fitted)
        before0, before1, here0, here1 = here0, here1, next0, next1


@inlined
def _row_sums(a, b, neighbours, size, begin, end, shift, sum_a, sum_b):
    """Row sums of the models, over the windows that hold a voxel."""
    forth = splat(a, a.dtype.type(1 if size == 3 else 0))
    for chunk in range(begin, end):
        at = (chunk + shift) * WIDTH
        lo, hi = _ring(neighbours[chunk, 2], shift), _ring(neighbours[chunk, 3], shift)
        store(sum_a, at, load(a, lo) + load(a, at) + forth * load(a, hi))
        store(sum_b, at, load(b, lo) + load(b, at) + forth * load(b, hi))


@inlined
def _residue(sums, p, intensity, own, neighbours, joined, size, begin, end, shifts, out):
    """What the models leave of p; returns the dot product of p with it."""
    sum_a, sum_b = sums
    below, same, above = shifts
    forth = splat(p, p.dtype.type(1 if size == 3 else 0))
    zero = splat(p, p.dtype.type(0))
    before0, before1, here0, here1, dot = zero, zero, zero, zero, zero
    for chunk in range(begin, end + 1):
        next0, next1 = zero, zero
        if chunk < end:
            at = (chunk + same) * WIDTH
            lo, hi = _ring(neighbours[chunk, 0], below), _ring(neighbours[chunk, 1], above)
            next0 = load(sum_a, lo) + load(sum_a, at) + forth * load(sum_a, hi)
            next1 = load(sum_b, lo) + load(sum_b, at) + forth * load(sum_b, hi)
        if chunk > begin:
            at = (chunk - 1) * WIDTH
            left0, left1, right0, right1 = zero, zero, zero, zero
            if joined[chunk - 1]:
                left0, left1 = before0, before1
            if joined[chunk]:
                right0, right1 = next0, next1
            a = lower(left0, here0) + here0 + forth * upper(here0, right0)
            b = lower(left1, here1) + here1 + forth * upper(here1, right1)
            here = load(p, at)
            mine = load(own, at if len(own) > WIDTH else 0)
            residue = mine * here - load(intensity, at) * a - b
            store(out, at, residue)
            dot = dot + here * residue
        before0, before1, here0, here1 = here0, here1, next0, next1
    return total(dot)


@compiled
def known_load(work, intensity, own, inverse, geometry, size, out):
    """Add what the known voxels' models (a, b) ask of the unknown ones."""
    a, b, s, t = work
    neighbours, joined, slices = geometry
    _row_sums(a, b, neighbours, size, 1, len(neighbours), 0, s, t)
    a[:] = 0
    for k in range(len(slices) - 1):
        begin, end = slices[k], slices[k + 1]
        _residue(
            (s, t),
            a,
            intensity,
            own,
            neighbours,
            joined,
            size,
            begin,
            end,
            (0, 0, 0),
            b,
        )
    for i in range(len(out)):
        out[i] = out[i] - b[i] if inverse[i] > 0 else out[i] * 0


@inlined
def _advance(x, direction, residual, inverse, step, beta, begin, end):
    """Take the step along the last direction, and find the next one."""
    a, b = splat(x, step), splat(x, beta)
    for chunk in range(begin, end):
        at = chunk * WIDTH
        last = load(direction, at)
        store(x, at, load(x, at) + a * last)
        store(direction, at, load(inverse, at) * load(residual, at) + b * last)


@inlined
def _work(like, slices):
    """Four ring buffers of `_SLOTS` slices each, the empty chunk first, and their slot's length."""
    widest = 0
    for k in range(len(slices) - 1):
        widest = max(widest, slices[k + 1] - slices[k])
    length = (1 + min(_SLOTS, len(slices) - 1) * widest) * WIDTH
    s, t = np.zeros(length, like.dtype), np.zeros(length, like.dtype)
    u, v = np.zeros(length, like.dtype), np.zeros(length, like.dtype)
    return (s, t, u, v), widest


@inlined
def _shift(k, slices, widest):
    """From a chunk's number to its place in a ring buffer, for the chunks of slice k."""
    return 1 + k % _SLOTS * widest - slices[k]


@inlined
def _product(p, x, residual, step, beta, geometry, model, work, widest, inverse, own, size, out):
    """``x += step p``, ``p = inverse residual + beta p``, L p into `out`; returns p . L p.

    Slice by slice, each stage as far behind the one before as it needs, so that what a stage wrote
    is still in the cache when the next one reads it. With beta of -1, p is taken as it is. What
    `out` holds at known voxels means nothing.
    """
    neighbours, joined, slices = geometry
    intensity, mean, slope, constant = model
    s, t, u, v = work
    count = len(slices) - 1
    dot = 0.0
    for k in range(count + 3):
        if k < count:
            begin, end, shift = slices[k], slices[k + 1], _shift(k, slices, widest)
            if beta != -1:
                _advance(x, p, residual, inverse, step, beta, begin, end)
            _model_sums(p, intensity, neighbours, size, begin, end, shift, s, t)
        for lag in (1, 3):
            plane = k - lag
            if 0 <= plane < count:
                begin, end = slices[plane], slices[plane + 1]
                shifts = (
                    _shift(max(plane - 1, 0), slices, widest),
                    _shift(plane, slices, widest),
                    _shift(min(plane + 1, count - 1), slices, widest),
                )
                if lag == 1:
                    _fit(
                        (s, t),
                        neighbours,
                        joined,
                        size,
                        begin,
                        end,
                        shifts,
                        (mean, slope, constant),
                        (u, v),
                    )
                else:
                    dot += _residue(
                        (s, t),
                        p,
                        intensity,
                        own,
                        neighbours,
                        joined,
                        size,
                        begin,
                        end,
                        shifts,
                        out,
                    )
            plane = k - 2
            if lag == 1 and 0 <= plane < count:
                shift = _shift(plane, slices, widest)
                _row_sums(u, v, neighbours, size, slices[plane], slices[plane + 1], shift, s, t)
    return dot


@inlined
def _lessen(residual, product, inverse, step):
    """The residual after a step; its product with `inverse` and itself, and its squared norm."""
    a = splat(residual, step)
    zero = splat(residual, residual.dtype.type(0))
    rho = norm = 0.0
    chunk = 0
    count = len(residual) // WIDTH
    while chunk < count:
        # Partial sums, so that float32 adds numbers of like size.
        stop = min(chunk + 512, count)
        r2, z2 = zero, zero
        while chunk < stop:
            at = chunk * WIDTH
            scale = load(inverse, at)
            r = where_positive(scale, load(residual, at) - a * load(product, at))
            store(residual, at, r)
            r2 = r2 + r * r
            z2 = z2 + r * r * scale
            chunk += 1
        norm += total(r2)
        rho += total(z2)
    return rho, norm


@compiled
def multiply(p, geometry, model, inverse, own, size, out):
    """L p into `out`, 0 where there is no equation."""
    none = p.dtype.type(0)
    work, widest = _work(p, geometry[2])
    _product(p, p, p, none, none - 1, geometry, model, work, widest, inverse, own, size, out)
    for at in range(0, len(p), WIDTH):
        store(out, at, where_positive(load(inverse, at), load(out, at)))


@compiled
def descend(x, right, geometry, model, inverse, own, size, tolerance, max_iterations, scratch):
    """Conjugate gradients from the first guess x, in place, with the diagonal as preconditioner.

    Stops when the residual's norm is `tolerance` times that of the right-hand side, or of the first
    residual where the right-hand side is 0. Returns products used, the residual's norm and the norm
    wanted. `scratch` holds three arrays like x or more.
    """
    real = x.dtype.type
    work, widest = _work(x, geometry[2])
    p, r, out = scratch[0], scratch[1], scratch[2]
    p[:], r[:] = x, right
    _product(p, x, r, real(0), real(-1), geometry, model, work, widest, inverse, own, size, out)
    rho, norm = _lessen(r, out, inverse, real(1))
    square = 0.0
    for i in range(len(right)):
        square += right[i] * right[i]
    goal = tolerance * np.sqrt(square if square > 0 else norm)
    step, beta, iterations = real(0), real(0), 0
    while norm > goal * goal and iterations < max_iterations:
        curvature = _product(
            p, x, r, step, beta, geometry, model, work, widest, inverse, own, size, out
        )
        step = real(0)
        iterations += 1
        if not curvature > 0:  # only at rounding level: L is positive semi-definite
            break
        previous = rho
        step = real(rho / curvature)
        rho, norm = _lessen(r, out, inverse, step)
        beta = real(rho / previous)
    for i in range(len(x)):
        x[i] += step * p[i]
    return iterations, np.sqrt(norm), goal
