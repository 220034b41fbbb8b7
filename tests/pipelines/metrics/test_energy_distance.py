"""The energy distance and the best Dice by hand, and their symmetries."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from pipelines.metrics import best_dice, generalised_energy_distance, masks_of_alpha


def mask(text):
    return np.array([c == "x" for c in text])


def test_values_by_hand():
    samples, references = [mask("xx..")], [mask("x..."), mask("xxxx")]
    # d(S, Y): 1/2 and 1/2; d(Y, Y'): 0, 3/4, 3/4, 0.
    assert generalised_energy_distance(samples, references) == pytest.approx(2 * 0.5 - 0 - 0.375)
    # Smoothed Dice: (2 + 1) / (3 + 1) and (4 + 1) / (6 + 1).
    assert best_dice(samples, references) == pytest.approx(3 / 4)


def test_two_empty_masks_do_not_differ():
    empty = [mask("....")]
    assert generalised_energy_distance(empty, empty) == 0
    assert best_dice(empty, empty) == 1


def test_masks_of_alpha_by_hand():
    alpha = np.array([0.1, 0.25, 0.35, 0.5, 0.6])
    # The range is 0.5 from 0.1: thresholds 0.2, 0.325 and 0.45.
    found = masks_of_alpha(alpha, count=3)
    assert [m.sum() for m in found] == [4, 3, 2]
    assert len(masks_of_alpha(alpha)) == 8


sets = st.integers(1, 3).flatmap(lambda n: hnp.arrays(bool, (n, 3, 4)))


@settings(max_examples=60, deadline=None)
@given(sets, sets, st.integers(0, 1))
def test_symmetric_not_negative_and_zero_for_equal_sets(samples, references, axis):
    samples, references = list(samples), list(references)
    found = generalised_energy_distance(samples, references)
    assert found == pytest.approx(generalised_energy_distance(references, samples))
    flipped = [[np.flip(m, axis) for m in s] for s in (samples, references)]
    assert generalised_energy_distance(*flipped) == pytest.approx(found)
    assert generalised_energy_distance(samples, samples) == pytest.approx(0)
    assert found >= -1e-12


def test_what_makes_no_sense_is_refused():
    with pytest.raises(ValueError, match="0 samples"):
        generalised_energy_distance([], [mask("x")])
    with pytest.raises(ValueError, match="0 references"):
        best_dice([mask("x")], [])
    with pytest.raises(ValueError, match="shapes"):
        best_dice([mask("x")], [mask("xx")])
    with pytest.raises(ValueError, match="thresholds"):
        masks_of_alpha(np.ones(3), count=0)
    with pytest.raises(ValueError, match="no voxel"):
        masks_of_alpha(np.ones(0))
