"""Compute the figures of a reader study from its answers."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
from scipy.stats import fisher_exact

from pipelines.evaluation.spread import interval
from pipelines.reader_study.agreement import (
    bootstrap_interval,
    cohen_kappa,
    contingency,
    fleiss_kappa,
    gwet_ac1,
)
from pipelines.reader_study.figures import (
    OriginTable,
    Preference,
    PreferenceTable,
    ReaderHabits,
    ReaderPair,
    RepeatedCases,
    Results,
)
from pipelines.reader_study.proportion import Proportion, chance_p, even_p, holm, wilson
from pipelines.reader_study.reading import Origin, Reading


def results_of(
    candidates: Sequence[str], origins: Sequence[Origin], cases: int, readings: Sequence[Reading]
) -> Results:
    """Compute all figures.

    Parameters
    ----------
    candidates : sequence of str
        Names.
    origins : sequence of Origin
        Where each comes from.
    cases : int
    readings : sequence of Reading
        One for each reader, case and repeat at most.
    """
    readers = tuple(sorted({reading.reader for reading in readings}))
    first = [reading for reading in readings if not reading.repeat]
    of = {reader: [r for r in first if r.reader == reader] for reader in readers}
    chosen = {reader: {r.case: r.chosen for r in of[reader]} for reader in readers}
    pairs = [_pair(a, b, chosen, len(candidates)) for a, b in itertools.combinations(readers, 2)]
    fleiss, fleiss_cases = _fleiss(chosen, len(candidates))
    tables = [_preferences(None, candidates, first)]
    tables += [_preferences(reader, candidates, of[reader]) for reader in readers]
    return Results(
        tuple(candidates),
        readers,
        cases,
        tuple(tables),
        tuple(pairs),
        fleiss,
        fleiss_cases,
        tuple(found for reader in readers if (found := _repeats(reader, readings, candidates))),
        tuple(_origin_tables(readers, first, origins)),
        tuple(_habits(reader, of[reader], len(candidates)) for reader in readers),
    )


def _preferences(
    reader: str | None, candidates: Sequence[str], readings: Sequence[Reading]
) -> PreferenceTable:
    total, chance = len(readings), 1 / len(candidates)
    counts = [sum(r.chosen == index for r in readings) for index in range(len(candidates))]
    adjusted = holm([chance_p(count, total, chance) for count in counts])
    shares = [
        wilson(count, total) if reader is not None else _pooled(index, count, readings)
        for index, count in enumerate(counts)
    ]
    rows = (Preference(*row) for row in zip(candidates, shares, adjusted, strict=True))
    return PreferenceTable(reader, total, tuple(rows))


def _pooled(index: int, count: int, readings: Sequence[Reading]) -> Proportion:
    """Answers of several readers to one case belong together: cases are drawn, not answers."""
    total = len(readings)
    if count in (0, total):
        # Every draw would be the same: as if each case had been answered once.
        cases = len({r.case for r in readings})
        alone = wilson(cases if count else 0, cases)
        return Proportion(count, total, alone.share, alone.low, alone.high)
    low, high = interval([(r.case, float(r.chosen == index)) for r in readings])
    return Proportion(count, total, count / total, low, high)


def _pair(
    first: str, second: str, chosen: dict[str, dict[str, int]], categories: int
) -> ReaderPair:
    both = [case for case in chosen[first] if case in chosen[second]]
    a, b = ([chosen[reader][case] for case in both] for reader in (first, second))
    matrix = contingency(a, b, categories)
    return ReaderPair(
        first,
        second,
        tuple(tuple(int(n) for n in row) for row in matrix),
        wilson(int(np.trace(matrix)), len(both)),
        cohen_kappa(matrix),
        bootstrap_interval(a, b, categories, cohen_kappa),
        gwet_ac1(matrix),
    )


def _fleiss(chosen: dict[str, dict[str, int]], categories: int) -> tuple[float | None, int]:
    if len(chosen) < 2:
        return None, 0
    cases = sorted(set.intersection(*(set(of) for of in chosen.values())))
    counts = np.zeros((len(cases), categories), int)
    for row, case in enumerate(cases):
        for of in chosen.values():
            counts[row, of[case]] += 1
    return fleiss_kappa(counts), len(cases)


def _repeats(
    reader: str, readings: Sequence[Reading], candidates: Sequence[str]
) -> RepeatedCases | None:
    once = {r.case: r.chosen for r in readings if r.reader == reader and not r.repeat}
    again = {r.case: r.chosen for r in readings if r.reader == reader and r.repeat}
    both = [case for case in again if case in once]
    if not both:
        return None
    matrix = contingency([once[c] for c in both], [again[c] for c in both], len(candidates))
    return RepeatedCases(reader, wilson(int(np.trace(matrix)), len(both)), cohen_kappa(matrix))


def _origin_tables(
    readers: Sequence[str], readings: Sequence[Reading], origins: Sequence[Origin]
) -> list[OriginTable]:
    asked = [reading for reading in readings if reading.judged is not None]
    if not asked:
        return []
    kinds = list(Origin)
    found = []
    for reader in (None, *readers):
        matrix = np.zeros((len(kinds), len(kinds)), int)
        for reading in asked:
            if reader in (None, reading.reader):
                for truth, taken in zip(origins, reading.judged, strict=True):
                    matrix[kinds.index(truth), kinds.index(taken)] += 1
        right, total = int(np.trace(matrix)), int(matrix.sum())
        rows = tuple(tuple(int(n) for n in row) for row in matrix)
        p = float(fisher_exact(matrix).pvalue) if matrix.sum(axis=1).all() else None
        found.append(OriginTable(reader, rows, wilson(right, total), p))
    return found


def _habits(reader: str, readings: Sequence[Reading], candidates: int) -> ReaderHabits:
    positions = tuple(sum(r.position == place for r in readings) for place in range(candidates))
    seconds = [r.seconds for r in readings if r.seconds is not None]
    quartiles = None
    if seconds:
        quartiles = tuple(float(s) for s in np.percentile(seconds, (25, 50, 75)))
    return ReaderHabits(reader, positions, even_p(positions), quartiles)
