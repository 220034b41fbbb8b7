"""Orders by lot: the same each time, balanced, and told apart by reader."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.reader_study.presentation_order import presentations, repeated_cases


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**63 - 1),
    reader=st.text(max_size=20),
    cases=st.integers(1, 40),
    part=st.floats(0, 1),
    candidates=st.integers(2, 8),
)
def test_each_case_comes_once_or_twice_and_places_are_balanced(
    seed, reader, cases, part, candidates
):
    repeated = repeated_cases(seed, cases, int(part * cases))
    shown = presentations(seed, reader, cases, repeated, candidates)
    assert shown == presentations(seed, reader, cases, repeated, candidates)
    assert sorted(one.case for one in shown if not one.repeat) == list(range(cases))
    assert sorted(one.case for one in shown if one.repeat) == sorted(repeated)
    assert all(sorted(one.order) == list(range(candidates)) for one in shown)
    # In each run of as many new cases as candidates, each candidate is once at each place.
    first = [one.order for one in shown if not one.repeat]
    for start in range(0, len(first) - candidates + 1, candidates):
        for place in range(candidates):
            run = [order[place] for order in first[start : start + candidates]]
            assert sorted(run) == list(range(candidates))
    gap = min(10, cases // 2)
    places = {one.case: number for number, one in enumerate(shown) if not one.repeat}
    orders = {one.case: one.order for one in shown if not one.repeat}
    for number, one in enumerate(shown):
        if one.repeat:
            assert number > min(places[one.case] + gap, cases - 1)
            assert one.order != orders[one.case]


def test_readers_and_seeds_have_orders_of_their_own():
    of = {
        (seed, reader): presentations(seed, reader, 20, (), 5)
        for seed in (1, 2)
        for reader in ("anna", "ben")
    }
    assert len(set(of.values())) == 4


def test_no_reader_can_tell_a_candidate_by_its_place():
    counts: Counter[tuple[int, int]] = Counter()
    for reader in range(100):
        for one in presentations(7, f"reader {reader}", 10, (0, 1), 5):
            counts.update((place, candidate) for place, candidate in enumerate(one.order))
    assert min(counts.values()) > 0.8 * max(counts.values())


def test_the_same_cases_come_twice_to_all_and_no_more_than_there_are():
    assert repeated_cases(3, 10, 4) == repeated_cases(3, 10, 4)
    assert len(set(repeated_cases(3, 10, 4))) == 4
    with pytest.raises(ValueError, match="11 cases to repeat"):
        repeated_cases(3, 10, 11)
