"""Tables of binary masks: overlap with the consensus, energy distance, reader by reader."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from pipelines.dataset.lidc import READERS
from pipelines.evaluation.answers import MARKING_READER
from pipelines.evaluation.cases import NoduleCase
from pipelines.evaluation.scores import (
    LEVELS,
    ContinuedScore,
    MarkScore,
    NoduleScore,
    Overlap,
    SampleScore,
)
from pipelines.evaluation.soft_tables import NoduleScores, patients, quantity_in, row_name
from pipelines.evaluation.spread import Cell, Measured, cell_of
from pipelines.evaluation.table import Column, Row, Table

SIZES_MM = (0.0, 6.0, 10.0, 20.0, 1000.0)
"""Of mean long axes, as the published tables of `benchmarks.lidc`."""

ContinuedScores = Mapping[str, Mapping[NoduleCase, ContinuedScore]]
SampleScores = Mapping[str, Mapping[NoduleCase, SampleScore]]

_OVERLAP = (
    Column("DICE, %", 1, "high"),
    Column("SEN, %", 1, "high"),
    Column("PPV, %", 1, "high"),
)
_TAKE: tuple[Callable[[Overlap], float | None], ...] = (
    lambda o: o.dice,
    lambda o: o.sensitivity,
    lambda o: o.ppv,
)


def size_name(number: int) -> str:
    """How the group between two of `SIZES_MM` is called."""
    low, high = SIZES_MM[number : number + 2]
    if not low:
        return f"up to {high:g} mm"
    return f"over {low:g} mm" if high == SIZES_MM[-1] else f"{low:g} to {high:g} mm"


def overlap_table(
    key: str,
    title: str,
    found: NoduleScores | ContinuedScores,
    of_mark: Callable[[MarkScore], tuple[Overlap, ...]],
) -> Table:
    """DICE, SEN and PPV against the consensus, a row for each method and level.

    Parameters
    ----------
    key, title : str
        Of the table.
    found : mapping
        Scores by method and case.
    of_mark : callable
        Which overlaps of a mark's score, one for each of `LEVELS`.
    """
    rows = []
    for method, by_case in found.items():
        scores = list(by_case.values())
        binary = method == MARKING_READER
        for number, level in enumerate(LEVELS[:1] if binary else LEVELS):
            cells = tuple(
                cell_of(
                    [
                        Measured(s.patient, tuple(f(of_mark(m)[number]) for m in s.marks))
                        for s in scores
                    ],
                    100,
                )
                for f in _TAKE
            )
            about = "binary" if binary else f"{quantity_in(scores)} ≥ {level:g}"
            rows.append(
                Row(row_name(method), about, len(scores), patients(scores), cells, not binary)
            )
    return Table(key, title, "", "mask", _OVERLAP, tuple(rows))


def size_table(found: NoduleScores) -> Table:
    """3D Dice by the size of the nodule, at `READERS_LEVEL`."""
    sizes = range(len(SIZES_MM) - 1)
    rows = []
    for method, by_case in found.items():
        scores = list(by_case.values())
        cells = tuple(
            cell_of(
                [
                    Measured(s.patient, tuple(m.whole[0].dice for m in s.marks))
                    for s in scores
                    if SIZES_MM[n] <= s.long_mm < SIZES_MM[n + 1]
                ],
                100,
            )
            for n in sizes
        )
        ranked = method != MARKING_READER
        rows.append(
            Row(row_name(method), quantity_in(scores), len(scores), patients(scores), cells, ranked)
        )
    counts = [
        max(
            (sum(c.count for c in [row.cells[n]] if isinstance(c, Cell)) for row in rows), default=0
        )
        for n in sizes
    ]
    columns = tuple(Column(f"{size_name(n)} (n = {counts[n]})", 1, "high") for n in sizes)
    return Table("readers-size", "3D Dice by long axis, %", "", "alpha is", columns, tuple(rows))


def energy_table(found: NoduleScores, sampled: SampleScores | None = None) -> Table:
    """Generalised energy distance and best Dice against the four readers.

    Parameters
    ----------
    found : mapping
        Scores by method and case, whose samples are thresholds of alpha.
    sampled : mapping, optional
        The same of networks that draw their samples.
    """
    columns = (Column("GED", 3, "low"), Column("best DICE, %", 1, "high"))
    rows = []
    told = [(found, "8 thresholds of alpha"), (sampled or {}, "8 samples of the prior")]
    for scores_of, how in told:
        for method, by_case in scores_of.items():
            scores = list(by_case.values())
            cells = (
                cell_of(
                    [Measured(s.patient, tuple(m.energy_distance for m in s.marks)) for s in scores]
                ),
                cell_of(
                    [Measured(s.patient, tuple(m.best_dice for m in s.marks)) for s in scores], 100
                ),
            )
            reader = method == MARKING_READER
            about = "the mask itself" if reader else how
            rows.append(
                Row(row_name(method), about, len(scores), patients(scores), cells, not reader)
            )
    return Table(
        "readers-samples", "Spread of samples against the spread of readers", "", "samples",
        columns, tuple(rows),
    )  # fmt: skip


def doctor_table(found: NoduleScores) -> Table:
    """Every reader and every method against every reader and their consensus.

    Parameters
    ----------
    found : mapping
        Scores by method and case; needs those of `MARKING_READER`.
    """
    columns = (
        *(Column(f"D{i + 1}", 1, "high") for i in range(READERS)),
        Column("50 % consensus", 1, "high"),
        Column("consensus of the other three", 1, "high"),
    )
    rows = []
    readers = list(found.get(MARKING_READER, {}).values())
    for i in range(READERS):
        marks = [(s.patient, m) for s in readers for m in s.marks if m.reader == i]
        cells = [
            None if i == j else cell_of([Measured(p, (m.readers[j],)) for p, m in marks], 100)
            for j in range(READERS)
        ]
        cells.append(cell_of([Measured(p, (m.whole[0].dice,)) for p, m in marks], 100))
        cells.append(cell_of([Measured(p, (m.others,)) for p, m in marks], 100))
        count, of = len(marks), len({p for p, _ in marks})
        rows.append(Row(f"D{i + 1}", "a reader", count, of, tuple(cells), False))
    for method, by_case in found.items():
        if method == MARKING_READER:
            continue
        scores = list(by_case.values())

        def column(take: Callable[[MarkScore], float | None], scores=scores) -> Cell | None:
            return cell_of(
                [Measured(s.patient, tuple(take(m) for m in s.marks)) for s in scores], 100
            )

        cells = [
            column(lambda m, j=j: None if m.reader == j else m.readers[j]) for j in range(READERS)
        ]
        cells += [column(lambda m: m.whole[0].dice), column(lambda m: m.others)]
        rows.append(
            Row(method, "marks of other readers", len(scores), patients(scores), tuple(cells))
        )
    return Table(
        "four-readers", "Four readers and the methods, 3D Dice in %", "", "told by", columns,
        tuple(rows),
    )  # fmt: skip


def worst(scores: Sequence[NoduleScore]) -> tuple[NoduleScore, float]:
    """The nodule with the lowest mean Dice, and that Dice."""
    means = [sum(m.whole[0].dice for m in s.marks) / len(s.marks) for s in scores]
    number = min(range(len(means)), key=means.__getitem__)
    return scores[number], means[number]
