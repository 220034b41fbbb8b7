"""Metrics in a box are those of the whole."""

from __future__ import annotations

import numpy as np
import pytest

from pipelines.evaluation.in_box import box_of, matting_scores
from pipelines.evaluation.scores import overlap
from pipelines.metrics import dice, ppv, score, sensitivity


def blobs(seed: int, shape: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Two soft blobs, not quite at the same place, at any place and often at an edge."""
    rng = np.random.default_rng(seed)
    grid = np.indices(shape, dtype=np.float32)
    centre = rng.uniform(0, shape)
    found = []
    for shift in rng.uniform(-1.5, 1.5, (2, len(shape))):
        place = (centre + shift).reshape(-1, *[1] * len(shape))
        distance = np.sqrt(((grid - place) ** 2).sum(axis=0))
        found.append(np.clip(rng.uniform(2, 4) - distance, 0, 1).astype(np.float32))
    return found[0], found[1]


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("shape", [(14, 30, 31), (3, 25, 24), (1, 20, 22)])
def test_the_box_changes_no_metric(seed, shape):
    a, g = blobs(seed, shape)
    ours, whole = matting_scores(a, g), score(a, g)
    for name in ("sad", "mse", "grad", "conn"):
        assert getattr(ours, name) == pytest.approx(getattr(whole, name), rel=1e-9, abs=1e-12), name
    a, g = a >= 0.5, g >= 0.5
    found = overlap(a, g)
    assert found.dice == dice(a, g)
    assert found.sensitivity == pytest.approx(sensitivity(a, g), nan_ok=True) or not g.any()
    assert found.ppv == pytest.approx(ppv(a, g), nan_ok=True) or not a.any()


def test_nothing_against_nothing():
    nothing = np.zeros((4, 5, 6), np.float32)
    assert matting_scores(nothing, nothing) == score(nothing, nothing)
    found = overlap(nothing > 0, nothing > 0)
    assert (found.dice, found.sensitivity, found.ppv) == (1, 1, 1)


def test_what_is_not_defined_is_none():
    some, none = np.zeros((3, 3, 3), bool), np.zeros((3, 3, 3), bool)
    some[1, 1, 1] = True
    assert (overlap(some, none).sensitivity, overlap(some, none).ppv) == (None, 0.0)
    assert (overlap(none, some).sensitivity, overlap(none, some).ppv) == (0.0, None)


def test_a_box_holds_everything_and_its_margin():
    a, g = np.zeros((9, 9, 9)), np.zeros((9, 9, 9))
    a[3, 4, 5], g[5, 4, 1] = 1, 0.1
    assert box_of((a, g)) == (slice(3, 6), slice(4, 5), slice(1, 6))
    assert box_of((a, g), 2) == (slice(1, 8), slice(2, 7), slice(0, 8))
