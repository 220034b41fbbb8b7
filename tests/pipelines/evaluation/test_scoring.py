"""Scores of an answer that one can compute by hand."""

from __future__ import annotations

import numpy as np
import pytest

from pipelines.dataset.annotated import AnnotatedLesion
from pipelines.evaluation.answers import MARKING_READER, Answer
from pipelines.evaluation.cases import marking_readers
from pipelines.evaluation.scores import LEVELS
from pipelines.evaluation.scoring import (
    MarkedNodule,
    consensus,
    score_continued,
    score_mark,
    score_nodule,
    score_phantom,
)
from pipelines.metrics import sad, volume_error
from pipelines.phantom import NoduleKind, nodule_patch


def row(*masks: str) -> np.ndarray:
    """Masks of readers as strings of 0 and 1: one slice, one row."""
    return np.array([[[[c == "1" for c in mask]] * 2] * 2 for mask in masks])


READERS = row("111100", "011100", "001110", "000000")
"""Per voxel 1, 2, 3, 3, 1, 0 readers; each twice in a row and on two slices, so four times."""


def test_half_of_all_readers_is_the_consensus_also_if_one_marked_nothing():
    assert consensus(READERS)[0, 0].tolist() == [False, True, True, True, False, False]


def answered(text: list[float]) -> Answer:
    return Answer(np.array([[text] * 2] * 2, np.float32), "occupancy")


def test_an_answer_by_hand():
    """Alpha 0.4, 1, 1, 0, 0, 0 against means of 1/4, 1/2, 3/4, 3/4, 1/4, 0."""
    score = score_mark(answered([0.4, 1, 1, 0, 0, 0]), READERS, reader=0, key=1)
    assert score.soft.sad == pytest.approx(4 * (0.15 + 0.5 + 0.25 + 0.75 + 0.25))
    squares = 0.15**2 + 0.5**2 + 0.25**2 + 0.75**2 + 0.25**2
    assert score.soft.mse == pytest.approx(squares / 6)
    assert score.volume_error == pytest.approx((2.4 - 2.5) / 2.5)
    # At 0.35: 111000 against 011100. At 0.5: 011000.
    low, half = score.whole
    assert LEVELS == (0.35, 0.5)
    assert (low.dice, low.sensitivity, low.ppv) == pytest.approx((2 / 3, 2 / 3, 2 / 3))
    assert (half.dice, half.sensitivity, half.ppv) == pytest.approx((4 / 5, 2 / 3, 1))
    assert score.key[1].dice == pytest.approx(4 / 5)
    # 111000 with each reader: 6/7, 4/6, 2/6, and nothing with who marked nothing.
    assert score.readers == (pytest.approx(6 / 7), pytest.approx(4 / 6), pytest.approx(2 / 6), None)
    # Two of readers 1 to 3: 001100; 111000 has one voxel of it.
    assert score.others == pytest.approx(2 / 5)
    assert score.failed is None


def test_the_key_slice_is_that_of_the_mark():
    alpha = answered([0, 1, 1, 1, 0, 0]).alpha
    alpha[0] = 0
    dices = [
        score_mark(Answer(alpha, "occupancy"), READERS, reader=0, key=k).key[0].dice for k in (0, 1)
    ]
    assert dices == [0, 1]


def test_samples_by_hand():
    """A hard mask is the same at all thresholds: GED is 2 E[d(S, Y)] - E[d(Y, Y')]."""
    score = score_mark(answered([0, 1, 1, 1, 0, 0]), READERS, reader=1, key=0)
    to_readers = [1 - 3 / 4, 0, 1 - 2 / 4, 1]
    d01, d02, d12 = 1 - 3 / 4, 1 - 2 / 5, 1 - 2 / 4
    among = 2 * (d01 + d02 + d12 + 3 * 1) / 16  # an empty mask is apart from all but itself
    assert score.energy_distance == pytest.approx(2 * sum(to_readers) / 4 - among)
    assert score.best_dice == 1


def test_nothing_found_is_scored_as_nothing():
    score = score_mark(Answer(np.zeros((2, 2, 6), np.float32), "", "TrimapError"), READERS, 0, 0)
    assert score.failed == "TrimapError"
    assert [o.dice for o in score.whole] == [0, 0]
    assert score.volume_error == -1
    # Samples are one empty mask, which one of the four readers agrees with.
    assert score.best_dice == 1
    assert score.soft.sad == pytest.approx(4 * 2.5)


@pytest.fixture(scope="module")
def nodule():
    """A dense ball of 8 voxels, as three readers of four draw it."""
    z, y, x = np.indices((9, 40, 40)) - np.array([4, 20, 20]).reshape(3, 1, 1, 1)
    distance = np.sqrt((2 * z) ** 2 + y**2 + x**2)
    hu = np.where(distance < 8, 30, -860).astype(np.int16)
    masks = np.stack([distance < r for r in (8, 7, 9, 0)])
    return MarkedNodule(AnnotatedLesion("p", "n", hu, masks, (2.0, 1.0, 1.0)))


def test_each_reader_draws_once_who_marked_something(nodule):
    score = score_nodule(nodule, MARKING_READER, 4)
    assert sorted(mark.reader for mark in score.marks) == [0, 1, 2]
    assert [mark.reader for mark in score.marks] == nodule.order
    assert all(mark.readers[mark.reader] == 1 for mark in score.marks)
    assert score.long_mm == pytest.approx(np.mean([a.long_mm for a in nodule.axes.values()]))
    once = score_nodule(nodule, MARKING_READER, 1)
    assert once.marks == score.marks[:1]


def test_a_method_finds_the_ball_and_pays_for_what_it_says_beyond_the_ends(nodule):
    score = score_nodule(nodule, "occupancy", 2)
    assert all(mark.whole[0].dice > 0.9 for mark in score.marks)
    longer = score_continued(nodule, "occupancy", 2)
    assert [mark.reader for mark in longer.marks] == nodule.order[:2]
    for one, other in zip(longer.marks, score.marks, strict=True):
        assert 0.85 < one.whole[0].dice <= other.whole[0].dice + 0.02


def test_a_phantom_is_scored_against_its_occupancy():
    from pipelines.evaluation.answers import answer

    patch = nodule_patch(NoduleKind.SOLID, 8.0, (2.5, 0.8, 0.8), seed=100)
    score, truth = score_phantom(patch, "closed-form"), patch.occupancy.array
    alpha = answer(patch.volume, patch.axes, "closed-form").alpha
    assert score.soft.sad == pytest.approx(sad(alpha, truth))
    assert score.volume_error == pytest.approx(volume_error(alpha, truth))
    assert score.truth_voxels == pytest.approx(truth.sum())
    assert 0 < score.soft.sad < 0.4 * score.truth_voxels


def test_the_lot_starts_with_any_reader_and_keeps_the_order():
    orders = {tuple(marking_readers(f"p/{n}", [0, 1, 3])) for n in range(40)}
    assert orders == {(0, 1, 3), (1, 3, 0), (3, 0, 1)}
