"""The Laplacian of linear models in small windows, as an operator on chunks.

Closed-form and learning-based matting both say that alpha is a linear function of intensity in each
window w of n voxels, ``alpha = a I + b``, with a small ridge on a or on both. What the best a and b
leave of alpha is a quadratic form, the identity less a matrix of rank two. With the sums
``s0 = sum p`` and ``s1 = sum I p`` over the window, the product of L with a vector p is

    (L p)_i = sum over windows w that hold i of  p_i - a_w I_i - b_w,
    a_w = k_w (s1 - m_w s0),   b_w = c_w s0 - m_w a_w,

with three numbers a window: m, k and c. Closed form (Levin, Lischinski, Weiss, TPAMI 2008; in 3D
Wang et al., 3D Matting, eq. 27) has the mean, ``1 / (n variance + epsilon)`` and ``1 / n``. Two
passes of box sums, rows, slices and columns apart, give the product; no matrix is stored.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pipelines.compiled import compiled
from pipelines.matting.chunks import Chunks
from pipelines.matting.lanes import WIDTH, load, lower, splat, store, total, upper, where_positive
from pipelines.matting.problem import MattingProblem

Array = npt.NDArray[np.floating]

_SLOTS = 5
"""Slices that the stages of a product hold at once."""


@dataclass(frozen=True)
class Convergence:
    """How conjugate gradients ended: products used, norm of the residual, norm wanted."""

    iterations: int
    residual: float
    goal: float

    @property
    def reached(self) -> bool:
        """Whether the residual is as small as was asked for."""
        return self.residual <= self.goal


@dataclass(frozen=True, eq=False)
class WindowLaplacian:
    """Everything that the product with L needs. Arrays are flat, eight numbers a chunk.

    Attributes
    ----------
    chunks : Chunks
        Where the numbers belong.
    size : int
        Side of a window: 3 or 2.
    intensity : ndarray
        Guide, 0 outside of the image.
    mean, slope, constant : ndarray
        m, k and c of each window; k and c are 0 where the image does not hold the whole window.
    own : ndarray
        Factor of p_i in row i: number of windows, plus the weight of the prior.
    inverse : ndarray
        One over the diagonal at unknown voxels, 0 elsewhere.
    load : ndarray
        Right-hand side at unknown voxels, 0 elsewhere.
    """

    chunks: Chunks
    size: int
    intensity: Array
    mean: Array
    slope: Array
    constant: Array
    own: Array
    inverse: Array
    load: Array

    @classmethod
    def build(
        cls,
        problem: MattingProblem,
        *,
        ridge: float,
        learning: bool = False,
        size: int = 3,
        dtype: npt.DTypeLike = np.float32,
        prior: npt.NDArray | None = None,
        prior_weight: npt.NDArray | None = None,
    ) -> WindowLaplacian:
        """Set up the operator of one problem.

        Parameters
        ----------
        problem : MattingProblem
            Read with a reach of 2; some voxel is unknown.
        ridge : float
            Weight of a^2 in each window, of a^2 + b^2 where `learning`.
        learning : bool
            The form of learning-based matting: ``(I - F)^T (I - F)`` with a ridge in F.
        size : int
            Side of a window: 3, or 2 for all windows of two voxels along each axis. An axis shorter
            than that takes windows of its length.
        dtype : float32 or float64
            What to compute in.
        prior, prior_weight : ndarray, shape of the problem's box, optional
            Add ``prior_weight * (alpha - prior)**2`` at each unknown voxel.
        """
        dtype = np.dtype(dtype)
        shape = (1,) * (3 - problem.image.ndim) + problem.image.shape
        image = np.asarray(problem.image, dtype).reshape(shape)
        chunks = Chunks.around_unknown(problem.trimap.reshape(shape), size)
        intensity, mean, slope, constant, inverse, a, b, s, t = (
            np.zeros(len(chunks.unknown) * WIDTH, dtype) for _ in range(9)
        )
        low, high = problem.window
        _windows(
            image,
            problem.known.reshape(shape),
            *(dtype.type(v) for v in (low, 1 / (high - low), ridge)),
            learning,
            size,
            chunks.place,
            chunks.slices,
            (intensity, mean, slope, constant),
            (a, b),
        )
        if prior_weight is None:
            own, load = np.zeros_like(a), np.zeros_like(a)
        else:
            own = chunks.gather(prior_weight.reshape(shape), dtype)
            load = own * chunks.gather(prior.reshape(shape), dtype)
        _diagonal(
            chunks.place,
            chunks.unknown,
            chunks.neighbours,
            chunks.joined,
            size,
            shape,
            (intensity, mean, slope, constant),
            own,
            inverse,
        )
        geometry = (chunks.neighbours, chunks.joined, chunks.slices)
        _known_load((a, b, s, t), intensity, own, inverse, geometry, size, load)
        return cls(chunks, size, intensity, mean, slope, constant, own, inverse, load)

    def product(self, values: Array) -> Array:
        """L times the unknown voxels' values, the known ones being 0; and the prior's part.

        Parameters
        ----------
        values : ndarray, shape (unknown voxels,)
            In the order of ``(trimap == 1).nonzero()``.

        Returns
        -------
        ndarray, same shape
        """
        at = self.chunks.positions
        p, out = np.zeros_like(self.own), np.zeros_like(self.own)
        p[at] = values
        work, widest = _work(p, self.chunks.slices)
        _product(
            p,
            p,
            p.dtype.type(-1),
            self._geometry,
            self._model,
            work,
            widest,
            self.inverse,
            self.own,
            self.size,
            out,
        )
        return out[at]

    def solve(
        self, start: Array, *, tolerance: float, max_iterations: int
    ) -> tuple[Array, Convergence]:
        """Jacobi-preconditioned conjugate gradients on the unknown voxels.

        Parameters
        ----------
        start : ndarray
            First guess in chunks, 0 at known voxels; overwritten by the answer.
        tolerance : float
            Stop when the residual's norm falls to this part of the right-hand side's.
        max_iterations : int
            At most so many products with L.

        Returns
        -------
        ndarray, Convergence
            The answer in chunks, unclipped, and how it was reached.
        """
        goal = tolerance * float(np.linalg.norm(self.load))
        iterations, residual = _conjugate_gradients(
            start,
            self.load,
            self._geometry,
            self._model,
            self.inverse,
            self.own,
            self.size,
            goal,
            max_iterations,
        )
        return start, Convergence(iterations, residual, goal)

    @property
    def _geometry(self) -> tuple:
        return self.chunks.neighbours, self.chunks.joined, self.chunks.slices

    @property
    def _model(self) -> tuple:
        return self.intensity, self.mean, self.slope, self.constant


@compiled
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


@compiled
def _holders(valid, size):
    """Along one axis: number of windows that hold each voxel."""
    count = np.zeros(len(valid), np.float64)
    for centre in range(len(valid)):
        if valid[centre]:
            for voxel in range(centre - (size == 3), centre + 2):
                if 0 <= voxel < len(valid):
                    count[voxel] += 1
    return count


@compiled
def _plane(image, alpha, low, scale, width, out):
    """Copy one slice into padded buffers, intensities clipped to [0, 1]."""
    zero, one = low * 0, low * 0 + 1
    for y in range(image.shape[0]):
        for x in range(image.shape[1]):
            at = (y + 1) * width + x + 1
            out[0, at] = min(max((image[y, x] - low) * scale, zero), one)
            out[1, at] = alpha[y, x]


@compiled
def _windows(image, alpha, low, scale, ridge, learning, size, place, slices, out, slope_of_known):
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
def _diagonal(place, unknown, neighbours, joined, size, shape, model, own, inverse):
    """Own factors, and the inverse of the diagonal at unknown voxels."""
    intensity, mean, slope, constant = model
    back = 1 if size == 3 else 0
    holders_z = _holders(_centres(shape[0], size), size)
    holders_y = _holders(_centres(shape[1], size), size)
    holders_x = _holders(_centres(shape[2], size), size)
    kept = len(unknown)
    least = 1e-5 if own.itemsize == 4 else 1e-12
    for chunk in range(1, kept):
        z, y, x = place[chunk]
        at = chunk * WIDTH
        windows = holders_z[z] * holders_y[y]
        for k in range(min(WIDTH, shape[2] - x)):
            own[at + k] += own.dtype.type(windows * holders_x[x + k])
        if unknown[chunk] == 0:
            continue
        here = load(intensity, at)
        diagonal = load(own, at)
        for dz in range(-1, 1 + back):
            plane = chunk if dz == 0 else neighbours[chunk, 0 if dz < 0 else 1]
            if plane == 0:
                continue
            for dy in range(-1, 1 + back):
                row = plane if dy == 0 else neighbours[plane, 2 if dy < 0 else 3]
                if row == 0:
                    continue
                left = (row - 1) * WIDTH if joined[row] else 0
                right = (row + 1) * WIDTH if joined[row + 1] else 0
                m = load(mean, row * WIDTH)
                s = load(slope, row * WIDTH)
                c = load(constant, row * WIDTH)
                d = here - m
                diagonal = diagonal - c - s * d * d
                d = here - lower(load(mean, left), m)
                diagonal = (
                    diagonal - lower(load(constant, left), c) - lower(load(slope, left), s) * d * d
                )
                if back:
                    d = here - upper(m, load(mean, right))
                    diagonal = (
                        diagonal
                        - upper(c, load(constant, right))
                        - upper(s, load(slope, right)) * d * d
                    )
        store(inverse, at, diagonal)
        for k in range(WIDTH):
            # A voxel whose windows hold nothing else has no equation: it keeps its first guess.
            asked = unknown[chunk] >> k & 1 and inverse[at + k] > least
            inverse[at + k] = 1 / inverse[at + k] if asked else inverse[at + k] * 0


@compiled
def _known_load(work, intensity, own, inverse, geometry, size, out):
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
            inverse,
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


@compiled
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


@compiled
def _ring(chunk, shift):
    """Place of a chunk's numbers; the empty chunk stays where it is."""
    return (np.int64(chunk) + shift) * WIDTH if chunk else 0


@compiled
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
            store(b, at + same * WIDTH, load(constant, at) * s0 - m * fitted)
        before0, before1, here0, here1 = here0, here1, next0, next1


@compiled
def _row_sums(a, b, neighbours, size, begin, end, shift, sum_a, sum_b):
    """Row sums of the models, over the windows that hold a voxel."""
    forth = splat(a, a.dtype.type(1 if size == 3 else 0))
    for chunk in range(begin, end):
        at = (chunk + shift) * WIDTH
        lo, hi = _ring(neighbours[chunk, 2], shift), _ring(neighbours[chunk, 3], shift)
        store(sum_a, at, load(a, lo) + load(a, at) + forth * load(a, hi))
        store(sum_b, at, load(b, lo) + load(b, at) + forth * load(b, hi))


@compiled
def _residue(sums, p, intensity, own, inverse, neighbours, joined, size, begin, end, shifts, out):
    """What the models leave of p at unknown voxels; returns the dot product of p with it."""
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
            residue = load(own, at) * here - load(intensity, at) * a - b
            residue = where_positive(load(inverse, at), residue)
            store(out, at, residue)
            dot = dot + here * residue
        before0, before1, here0, here1 = here0, here1, next0, next1
    return total(dot)


@compiled
def _advance(direction, residual, inverse, step, begin, end):
    """The next search direction."""
    b = splat(direction, step)
    for chunk in range(begin, end):
        at = chunk * WIDTH
        new = load(inverse, at) * load(residual, at) + b * load(direction, at)
        store(direction, at, new)


@compiled
def _work(like, slices):
    """Four ring buffers of `_SLOTS` slices each, the empty chunk first, and their slot's length."""
    widest = 0
    for k in range(len(slices) - 1):
        widest = max(widest, slices[k + 1] - slices[k])
    length = (1 + min(_SLOTS, len(slices) - 1) * widest) * WIDTH
    s, t = np.zeros(length, like.dtype), np.zeros(length, like.dtype)
    u, v = np.zeros(length, like.dtype), np.zeros(length, like.dtype)
    return (s, t, u, v), widest


@compiled
def _shift(k, slices, widest):
    """From a chunk's number to its place in a ring buffer, for the chunks of slice k."""
    return 1 + k % _SLOTS * widest - slices[k]


@compiled
def _product(p, residual, beta, geometry, model, work, widest, inverse, own, size, out):
    """``p = inverse residual + beta p``, then L p into `out`; returns p . L p.

    Slice by slice, each stage as far behind the one before as it needs, so that what a stage wrote
    is still in the cache when the next one reads it. With beta of -1, p is taken as it is.
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
                _advance(p, residual, inverse, beta, begin, end)
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
                        inverse,
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


@compiled
def _descend(x, residual, p, product, inverse, step):
    """Step along p; returns residual . inverse residual and the residual's squared norm."""
    a = splat(x, step)
    zero = splat(x, x.dtype.type(0))
    rho = norm = 0.0
    chunk = 0
    count = len(x) // WIDTH
    while chunk < count:
        # Partial sums, so that float32 adds numbers of like size.
        stop = min(chunk + 512, count)
        r2, z2 = zero, zero
        while chunk < stop:
            at = chunk * WIDTH
            store(x, at, load(x, at) + a * load(p, at))
            r = load(residual, at) - a * load(product, at)
            store(residual, at, r)
            r2 = r2 + r * r
            z2 = z2 + r * r * load(inverse, at)
            chunk += 1
        norm += total(r2)
        rho += total(z2)
    return rho, norm


@compiled
def _conjugate_gradients(x, right, geometry, model, inverse, own, size, goal, max_iterations):
    """Solve from the first guess x, in place; returns products used and the residual's norm."""
    real = x.dtype.type
    work, widest = _work(x, geometry[2])
    p, r, out = x.copy(), np.zeros_like(x), np.zeros_like(x)
    _product(p, r, real(-1), geometry, model, work, widest, inverse, own, size, out)
    for i in range(len(x)):
        r[i] = right[i] - out[i] if inverse[i] > 0 else real(0)
    rho, norm = _descend(x, r, p, out, inverse, real(0))
    beta, iterations = real(0), 0
    while norm > goal * goal and iterations < max_iterations:
        curvature = _product(p, r, beta, geometry, model, work, widest, inverse, own, size, out)
        iterations += 1
        if not curvature > 0:  # only at rounding level: L is positive semi-definite
            break
        previous = rho
        rho, norm = _descend(x, r, p, out, inverse, real(rho / curvature))
        beta = real(rho / previous)
    return iterations, np.sqrt(norm)
