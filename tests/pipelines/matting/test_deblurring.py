"""Deconvolution: its objective, its gradient's bound and its minimum, against dense algebra."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage, optimize

from pipelines.matting.deblurring import _EDGE, deblur, gaussian_taps

SPACING = (2.0, 0.7, 0.9)


def blurred(alpha, psf_mm, spacing=SPACING):
    """Separable convolution of a mirrored volume, by scipy."""
    for axis, s in enumerate(spacing):
        taps = gaussian_taps(psf_mm, s).astype(float)
        alpha = ndimage.correlate1d(alpha, np.r_[taps[:0:-1], taps], axis, mode="reflect")
    return alpha


def objective(alpha, mix, weight, psf_mm, spacing=SPACING):
    """F, written as it is stated."""
    square = np.full(alpha.shape, _EDGE**2)
    for axis, s in enumerate(spacing):
        steps = np.diff(alpha, axis=axis) * min(spacing) / s
        zeros = np.zeros_like(alpha.take([0], axis))
        ahead = np.concatenate([steps, zeros], axis) ** 2
        behind = np.concatenate([zeros, steps], axis) ** 2
        square += (ahead + behind) / 2
    fit = ((blurred(alpha, psf_mm, spacing) - mix) ** 2).sum() / 2
    return fit + (weight * np.sqrt(square)).sum()


def problem(seed, shape=(4, 6, 5)):
    rng = np.random.default_rng(seed)
    mix = rng.uniform(-0.2, 1.2, shape).astype(np.float32)
    noise = rng.uniform(0.01, 0.2, shape).astype(np.float32)
    unknown = rng.random(shape) < 0.6
    unknown.flat[0] = True
    return mix, unknown, np.clip(mix, 0, 1), noise


def solved(seed, steps, smoothing=1.0, psf_mm=0.6):
    mix, unknown, known, noise = problem(seed)
    options = {"psf_mm": psf_mm, "smoothing": smoothing, "steps": steps}
    return deblur(mix, unknown, known, noise, SPACING, **options)


@pytest.mark.parametrize("seed", range(3))
def test_many_steps_reach_the_minimum(seed):
    mix, unknown, known, noise = problem(seed)

    def value(inner):
        alpha = known.astype(float)
        alpha[unknown] = inner
        return objective(alpha, mix.astype(float), noise.astype(float), 0.6)

    count = np.count_nonzero(unknown)
    best = optimize.minimize(
        value, known[unknown].astype(float), bounds=[(0, 1)] * count, options={"maxfun": 10**6}
    )
    alpha = solved(seed, 300)
    assert value(alpha[unknown].astype(float)) <= best.fun * (1 + 1e-5)
    assert np.abs(alpha[unknown] - best.x).max() < 2e-2


@settings(max_examples=30, deadline=None)
@given(
    seed=st.integers(0, 1000),
    smoothing=st.floats(0, 30),
    psf_mm=st.floats(0, 2),
    cubes=st.booleans(),
)
def test_the_objective_obeys_the_methods_bound(seed, smoothing, psf_mm, cubes):
    # Theorem 4.4 of Beck and Teboulle: F(a_k) - F(a) <= 2 L |a_0 - a|^2 / (k + 1)^2 for every a.
    mix, unknown, known, noise = problem(seed)
    spacing = (1.0, 1.0, 1.0) if cubes else SPACING
    weight = smoothing * noise.astype(float)
    part = sum((min(spacing) / s) ** 2 for s in spacing)
    bound = 1 + 4 * part * weight.max() / _EDGE
    options = {"psf_mm": psf_mm, "smoothing": smoothing}
    long = deblur(mix, unknown, known, noise, spacing, **options, steps=200)
    least = objective(long.astype(float), mix, weight, psf_mm, spacing)
    away = ((known - long) ** 2).sum()
    for steps in (1, 2, 5, 20):
        alpha = deblur(mix, unknown, known, noise, spacing, **options, steps=steps)
        value = objective(alpha.astype(float), mix, weight, psf_mm, spacing)
        assert value - least <= 2 * bound * away / (steps + 1) ** 2 + 1e-5 * abs(least)
        # One step of at most 1 / L never climbs.
        if steps == 1:
            start = objective(known.astype(float), mix, weight, psf_mm, spacing)
            assert value <= start * (1 + 1e-6)


@pytest.mark.parametrize("smoothing", [0.0, 0.3, 30.0])
def test_alpha_stays_within_bounds_and_known_voxels_theirs(smoothing):
    _, unknown, known, _ = problem(1)
    alpha = solved(1, 20, smoothing)
    assert alpha.dtype == np.float32
    assert (alpha >= 0).all()
    assert (alpha <= 1).all()
    assert (alpha[~unknown] == known[~unknown]).all()


def test_without_blur_or_smoothing_the_mix_itself_is_the_answer():
    mix, unknown, _, _ = problem(2)
    alpha = solved(2, 1, 0.0, 0.0)
    assert np.allclose(alpha[unknown], np.clip(mix, 0, 1)[unknown], atol=1e-6)


@pytest.mark.parametrize("shape", [(1, 5, 6), (2, 1, 1), (1, 1, 3)])
def test_kernels_wider_than_the_volume_fold_back(shape):
    mix = np.random.default_rng(0).random(shape).astype(np.float32)
    ones = np.ones(shape, np.float32)
    options = {"psf_mm": 5.0, "smoothing": 0.1, "steps": 50}
    alpha = deblur(ones, ones > 0, mix, ones, (1.0, 0.5, 0.7), **options)
    assert np.isfinite(alpha).all()
    assert alpha.mean() > mix.mean()


@pytest.mark.parametrize("sigma", [0.0, 0.2, 1.0, 2.5])
def test_a_kernel_sums_to_one(sigma):
    taps = gaussian_taps(sigma, 0.7)
    assert np.isclose(2 * taps.sum() - taps[0], 1)
    assert (np.diff(taps) <= 0).all()


def test_a_kernel_blurs_a_ramp_between_voxels():
    # A face between two voxels of 1 and 0, finely sampled, linear between their centres.
    sigma, step = 0.24, 1e-3
    x = np.arange(-6, 6, step)
    # What one voxel's triangle leaves at its neighbour's centre.
    triangle = np.maximum(1 - np.abs(x), 0)
    left = (np.exp(-(((1 - x) / sigma) ** 2) / 2) * triangle).sum() * step
    assert np.isclose(gaussian_taps(sigma, 1.0)[1], left / (sigma * np.sqrt(2 * np.pi)), atol=1e-4)


def test_narrow_kernels_reach_their_neighbours_and_wide_ones_farther():
    reaches = [len(gaussian_taps(0.6, s)) for s in (0.5, 0.7, 1.25, 5.0)]
    assert reaches == sorted(reaches, reverse=True)
    assert reaches[-1] == 2
