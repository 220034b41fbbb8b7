"""Where the node's default method, and the best one, lose: read off the tables."""

from __future__ import annotations

from collections.abc import Sequence

from pipelines.evaluation.answers import MARKING_READER
from pipelines.evaluation.binary_tables import NoduleScores, worst
from pipelines.evaluation.soft_tables import READER_ROW
from pipelines.evaluation.spread import Cell
from pipelines.evaluation.table import Column, Row, Table
from pipelines.parameters import DEFAULT_METHOD


def weak_points(
    tables: Sequence[Table], nodules: NoduleScores, failures: dict[str, int]
) -> list[str]:
    """Sentences.

    Parameters
    ----------
    tables : sequence of Table
    nodules : mapping
        Scores by method and case.
    failures : dict
        Masks that a method refused to make, by method.
    """
    found = []
    for table in tables:
        found += _behind(table)
    of_readers = [table for table in tables if table.key.startswith("readers-overlap")]
    found += [sentence for table in of_readers for sentence in _below_reader(table)]
    lowest = []
    for method, by_case in nodules.items():
        if method == MARKING_READER or not by_case:
            continue
        nodule, score = worst(list(by_case.values()))
        lowest.append(f"`{method}` {100 * score:.1f} % ({nodule.long_mm:.1f} mm)")
    if lowest:
        found.append(
            "Lowest 3D Dice of a nodule, mean over its marks (and its long axis): "
            + ", ".join(lowest)
            + "."
        )
    found += [
        f"`{method}` made no mask of {count} marks; they count as empty masks."
        for method, count in failures.items()
        if count
    ]
    return found


def _behind(table: Table) -> list[str]:
    """In which columns of a table the default method is not the best."""
    rows = [row for row in table.rows if row.name == DEFAULT_METHOD and row.ranked]
    if not rows:
        return []
    lost = []
    for number, column in enumerate(table.columns):
        best = table.best(number)
        cells = [row.cells[number] for row in rows]
        means = [cell.mean for cell in cells if isinstance(cell, Cell)]
        if best is None or not means or best in means:
            continue
        mine = min(means) if column.better == "low" else max(means)
        first = _holder(table, number, best)
        lost.append(f"{_short(column)} {_told(mine, column)}, `{first.name}` {_told(best, column)}")
    if not lost:
        return []
    return [
        f"{table.title}: the default `{DEFAULT_METHOD}` is not the best in " + "; ".join(lost) + "."
    ]


def _below_reader(table: Table) -> list[str]:
    """Whether no method reaches the reader who drew the mark."""
    readers = [row.cells[0] for row in table.rows if row.name == READER_ROW]
    best = table.best(0)
    if best is None or not readers or not isinstance(readers[0], Cell) or best >= readers[0].mean:
        return []
    return [
        f"{table.title}: the reader who drew the mark (one of the four) reaches "
        f"{readers[0].mean:.1f} %, the best method `{_holder(table, 0, best).name}` {best:.1f} %."
    ]


def _holder(table: Table, number: int, best: float) -> Row:
    for row in table.rows:
        cell = row.cells[number]
        if row.ranked and isinstance(cell, Cell) and cell.mean == best:
            return row
    raise ValueError(f"found no row with {best} in column {number} of {table.key}")


def _short(column: Column) -> str:
    return column.name.split(",")[0]


def _told(value: float, column: Column) -> str:
    return f"{value:.{column.decimals}f}"
