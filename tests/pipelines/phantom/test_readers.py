"""Simulated readers err by about a pixel, smoothly, each in a way of his own."""

import numpy as np
import pytest

from pipelines.errors import EmptyMaskError
from pipelines.metrics import dice
from pipelines.phantom import NoduleKind, nodule_patch, simulated_readers
from pipelines.phantom.scanner import overlap

SPACING = (1.25, 0.7, 0.7)


@pytest.fixture(scope="module")
def truth():
    return nodule_patch(NoduleKind.SOLID, 14, SPACING, seed=8).occupancy.array


def test_readers_agree_with_the_truth_but_not_with_each_other(truth):
    masks = simulated_readers(truth, SPACING, np.random.default_rng(0), count=5)
    assert masks.shape == (5, *truth.shape)
    scores = [dice(mask, truth >= 0.5) for mask in masks]
    assert min(scores) > 0.75
    assert max(scores) < 0.999
    assert len({mask.tobytes() for mask in masks}) == 5


def test_readers_are_right_on_average(truth):
    masks = simulated_readers(truth, SPACING, np.random.default_rng(1), count=60)
    assert abs(masks.sum() / 60 / truth.sum() - 1) < 0.06


def test_readers_without_error_draw_the_half_level(truth):
    (mask,) = simulated_readers(
        truth, SPACING, np.random.default_rng(0), 1, bias_mm=0, wander_mm=(0, 0)
    )
    assert dice(mask, truth >= 0.5) > 0.96


def test_the_same_seed_gives_the_same_readers(truth):
    one, two = (simulated_readers(truth, SPACING, np.random.default_rng(3)) for _ in range(2))
    assert (one == two).all()


def test_an_unseen_lesion_has_no_readers():
    with pytest.raises(EmptyMaskError):
        simulated_readers(np.full((4, 5, 5), 0.4, np.float32), SPACING, np.random.default_rng(0))


def test_a_lesion_is_the_same_at_every_spacing():
    volumes = []
    for spacing in (SPACING, (2.5, 0.6, 0.8), (5.0, 0.7, 0.7)):
        patch = nodule_patch(NoduleKind.JUXTA_PLEURAL, 15, spacing, seed=2)
        ml = float(patch.occupancy.array.sum()) * patch.occupancy.voxel_volume / 1000
        assert ml == pytest.approx(patch.volume_ml, rel=1e-4)
        volumes.append(patch.volume_ml)
    assert len(set(volumes)) == 1


@pytest.mark.parametrize("sigma", [0.0, 0.3, 1.0])
def test_a_scanner_keeps_what_it_spreads(sigma):
    weights = overlap(40, 0.7, 12.0, 9, 0.25, sigma)
    assert np.allclose(weights.sum(axis=0) * 0.7, 0.25)


def test_a_scanner_widens_an_edge_as_its_point_spread_says():
    # The derivative of an edge's profile is the point spread, averaged over a voxel.
    step, sigma = 0.05, 0.6
    edge = overlap(2000, step, 50.0, 1, step, sigma)[:, 0]
    place = np.arange(2000) * step
    mean = (edge * place).sum() / edge.sum()
    spread = np.sqrt((edge * (place - mean) ** 2).sum() / edge.sum())
    assert mean == pytest.approx(50.0, abs=1e-6)
    assert spread == pytest.approx(np.sqrt(sigma**2 + 2 * step**2 / 12), rel=1e-3)


def test_no_voxel_is_touched_by_rounding(truth):
    touched = np.argwhere(truth > 0)
    assert truth[truth > 0].min() > 1e-7
    assert (np.ptp(touched, axis=0) * SPACING < 30).all()
