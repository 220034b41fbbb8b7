"""Means, their spread over repeats and intervals over patients, as computed by hand."""

from __future__ import annotations

import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.evaluation.spread import Measured, cell_of, interval


def test_a_cell_by_hand():
    measured = [
        Measured("a", (1.0, 3.0)),  # mean 2
        Measured("a", (4.0, None)),  # mean 4
        Measured("b", (6.0, 9.0)),  # mean 7.5
        Measured("c", (None, None)),  # no value
    ]
    cell = cell_of(measured, factor=10)
    assert cell.mean == pytest.approx(10 * (2 + 4 + 7.5) / 3)
    # Repeats: (1 + 4 + 6) / 3 and (3 + 9) / 2.
    assert cell.sd == pytest.approx(10 * statistics.stdev([11 / 3, 6]))
    assert cell.count == 3


def test_one_repeat_has_no_spread_and_no_value_no_cell():
    assert cell_of([Measured("a", (1.0,)), Measured("b", (2.0,))]).sd is None
    assert cell_of([Measured("a", (None,))]) is None
    assert cell_of([]) is None


def test_patients_are_drawn_and_not_their_nodules():
    """Two patients: a mean is one of three values; drawn by nodules it would be one of many."""
    values = [("a", 0.0)] * 50 + [("b", 1.0)] * 50
    assert interval(values) == (0.0, 1.0)
    apart = [(number, value) for number, (_, value) in enumerate(values)]
    low, high = interval(apart)
    assert 0.35 < low < 0.5 < high < 0.65


def test_a_patient_with_more_nodules_weighs_more():
    """Of two patients with 3 and 1 nodules: draws aa, ab, bb give 0, 1/4, 1 and never 1/2."""
    values = [("a", 0.0)] * 3 + [("b", 1.0)]
    assert interval(values) == (0.0, 1.0)
    assert cell_of([Measured(c, (v,)) for c, v in values]).mean == 0.25


@given(st.lists(st.tuples(st.integers(0, 5), st.floats(-10, 10)), min_size=1, max_size=20))
def test_an_interval_lies_within_the_values_and_is_always_the_same(values):
    low, high = interval(values)
    numbers = [value for _, value in values]
    assert min(numbers) - 1e-9 <= low <= high <= max(numbers) + 1e-9
    assert interval(values) == (low, high)
