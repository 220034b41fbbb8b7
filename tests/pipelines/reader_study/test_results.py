"""Figures of small studies, counted by hand or published by others."""

from __future__ import annotations

import pytest

from pipelines.reader_study.proportion import chance_p, even_p, holm, wilson
from pipelines.reader_study.reading import Origin, Reading
from pipelines.reader_study.results import results_of

NAMES = ("mask", "matte")
ORIGINS = (Origin.PERSON, Origin.COMPUTER)
PERSON, COMPUTER = Origin


def reading(reader: str, case: int, chosen: int, repeat: bool = False, **more) -> Reading:
    return Reading(reader, str(case), repeat, chosen, more.pop("position", 0), **more)


def test_wilsons_interval_is_that_of_the_literature():
    # Newcombe 1998, Statistics in Medicine 17:857, table I, method 3.
    for count, total, low, high in (
        (81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ):  # fmt: skip
        found = wilson(count, total)
        assert (found.low, found.high) == pytest.approx((low, high), abs=5e-5)
    assert wilson(0, 0).share is None


def test_p_against_chance_is_exact():
    assert chance_p(8, 8, 0.5) == pytest.approx(2 / 256)
    assert chance_p(0, 0, 0.5) is None
    assert even_p([4, 4, 4]) is None
    assert even_p([10, 10, 10]) == 1
    assert holm([0.01, 0.04, None, 0.03]) == pytest.approx([0.03, 0.06, None, 0.06], nan_ok=True)


def test_preference_counts_first_presentations_only():
    readings = [reading("anna", case, int(case != 0)) for case in range(4)]
    readings += [reading("ben", case, 1) for case in range(4)]
    readings.append(reading("anna", 0, 1, repeat=True))
    found = results_of(NAMES, ORIGINS, 4, readings)
    pooled, anna, ben = found.preferences
    assert (pooled.reader, pooled.answers) == (None, 8)
    assert [(row.candidate, row.chosen.count) for row in pooled.rows] == [("mask", 1), ("matte", 7)]
    assert pooled.rows[1].chosen.share == 7 / 8
    # Cases are drawn, not answers: the worst draw has case 0 only, of which one in two is a matte.
    assert 0.5 <= pooled.rows[1].chosen.low < 7 / 8 < pooled.rows[1].chosen.high
    assert anna.rows[1].chosen == wilson(3, 4)
    assert ben.rows[1].chosen.share == 1
    assert found.repeats[0].agreement.count == 0
    assert [one.reader for one in found.repeats] == ["anna"]


def test_where_all_chose_the_same_the_interval_is_that_of_as_many_cases():
    readings = [reading(name, case, 1) for name in ("a", "b", "c") for case in range(10)]
    pooled = results_of(NAMES, ORIGINS, 10, readings).preferences[0]
    alone = wilson(10, 10)
    assert (pooled.rows[1].chosen.low, pooled.rows[1].chosen.high) == (alone.low, alone.high)
    assert pooled.rows[1].chosen.total == 30


def test_pairs_are_compared_on_what_both_answered():
    readings = [reading("anna", case, int(case > 0)) for case in range(5)]
    readings += [reading("ben", case, 1) for case in range(3)]
    (pair,) = results_of(NAMES, ORIGINS, 5, readings).pairs
    assert (pair.first, pair.second) == ("anna", "ben")
    assert pair.matrix == ((0, 0), (1, 2))
    assert (pair.agreement.count, pair.agreement.total) == (2, 3)
    assert pair.kappa == pytest.approx(0)


def test_all_readers_are_compared_on_what_all_answered():
    readings = [reading(name, case, case % 2) for name in ("a", "b", "c") for case in range(6)]
    found = results_of(NAMES, ORIGINS, 7, [*readings, reading("a", 6, 0)])
    assert (found.fleiss, found.fleiss_cases) == (1, 6)
    assert results_of(NAMES, ORIGINS, 7, readings[:6]).fleiss is None


def test_origins_are_rows_and_what_they_are_taken_for_columns():
    readings = [
        reading("anna", case, 0, judged=(PERSON, COMPUTER if case < 8 else PERSON))
        for case in range(10)
    ]
    pooled, anna = results_of(NAMES, ORIGINS, 10, readings).origins
    assert pooled.matrix == anna.matrix == ((10, 0), (2, 8))
    assert (anna.right.count, anna.right.total) == (18, 20)
    # Fisher's exact test of this table.
    assert anna.p == pytest.approx(0.000714, abs=1e-6)
    same = [reading("anna", 0, 0, judged=(PERSON, PERSON))]
    assert results_of(NAMES, (PERSON, PERSON), 1, same).origins[0].p is None


def test_places_and_times_are_told_for_each_reader():
    readings = [reading("anna", n, 0, position=n % 2, seconds=float(n)) for n in range(12)]
    (anna,) = results_of(NAMES, ORIGINS, 12, readings).habits
    assert (anna.positions, anna.p) == ((6, 6), 1)
    assert anna.seconds == pytest.approx((2.75, 5.5, 8.25))


def test_a_study_that_nobody_answered_has_figures_of_nothing():
    found = results_of(NAMES, ORIGINS, 3, [])
    assert (found.readers, found.pairs, found.repeats, found.origins) == ((), (), (), ())
    assert found.preferences[0].rows[0].chosen.share is None
