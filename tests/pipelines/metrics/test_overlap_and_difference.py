"""Overlap and voxel-wise differences as defined: small cases by hand, and their symmetries."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from pipelines.metrics import (
    JOURNAL_SCALE,
    REGION_AWARE_SCALE,
    MattingScores,
    dice,
    iou,
    mse,
    ppv,
    sad,
    score,
    sensitivity,
    volume_error,
)

A = np.array([1.0, 0.5, 0.0, 0.0])
G = np.array([1.0, 0.0, 0.5, 0.5])

SHAPES = hnp.array_shapes(min_dims=2, max_dims=3, max_side=4)
PAIRS = SHAPES.flatmap(lambda s: st.tuples(*2 * [hnp.arrays(bool, s)]))
SOFT_PAIRS = SHAPES.flatmap(
    lambda s: st.tuples(*2 * [hnp.arrays(np.float32, s, elements=st.floats(0, 1, width=32))])
)


def test_values_by_hand():
    assert dice(A >= 0.5, G >= 0.5) == pytest.approx(2 * 1 / 5)
    assert iou(A >= 0.5, G >= 0.5) == pytest.approx(1 / 4)
    assert sensitivity(A >= 0.5, G >= 0.5) == pytest.approx(1 / 3)
    assert ppv(A >= 0.5, G >= 0.5) == pytest.approx(1 / 2)
    assert sad(A, G) == pytest.approx(1.5)
    assert mse(A, G) == pytest.approx(0.75 / 4)
    assert volume_error(A, G) == pytest.approx(-0.25)


def test_two_empty_masks_agree_and_one_empty_mask_is_undefined():
    empty, some = np.zeros(3, bool), np.array([True, False, False])
    for metric in (dice, iou, sensitivity, ppv):
        assert metric(empty, empty) == 1
    assert dice(some, empty) == iou(some, empty) == ppv(some, empty) == 0
    assert sensitivity(empty, some) == 0
    assert math.isnan(sensitivity(some, empty))
    assert math.isnan(ppv(empty, some))


def test_what_makes_no_sense_is_refused():
    with pytest.raises(ValueError, match="shapes"):
        sad(A, G[:3])
    with pytest.raises(ValueError, match="boolean"):
        dice(A, G)
    with pytest.raises(ValueError, match="empty"):
        volume_error(A, G * 0)
    with pytest.raises(ValueError, match="no voxel"):
        mse(A[:0], G[:0])


def test_papers_factors():
    plain = MattingScores(sad=200.0, mse=0.002, grad=50.0, conn=300.0)
    assert plain.scaled(JOURNAL_SCALE) == MattingScores(2.0, 2.0, 0.5, 3.0)
    assert plain.scaled(REGION_AWARE_SCALE) == MattingScores(0.2, 0.002, 0.05, 0.3)


def test_all_four_at_once_are_those_one_by_one():
    rng = np.random.default_rng(1)
    a, g = rng.random((3, 5, 6)), rng.random((3, 5, 6))
    found = score(a, g)
    assert (found.sad, found.mse) == (sad(a, g), mse(a, g))
    assert found.grad > 0
    assert found.conn > 0


@given(PAIRS)
def test_overlap_is_symmetric_and_full_where_masks_are_equal(pair):
    a, g = pair
    assert dice(a, g) == dice(g, a)
    assert iou(a, g) == iou(g, a)
    assert (dice(a, g) == 1) == (iou(a, g) == 1) == bool((a == g).all())
    assert dice(a, g) == pytest.approx(2 * iou(a, g) / (1 + iou(a, g)))


@given(PAIRS)
def test_dice_is_the_harmonic_mean_of_sensitivity_and_ppv(pair):
    a, g = pair
    found, right = sensitivity(a, g), ppv(a, g)
    if found > 0 and right > 0:
        assert dice(a, g) == pytest.approx(2 / (1 / found + 1 / right))


@given(SOFT_PAIRS, st.integers(0, 1))
def test_differences_are_symmetric_blind_to_flips_and_zero_for_equal_masks_only(pair, axis):
    a, g = pair
    for metric in (sad, mse):
        assert metric(a, g) == metric(g, a)
        assert metric(np.flip(a, axis), np.flip(g, axis)) == pytest.approx(metric(a, g))
        assert metric(a, a) == 0
    assert (sad(a, g) == 0) == bool((a == g).all())
