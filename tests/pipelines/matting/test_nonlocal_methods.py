"""What KNN, information-flow and Bayesian matting promise alike."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.errors import TrimapError, UnknownParameterError, UnusableVolumeError
from pipelines.matting.bayesian import bayesian
from pipelines.matting.information_flow import information_flow
from pipelines.matting.knn import knn

METHODS = [knn, information_flow, bayesian]
every_method = pytest.mark.parametrize("method", METHODS)


def random_case(seed, shape):
    """Smooth enough that a voxel's neighbours say something about it, with whole HU: ties occur."""
    rng = np.random.default_rng(seed)
    trimap = rng.choice(np.array([0, 1, 2], np.uint8), shape, p=[0.2, 0.6, 0.2])
    trimap.flat[0], trimap.flat[-1], trimap.flat[1] = 0, 2, 1
    return rng.integers(-1000, 400, shape).astype(np.int16), trimap


def ball(shape, spacing, centres=None, radius=6.0, blur=1.5, noise=10.0, seed=0):
    """Image, trimap and truth of balls in lung; all lengths in mm."""
    grids = np.meshgrid(
        *(np.arange(n) * s for n, s in zip(shape, spacing, strict=True)), indexing="ij"
    )
    centres = centres or [[(n - 1) / 2 * s for n, s in zip(shape, spacing, strict=True)]]
    distance = np.min(
        [np.sqrt(sum((g - c) ** 2 for g, c in zip(grids, o, strict=True))) for o in centres], axis=0
    )
    truth = np.clip(0.5 + (radius - distance) / (2 * blur), 0, 1)
    image = -860 + 890 * truth + np.random.default_rng(seed).normal(0, noise, shape)
    trimap = np.where(distance < radius - 2 * blur, 2, np.where(distance < radius + 2 * blur, 1, 0))
    return image, trimap.astype(np.uint8), truth


@every_method
def test_a_blurred_ball_is_recovered(method):
    image, trimap, truth = ball((24, 24, 24), (1, 1, 1))
    alpha = method(image, trimap, (1, 1, 1))
    # The band holds as much pure lung and pure lesion as mixture. KNN is the least exact.
    assert np.abs(alpha - truth).sum() < (0.25 if method is knn else 0.05) * truth.sum()


@every_method
def test_a_linear_ramp_rises_from_background_to_foreground(method):
    image = np.broadcast_to(np.linspace(-900, 0, 13), (7, 9, 13)).copy()
    trimap = np.ones(image.shape, np.uint8)
    trimap[..., 0], trimap[..., -1] = 0, 2
    alpha = method(image, trimap, (1, 1, 1))
    assert (np.diff(alpha, axis=-1) > -1e-4).all()
    assert np.abs(alpha - np.linspace(0, 1, 13)).mean() < 0.1


@every_method
def test_known_voxels_stay_exact_and_padding_is_clipped(method):
    image, trimap = random_case(5, (5, 6, 7))
    density = np.random.default_rng(1).random(image.shape).astype(np.float32)
    image[0, 0, 0] = -3024
    alpha = method(image, trimap, (1, 1, 1), foreground=density)
    assert (alpha[trimap == 0] == 0).all()
    assert (alpha[trimap == 2] == density[trimap == 2]).all()
    assert alpha.dtype == np.float32
    assert alpha.min() >= 0
    assert alpha.max() <= 1
    clipped = np.maximum(image, -1000)
    assert (alpha == method(clipped, trimap, (1, 1, 1), foreground=density)).all()


@every_method
def test_a_constant_image_is_answered(method):
    trimap = np.ones((6, 6, 6), np.uint8)
    trimap[0], trimap[-1] = 0, 2
    alpha = method(np.zeros((6, 6, 6)), trimap, (1, 1, 1))
    assert np.isfinite(alpha).all()
    assert (np.diff(alpha, axis=0) >= -1e-4).all()


@every_method
def test_one_slice_is_a_2d_image(method):
    image, trimap, _ = ball((30, 28), (0.7, 0.8))
    flat = method(image, trimap, (0.7, 0.8))
    thick = method(image[None], trimap[None], (2.5, 0.7, 0.8))
    assert np.abs(thick[0] - flat).max() < 1e-4


@every_method
@settings(max_examples=8, deadline=None)
@given(
    order=st.permutations(range(3)),
    flip=st.lists(st.integers(0, 2), unique=True),
    seed=st.integers(0, 99),
)
def test_flips_and_permutations_commute(method, order, flip, seed):
    image, trimap, _ = ball((9, 17, 16), (1.5, 0.9, 1.1), seed=seed, radius=5)
    spacing = (1.5, 0.9, 1.1)
    image = np.round(image)

    def move(a):
        return np.flip(a.transpose(order), flip)

    alpha = method(image, trimap, spacing)
    moved = method(move(image), move(trimap), tuple(spacing[a] for a in order))
    assert np.abs(move(alpha) - moved).max() < 1e-3


@every_method
def test_scale_in_mm_matters_only_where_spacing_is_anisotropic(method):
    image, trimap, _ = ball((12, 20, 20), (1, 1, 1), radius=5, noise=60)
    thin, thick = method(image, trimap, (1, 1, 1)), method(image, trimap, (4, 1, 1))
    assert np.abs(thin - thick).max() > 1e-3


@every_method
def test_two_lesions_in_one_crop_are_answered_like_one_and_one(method):
    shape, centres = (15, 18, 46), [(7, 8, 9), (7, 9, 36)]
    image, trimap, _ = ball(shape, (1, 1, 1), centres, radius=5)
    alpha = method(image, trimap, (1, 1, 1))
    for half in (np.s_[..., :23], np.s_[..., 23:]):
        alone = method(image[half], trimap[half], (1, 1, 1))
        assert np.abs(alpha[half] - alone).max() < 2e-3


@every_method
def test_a_band_may_touch_the_border(method):
    image, trimap, truth = ball((14, 14, 14), (1, 1, 1), [(0, 7, 7)], radius=5)
    alpha = method(image, trimap, (1, 1, 1))
    unknown = trimap == 1
    assert unknown[0].any()
    assert np.abs(alpha - truth)[unknown].mean() < 0.15


@every_method
def test_without_unknown_voxels_the_trimap_is_the_answer(method):
    trimap = np.array([[[0, 2], [2, 0]]], np.uint8)
    assert (method(np.zeros((1, 2, 2)), trimap, (1, 1, 1)) == trimap / 2).all()


@every_method
@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"trimap": np.ones((2, 3, 4), np.uint8)}, TrimapError),
        ({"trimap": np.full((3, 4, 5), 7, np.uint8)}, TrimapError),
        ({"trimap": np.where(np.arange(60).reshape(3, 4, 5) < 9, 0, 1)}, TrimapError),
        ({"trimap": np.where(np.arange(60).reshape(3, 4, 5) < 9, 2, 1)}, TrimapError),
        ({"image": np.full((3, 4, 5), np.nan)}, UnusableVolumeError),
        ({"image": np.zeros((3, 4, 5), complex)}, UnusableVolumeError),
        ({"spacing": (1, 1)}, UnusableVolumeError),
        ({"spacing": (1, 1, 0)}, UnusableVolumeError),
        ({"window": (400, -1000)}, UnknownParameterError),
        ({"candidates": 0}, UnknownParameterError),
    ],
)
def test_nonsense_is_refused_with_a_typed_error(method, change, error):
    trimap = np.ones((3, 4, 5), np.uint8)
    trimap[0], trimap[-1] = 0, 2
    arguments = {"image": np.zeros((3, 4, 5)), "trimap": trimap, "spacing": (1, 1, 1)} | change
    image, trimap, spacing = (arguments.pop(k) for k in ("image", "trimap", "spacing"))
    with pytest.raises(error):
        method(image, trimap, spacing, **arguments)
