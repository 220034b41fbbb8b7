"""Tables of soft masks: against exact truth on phantoms, and against the mean of readers."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from pipelines.evaluation.answers import MARKING_READER
from pipelines.evaluation.cases import NoduleCase, PhantomCase
from pipelines.evaluation.scores import NoduleScore, PhantomScore
from pipelines.evaluation.spread import Measured, cell_of
from pipelines.evaluation.table import Column, Row, Table
from pipelines.metrics import JOURNAL_SCALE, MattingScores

READER_ROW = "the reader who drew the mark"

_MATTING = (
    Column("SAD ×1e-2, voxels", 2, "low"),
    Column("MSE ×1e3", 2, "low"),
    Column("Grad ×1e-2", 2, "low"),
    Column("Conn ×1e-2, voxels", 2, "low"),
)

_SCALED: tuple[Callable[[MattingScores], float], ...] = (
    lambda s: s.scaled(JOURNAL_SCALE).sad,
    lambda s: s.scaled(JOURNAL_SCALE).mse,
    lambda s: s.scaled(JOURNAL_SCALE).grad,
    lambda s: s.scaled(JOURNAL_SCALE).conn,
)

PhantomScores = Mapping[str, Mapping[PhantomCase, PhantomScore]]
NoduleScores = Mapping[str, Mapping[NoduleCase, NoduleScore]]


def row_name(method: str) -> str:
    """How a row is called."""
    return READER_ROW if method == MARKING_READER else method


def phantom_table(found: PhantomScores, thickness_mm: float) -> Table:
    """SAD, MSE, Grad, Conn and the soft volume's error on the phantoms of one slice thickness.

    Parameters
    ----------
    found : mapping
        Scores by method and case.
    thickness_mm : float
    """
    columns = (
        *_MATTING,
        Column("SAD, % of the lesion", 1, "low"),
        Column("volume error, %", 1),
        Column("its size, %", 1, "low"),
    )
    take: tuple[Callable[[PhantomScore], float], ...] = (
        *(lambda s, f=f: f(s.soft) for f in _SCALED),
        lambda s: 100 * s.soft.sad / s.truth_voxels,
        lambda s: 100 * s.volume_error,
        lambda s: 100 * abs(s.volume_error),
    )
    rows = []
    for method, by_case in found.items():
        here = {case: s for case, s in by_case.items() if case.thickness_mm == thickness_mm}
        if here:
            cells = tuple(
                cell_of([Measured(case.name, (f(s),)) for case, s in here.items()]) for f in take
            )
            rows.append(Row(method, quantity_in(list(here.values())), len(here), None, cells))
    return Table(
        f"phantoms-{thickness_mm:g}mm",
        f"Phantoms, slices of {thickness_mm:g} mm",
        "",
        "alpha is",
        columns,
        tuple(rows),
    )


def reader_table(found: NoduleScores) -> Table:
    """SAD, MSE, Grad, Conn and the soft volume's error against the mean of the readers.

    Parameters
    ----------
    found : mapping
        Scores by method and case.
    """
    columns = (
        *_MATTING,
        Column("volume error, %", 1),
        Column("its size, %", 1, "low"),
    )
    take = (
        *(lambda m, f=f: f(m.soft) for f in _SCALED),
        lambda m: 100 * m.volume_error,
        lambda m: 100 * abs(m.volume_error),
    )
    rows = []
    for method, by_case in found.items():
        scores = list(by_case.values())
        cells = tuple(
            cell_of([Measured(s.patient, tuple(f(m) for m in s.marks)) for s in scores])
            for f in take
        )
        ranked = method != MARKING_READER
        rows.append(
            Row(row_name(method), quantity_in(scores), len(scores), patients(scores), cells, ranked)
        )
    return Table(
        "readers-soft", "Soft masks against the mean of four readers", "", "alpha is", columns,
        tuple(rows),
    )  # fmt: skip


def label_table(found: NoduleScores) -> Table:
    """SAD, MSE, Grad and Conn against the papers' label, of the nodules that have one.

    Parameters
    ----------
    found : mapping
        Scores by method and case.
    """
    rows = []
    for method, by_case in found.items():
        scores = [s for s in by_case.values() if all(m.label is not None for m in s.marks)]
        if scores:
            cells = tuple(
                cell_of([Measured(s.patient, tuple(f(m.label) for m in s.marks)) for s in scores])
                for f in _SCALED
            )
            name, ranked = row_name(method), method != MARKING_READER
            count = len(scores)
            rows.append(Row(name, quantity_in(scores), count, patients(scores), cells, ranked))
    return Table(
        "label-soft", "Soft masks against the papers' label", "", "alpha is", _MATTING, tuple(rows)
    )


def quantity_in(scores: list) -> str:
    """What the alpha of a method is; nothing is known of one that failed everywhere."""
    said = [part.quantity for s in scores for part in getattr(s, "marks", (s,))]
    return next((quantity for quantity in said if quantity), "")


def patients(scores: list) -> int:
    """How many there are among scores."""
    return len({score.patient for score in scores})
