"""Bayesian matting deep inside thick unknown regions, where samples lie far away."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.matting.bayesian import bayesian
from pipelines.matting.far_samples import Sources


def slab(length=60, gap=26, noise=10.0, seed=0):
    """Lung, then lesion, of which only the ends along rows are known."""
    truth = np.zeros((3, 5, length), np.float32)
    truth[..., length // 2 :] = 1
    truth[..., length // 2] = 0.5
    image = -860 + 900 * truth + np.random.default_rng(seed).normal(0, noise, truth.shape)
    trimap = np.ones(truth.shape, np.uint8)
    trimap[..., : length // 2 - gap], trimap[..., length // 2 + gap :] = 0, 2
    return image, trimap, truth


@pytest.mark.parametrize("gap", [5, 16, 26])
def test_a_band_thicker_than_the_neighbourhood_is_matted_to_its_middle(gap):
    image, trimap, truth = slab(gap=gap)
    alpha = bayesian(image, trimap, (1, 1, 1))
    middle = alpha[..., 30]
    assert np.abs(alpha - truth).mean() < 0.02
    assert (np.abs(middle - 0.5) < 0.1).all()


def test_lesion_deep_in_a_band_that_touches_lung_alone_is_found():
    # An island of lesion within reach of lung only; what is known of lesion is 30 voxels away.
    image, trimap, _ = slab(gap=26)
    image[..., 6:10] = 40
    image[..., 4:6] = image[..., 10:12] = -860
    alpha = bayesian(image, trimap, (1, 1, 1))
    assert (alpha[..., 6:10] > 0.9).all()
    assert (alpha[..., 10:12] < 0.1).all()


def test_known_voxels_of_a_side_may_lie_beyond_the_crop():
    image, trimap, _ = slab(length=80, gap=5)
    trimap[..., 35:40] = 1
    trimap[..., 40:70] = 0
    image[..., 40:70] = -860
    image[..., 37] = 40
    alpha = bayesian(image, trimap, (1, 1, 1))
    assert (alpha[..., 37] > 0.9).all()
    assert (alpha[..., 36] < 0.1).all()


@settings(max_examples=10, deadline=None)
@given(
    order=st.permutations(range(3)),
    flip=st.lists(st.integers(0, 2), unique=True),
    seed=st.integers(0, 99),
)
def test_flips_and_permutations_commute_with_far_samples(order, flip, seed):
    image, trimap, _ = slab(length=44, gap=18, seed=seed)
    image, spacing = np.round(image), (1.5, 0.9, 1.1)

    def move(a):
        return np.flip(a.transpose(order), flip)

    alpha = bayesian(image, trimap, spacing)
    moved = bayesian(move(image), move(trimap), tuple(spacing[a] for a in order))
    assert np.abs(move(alpha) - moved).max() < 1e-3


def test_all_sources_as_far_as_the_last_one_come_along():
    line = np.array([[-2.0, 0], [2, 0], [0, 2], [0, 5]])
    sources = Sources(line, np.arange(4.0), np.ones(4), np.ones(4))
    start, value, weight, _ = sources.nearest(np.zeros((1, 2)), 2, 3.0)
    assert start.tolist() == [0, 3]
    assert sorted(value) == [0, 1, 2]
    assert (weight == 1).all()
    start, value, _, _ = sources.nearest(np.zeros((1, 2)), 9, 3.0)
    assert start.tolist() == [0, 4]
