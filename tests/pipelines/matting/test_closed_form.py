"""Closed-form matting: agrees with the assembled Laplacian, respects symmetry, refuses nonsense."""

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.errors import (
    NotConvergedWarning,
    SegmentationError,
    TrimapError,
    UnusableVolumeError,
)
from pipelines.matting import METHODS
from pipelines.matting.closed_form import closed_form
from tests.pipelines.matting.test_window_laplacian import assembled


def random_case(seed, shape):
    rng = np.random.default_rng(seed)
    image = rng.uniform(-1000, 400, shape)
    trimap = rng.choice(np.array([0, 1, 2], np.uint8), shape, p=[0.2, 0.6, 0.2])
    trimap.flat[0], trimap.flat[-1] = 0, 2
    return image, trimap


@pytest.mark.parametrize("shape", [(5, 6, 5), (1, 8, 7), (7, 8)])
def test_alpha_agrees_with_a_direct_solution(shape):
    image, trimap = random_case(2, shape)
    matrix = assembled((image + 1000) / 1400, 3)
    unknown = (trimap == 1).ravel()
    known = (trimap == 2).ravel().astype(float)
    solution = np.linalg.solve(matrix[np.ix_(unknown, unknown)], -(matrix @ known)[unknown])
    alpha = closed_form(image, trimap, (1.0,) * len(shape), tolerance=1e-12, dtype=np.float64)
    assert np.abs(alpha.ravel()[unknown] - np.clip(solution, 0, 1)).max() < 1e-6


@pytest.mark.parametrize("size", [2, 3])
@pytest.mark.parametrize("noise", [0.0, 20.0])
@pytest.mark.parametrize("width", [1.0, 4.0])
def test_float32_keeps_its_bound(size, noise, width):
    z, y, x = np.mgrid[:20, :40, :40]
    distance = np.sqrt((z - 10) ** 2 + (y - 20) ** 2 + (x - 20) ** 2)
    noise = np.random.default_rng(3).normal(0, 1, distance.shape) * noise
    image = -860 + 900 / (1 + np.exp(distance - 7)) + noise
    trimap = np.where(distance < 7 - width, 2, np.where(distance < 7 + width, 1, 0))
    trimap = trimap.astype(np.uint8)
    single = closed_form(image, trimap, (1, 1, 1), size=size)
    exact = closed_form(image, trimap, (1, 1, 1), size=size, tolerance=1e-12, dtype=np.float64)
    assert np.abs(single - exact).max() < 3e-4


def test_an_answer_less_exact_than_asked_for_is_said():
    image, trimap = random_case(7, (6, 7, 8))
    with pytest.warns(NotConvergedWarning, match="after 2 iterations"):
        closed_form(image, trimap, (1, 1, 1), max_iterations=2)


@settings(max_examples=25, deadline=None)
@given(
    st.integers(0, 10_000),
    st.permutations([0, 1, 2]),
    st.sets(st.integers(0, 2)),
    st.tuples(st.integers(2, 6), st.integers(3, 8), st.integers(3, 12)),
    st.sampled_from([2, 3]),
)
def test_flips_and_permutations_commute(seed, order, flip, shape, size):
    image, trimap = random_case(seed, shape)

    def move(a):
        return np.flip(a.transpose(order), tuple(flip))

    options = {"tolerance": 1e-10, "dtype": np.float64, "size": size}
    with warnings.catch_warnings():
        # Random trimaps leave voxels that hardly hang together with the rest.
        warnings.simplefilter("ignore", NotConvergedWarning)
        alpha = closed_form(image, trimap, (1, 1, 1), **options)
        moved = closed_form(move(image), move(trimap), (1, 1, 1), **options)
    assert np.abs(move(alpha) - moved).max() < 1e-3


def test_two_lesions_and_a_band_at_the_border_are_solved():
    z, y, x = np.mgrid[:12, :24, :40]
    distance = np.minimum(
        np.sqrt((z - 6) ** 2 + (y - 12) ** 2 + x**2),
        np.sqrt((z - 6) ** 2 + (y - 12) ** 2 + (x - 28) ** 2),
    )
    image = -860 + 900 * np.clip(5.5 - distance, 0, 1)
    trimap = np.where(distance < 4, 2, np.where(distance < 7, 1, 0)).astype(np.uint8)
    alpha = closed_form(image, trimap, (1, 1, 1))
    assert np.abs(alpha - np.clip(5.5 - distance, 0, 1)).mean() < 0.01
    alone = closed_form(image[..., :17], trimap[..., :17], (1, 1, 1))
    assert np.abs(alpha[..., :17] - alone).max() < 1e-3


def test_foreground_may_be_less_than_wholly_lesion():
    image, trimap = random_case(8, (5, 6, 7))
    foreground = np.full(image.shape, 0.5, np.float32)
    half = closed_form(image, trimap, (1, 1, 1), foreground=foreground, tolerance=1e-9)
    assert (half[trimap == 2] == 0.5).all()
    assert half.max() <= 1


def test_a_prior_decides_where_intensity_says_nothing():
    image = np.zeros((7, 9, 21))
    trimap = np.ones(image.shape, np.uint8)
    trimap[..., :2], trimap[..., -2:] = 0, 2
    step = np.broadcast_to(np.arange(21) > 13, image.shape).astype(np.float32)
    weight = np.full(image.shape, 20, np.float32)
    options = {"prior": step, "prior_weight": weight}
    with_prior = closed_form(image, trimap, (1, 1, 1), **options)
    without = closed_form(image, trimap, (1, 1, 1))
    assert np.abs(with_prior - step).mean() < 0.1 < np.abs(without - step).mean()


def test_a_mixture_is_recovered_on_a_linear_ramp():
    image = np.broadcast_to(np.linspace(-900, 0, 21), (7, 9, 21)).copy()
    trimap = np.ones(image.shape, np.uint8)
    trimap[..., 0], trimap[..., -1] = 0, 2
    alpha = closed_form(image, trimap, (1, 1, 1))
    assert np.abs(alpha - np.linspace(0, 1, 21)).max() < 0.01


def test_known_voxels_stay_exact_and_padding_is_clipped():
    image, trimap = random_case(5, (5, 6, 7))
    image[0, 0, 0] = -3024
    clipped = np.where(image < -1000, -1000, image)
    alpha = closed_form(image, trimap, (1, 1, 1))
    assert (alpha[trimap == 0] == 0).all()
    assert (alpha[trimap == 2] == 1).all()
    assert alpha.dtype == np.float32
    assert (alpha == closed_form(clipped, trimap, (1, 1, 1))).all()


def test_without_unknown_voxels_the_trimap_is_the_answer():
    trimap = np.array([[[0, 2], [2, 0]]], np.uint8)
    assert (closed_form(np.zeros((1, 2, 2)), trimap, (1, 1, 1)) == trimap / 2).all()


def test_constant_image_is_solved():
    trimap = np.ones((5, 5, 5), np.uint8)
    trimap[0], trimap[-1] = 0, 2
    alpha = closed_form(np.zeros((5, 5, 5)), trimap, (1, 1, 1))
    assert np.isfinite(alpha).all()
    assert (np.diff(alpha[:, 2, 2]) > 0).all()


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"trimap": np.ones((2, 3, 4), np.uint8)}, TrimapError),
        ({"trimap": np.full((3, 4, 5), 7, np.uint8)}, TrimapError),
        ({"trimap": np.where(np.arange(60).reshape(3, 4, 5) < 9, 0, 1)}, TrimapError),
        ({"trimap": np.where(np.arange(60).reshape(3, 4, 5) < 9, 2, 1)}, TrimapError),
        ({"image": np.full((3, 4, 5), np.nan)}, UnusableVolumeError),
        ({"spacing": (1, 1)}, UnusableVolumeError),
        ({"spacing": (1, 1, 0)}, UnusableVolumeError),
        ({"epsilon": 0}, SegmentationError),
        ({"window": (400, -1000)}, SegmentationError),
        ({"tolerance": 2}, SegmentationError),
        ({"size": 4}, SegmentationError),
        ({"dtype": np.int16}, SegmentationError),
        ({"prior": np.zeros((3, 4, 5))}, SegmentationError),
        ({"prior": np.zeros(3), "prior_weight": np.zeros(3)}, SegmentationError),
        ({"foreground": np.full((3, 4, 5), 2.0)}, SegmentationError),
        ({"image": np.zeros((3, 4, 5), complex)}, UnusableVolumeError),
    ],
)
def test_nonsense_is_refused_with_a_typed_error(change, error):
    trimap = np.ones((3, 4, 5), np.uint8)
    trimap[0], trimap[-1] = 0, 2
    arguments = {"image": np.zeros((3, 4, 5)), "trimap": trimap, "spacing": (1, 1, 1)} | change
    image, trimap, spacing = (arguments.pop(k) for k in ("image", "trimap", "spacing"))
    with pytest.raises(error):
        closed_form(image, trimap, spacing, **arguments)


def test_methods_share_one_shape():
    image, trimap = random_case(6, (4, 5, 6))
    for method in METHODS.values():
        alpha = method(image, trimap, (2.0, 0.7, 0.7))
        assert alpha.shape == image.shape
        assert alpha.dtype == np.float32
        assert alpha.min() >= 0
        assert alpha.max() <= 1
