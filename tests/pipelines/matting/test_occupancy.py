"""Occupancy matting: exact parts of voxels, behind blur and beside a wall, however it is turned."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from pipelines.errors import TrimapError, UnknownParameterError, UnusableVolumeError
from pipelines.matting.occupancy import occupancy
from pipelines.soft_mask import BACKGROUND, FOREGROUND, UNKNOWN
from pipelines.trimap import trimap_from_mask

SPACING = (1.25, 0.7, 0.8)


def ball(shape=(20, 34, 30), spacing=SPACING, radius=7.0):
    """Occupancy of a ball, from eight times finer samples in each direction."""
    fine = 4
    grids = [
        ((np.arange(n * fine) + 0.5) / fine - n / 2) * s
        for n, s in zip(shape, spacing, strict=True)
    ]
    square = sum(
        (g**2).reshape([-1 if k == a else 1 for k in range(3)]) for a, g in enumerate(grids)
    )
    inside = (square < radius**2).astype(np.float32)
    for axis in range(3):
        parts = (*inside.shape[:axis], -1, fine, *inside.shape[axis + 1 :])
        inside = inside.reshape(parts).mean(axis=axis + 1)
    return inside


def scan(part, seed=0, noise=15.0, low=-860.0, high=40.0, psf_mm=0.6):
    hu = low + (high - low) * part
    hu = ndimage.gaussian_filter(hu, [psf_mm / s for s in SPACING], mode="nearest")
    return (hu + noise * np.random.default_rng(seed).standard_normal(hu.shape)).astype(np.float32)


def band(part, inner=1.2, outer=1.5):
    return trimap_from_mask(part >= 0.5, SPACING, inner_mm=inner, outer_mm=outer)


def test_the_blur_is_undone():
    truth = ball()
    image, trimap = scan(truth), band(truth)
    sharp = np.abs(occupancy(image, trimap, SPACING) - truth).sum()
    blurred = np.abs(occupancy(image, trimap, SPACING, psf_mm=0, smoothing=0) - truth).sum()
    assert sharp < 0.5 * blurred
    assert sharp < 0.05 * truth.sum()


def test_beside_a_wall_of_the_same_density_shape_decides():
    truth = ball()
    cut = truth.copy()
    cut[:, :, 18:] = 0
    hu = truth.copy()
    hu[:, :, 18:] = 1
    image = scan(hu)
    masks = cut >= 0.5
    trimap = trimap_from_mask(masks, SPACING, inner_mm=1.5, outer_mm=1.5)
    prior = cut.astype(np.float32)
    with_shape = occupancy(image, trimap, SPACING, prior=prior)
    assert np.abs(with_shape - cut).sum() < 0.06 * cut.sum()
    # Without a shape the middle of the band is the border: off by less than the band is wide.
    without = occupancy(image, trimap, SPACING)
    assert abs(without.sum() - cut.sum()) < 0.12 * cut.sum()


def test_a_haze_around_a_core_is_wholly_lesion():
    truth, core = ball(radius=9.0), ball(radius=4.5)
    image = scan(0.3 * truth + 0.7 * core)
    alpha = occupancy(image, band(truth, inner=2.0), SPACING)
    assert abs(alpha.sum() / truth.sum() - 1) < 0.05


def test_where_all_is_equally_dense_alpha_is_the_shape():
    image = np.random.default_rng(0).normal(40, 15, (12, 30, 30)).astype(np.float32)
    truth = ball((12, 30, 30), radius=5.0)
    alpha = occupancy(image, band(truth), SPACING, prior=truth)
    unknown = band(truth) == UNKNOWN
    assert np.allclose(alpha[unknown], truth[unknown], atol=1e-5)


@settings(max_examples=15, deadline=None)
@given(
    seed=st.integers(0, 1000),
    flips=st.sets(st.integers(0, 2)),
    order=st.permutations(range(3)),
    wall=st.booleans(),
)
def test_flips_and_permutations_commute(seed, flips, order, wall):
    truth = ball((10, 18, 16), radius=4.0)
    hu = truth.copy()
    if wall:
        hu[:, 12:] = 1
    image, trimap = scan(hu, seed), band(truth)
    prior = ndimage.gaussian_filter(truth, 0.5)
    alpha = occupancy(image, trimap, SPACING, prior=prior)

    def turn(a):
        return np.transpose(np.flip(a, tuple(flips)), order)

    turned = occupancy(turn(image), turn(trimap), [SPACING[k] for k in order], prior=turn(prior))
    assert np.abs(turned - turn(alpha)).max() < 2e-3


def test_one_slice_is_an_image():
    truth = ball()[10]
    image, trimap = scan(ball())[10], band(ball())[10]
    flat = occupancy(image, trimap, SPACING[1:])
    assert (flat == occupancy(image[None], trimap[None], (1.0, *SPACING[1:]))[0]).all()
    assert np.abs(flat - truth).sum() < 0.06 * truth.sum()


def test_known_voxels_keep_their_alpha():
    truth = ball()
    image, trimap = scan(truth), band(truth)
    foreground = np.random.default_rng(1).random(truth.shape).astype(np.float32)
    alpha = occupancy(image, trimap, SPACING, foreground=foreground)
    assert (alpha[trimap == BACKGROUND] == 0).all()
    assert (alpha[trimap == FOREGROUND] == foreground[trimap == FOREGROUND]).all()
    assert alpha.dtype == np.float32
    assert alpha.min() >= 0
    assert alpha.max() <= 1


def test_nothing_unknown_is_an_answer_and_padding_is_air():
    truth = ball()
    known = np.where(truth >= 0.5, FOREGROUND, BACKGROUND).astype(np.uint8)
    assert (occupancy(scan(truth), known, SPACING) == (truth >= 0.5)).all()
    image = scan(truth)
    image[:, :2] = -3024
    assert np.abs(occupancy(image, band(truth), SPACING) - truth).sum() < 0.05 * truth.sum()


def test_a_band_that_touches_the_border():
    truth = ball()[:, 10:]
    alpha = occupancy(scan(ball())[:, 10:], band(ball())[:, 10:], SPACING)
    assert np.abs(alpha - truth).sum() < 0.05 * truth.sum()


def test_known_voxels_may_lie_far_from_the_band():
    image = scan(ball(shape=(4, 60, 60)))
    trimap = np.full(image.shape, BACKGROUND, np.uint8)
    trimap[1:3, 2:6, 2:6] = UNKNOWN
    trimap[1:3, 28:32, 28:32] = FOREGROUND
    assert occupancy(image, trimap, SPACING)[trimap == UNKNOWN].max() < 0.3


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    shape=st.one_of(st.tuples(*[st.integers(1, 7)] * 3), st.tuples(*[st.integers(2, 9)] * 2)),
    spacing=st.tuples(*[st.floats(0.3, 8)] * 3),
    level=st.floats(-1000, 1000),
)
def test_any_trimap_on_any_grid_gives_an_alpha(seed, shape, spacing, level):
    rng = np.random.default_rng(seed)
    trimap = rng.integers(0, 3, shape).astype(np.uint8)
    trimap.flat[0], trimap.flat[-1] = BACKGROUND, FOREGROUND
    image = (level + rng.choice([0, 900]) * rng.random(shape)).astype(np.float32)
    alpha = occupancy(image, trimap, spacing[: len(shape)])
    assert np.isfinite(alpha).all()
    assert (alpha[trimap != UNKNOWN] == trimap[trimap != UNKNOWN] / 2).all()


def test_nonsense_is_refused():
    truth = ball()
    image, trimap = scan(truth), band(truth)
    for wrong in ({"psf_mm": -1}, {"smoothing": np.nan}, {"steps": 0}, {"prior": truth[1:]}):
        with pytest.raises(UnknownParameterError):
            occupancy(image, trimap, SPACING, **wrong)
    for wrong in (2 * truth, np.full_like(truth, np.nan)):
        with pytest.raises(UnknownParameterError, match="prior"):
            occupancy(image, trimap, SPACING, prior=wrong)
    with pytest.raises(UnusableVolumeError):
        occupancy(image, trimap, (1.0, 1.0, 0.0))
    with pytest.raises(TrimapError):
        occupancy(image, trimap[1:], SPACING)
    with pytest.raises(TrimapError, match="background"):
        occupancy(image, np.maximum(trimap, UNKNOWN), SPACING)
