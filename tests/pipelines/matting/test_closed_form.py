"""Closed-form matting: agrees with the assembled Laplacian, respects symmetry, refuses nonsense."""

import numpy as np
import pytest

from pipelines.errors import SegmentationError, TrimapError, UnusableVolumeError
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
    alpha = closed_form(image, trimap, (1.0,) * len(shape), tolerance=1e-12)
    assert np.abs(alpha.ravel()[unknown] - np.clip(solution, 0, 1)).max() < 1e-6


def test_default_tolerance_keeps_its_bound():
    z, y, x = np.mgrid[:14, :30, :30]
    distance = np.sqrt((z - 7) ** 2 + (y - 15) ** 2 + (x - 15) ** 2)
    noise = np.random.default_rng(3).normal(0, 20, distance.shape)
    image = -860 + 900 / (1 + np.exp(distance - 6)) + noise
    trimap = np.where(distance < 4, 2, np.where(distance < 9, 1, 0)).astype(np.uint8)
    rough = closed_form(image, trimap, (1, 1, 1))
    exact = closed_form(image, trimap, (1, 1, 1), tolerance=1e-12)
    assert np.abs(rough - exact).max() < 1e-3


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 0, 1), (1, 0, 2)])
@pytest.mark.parametrize("flip", [(), (0,), (1, 2)])
def test_flips_and_permutations_commute_with_matting(order, flip):
    image, trimap = random_case(4, (6, 7, 8))

    def move(a):
        return np.flip(a.transpose(order), flip)

    alpha = closed_form(image, trimap, (1, 1, 1), tolerance=1e-10)
    moved = closed_form(move(image), move(trimap), (1, 1, 1), tolerance=1e-10)
    assert np.abs(move(alpha) - moved).max() < 1e-5


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
