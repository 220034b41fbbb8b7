"""The cut finds the minimum of its energy; the mixtures find theirs."""

import itertools

import numpy as np
import pytest

from pipelines.grabcut.cut import minimum_cut
from pipelines.grabcut.mixture import BINS, Mixture, bins


def energy(labels, log_odds, image, spacing, smoothness, noise):
    total = -float(log_odds[labels].sum())
    for axis, distance in enumerate(spacing):
        if image.shape[axis] == 1:
            continue
        difference = np.diff(image, axis=axis)
        scale = max(float(np.sqrt((difference**2).mean())), noise)
        cost = smoothness / distance * np.exp(-0.5 * (difference / scale) ** 2)
        total += float(cost[np.diff(labels.astype(int), axis=axis) != 0].sum())
    return total


@pytest.mark.parametrize("seed", range(3))
def test_no_labelling_is_cheaper(seed):
    rng = np.random.default_rng(seed)
    shape, spacing = (2, 2, 3), (2.5, 0.7, 0.9)
    image = rng.normal(-400, 300, shape)
    log_odds = rng.normal(0, 1.5, shape).astype(np.float32)
    found = minimum_cut(log_odds, image, spacing, np.ones(shape, bool), 1.0, 40.0)
    best = min(
        energy(np.reshape(bits, shape), log_odds, image, spacing, 1.0, 40.0)
        for bits in itertools.product([False, True], repeat=12)
    )
    assert energy(found, log_odds, image, spacing, 1.0, 40.0) == pytest.approx(best, abs=0.1)


def test_nothing_outside_of_what_is_allowed():
    shape = (3, 5, 5)
    allowed = np.zeros(shape, bool)
    allowed[1, 1:4, 1:4] = True
    found = minimum_cut(
        np.full(shape, 5, np.float32), np.zeros(shape), (1, 1, 1), allowed, 0.1, 40.0
    )
    assert (found == allowed).all()


def test_without_links_each_voxel_decides():
    log_odds = np.array([[[1, -1, 2, -3.0]]], np.float32)
    found = minimum_cut(log_odds, np.zeros((1, 1, 4)), (1, 1, 1), np.ones((1, 1, 4), bool), 0, 40)
    assert found.ravel().tolist() == [True, False, True, False]


def histogram(hu):
    return np.bincount(bins(hu), minlength=BINS)


def test_mixture_finds_two_tissues():
    rng = np.random.default_rng(0)
    values = np.concatenate([rng.normal(-860, 40, 3000), rng.normal(30, 60, 1000)])
    mixture = Mixture.fit(histogram(values), 2)
    assert sorted(mixture.means) == pytest.approx([-860, 30], abs=15)
    assert sorted(mixture.weights) == pytest.approx([0.25, 0.75], abs=0.03)
    density = np.exp(mixture.log_density()).sum() * 5
    assert density == pytest.approx(1, abs=0.02)


def test_mixture_of_one_value_is_finite():
    mixture = Mixture.fit(histogram(np.full(5, -700.0)), 3)
    assert np.isfinite(mixture.log_density()[bins(np.array([-3000.0, -700, 3000]))]).all()
