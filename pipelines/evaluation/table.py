"""A table of the report: the same numbers become Markdown and JSON."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Literal

from pipelines.evaluation.spread import Cell

Value = Cell | float | int | str | None


@dataclass(frozen=True)
class Column:
    """What a column holds.

    Attributes
    ----------
    name : str
        With its unit, and the factor by which it is printed.
    decimals : int
    better : str, optional
        Whether low or high values are better; None where neither.
    """

    name: str
    decimals: int = 2
    better: Literal["low", "high"] | None = None


@dataclass(frozen=True)
class Row:
    """One method.

    Attributes
    ----------
    name : str
    about : str
        What its alpha says of a voxel, or another thing that tells rows apart.
    count : int or None
        Cases.
    clusters : int or None
        Patients.
    cells : tuple
        One for each column; None where there is no value.
    ranked : bool
        Whether it takes part when the best are marked.
    """

    name: str
    about: str
    count: int | None
    clusters: int | None
    cells: tuple[Value, ...]
    ranked: bool = True


@dataclass(frozen=True)
class Table:
    """A table.

    Attributes
    ----------
    key : str
        Its name in the JSON.
    title, caption : str
    about : str
        Head of the second column.
    columns : tuple of Column
    rows : tuple of Row
    """

    key: str
    title: str
    caption: str
    about: str
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]

    def __post_init__(self) -> None:
        for row in self.rows:
            if len(row.cells) != len(self.columns):
                raise ValueError(
                    f"{row.name}: found {len(row.cells)} cells, expected {len(self.columns)}"
                )

    def as_dict(self) -> dict[str, object]:
        """For JSON."""
        return {
            "title": self.title,
            "caption": self.caption,
            "rows": [
                {
                    "name": row.name,
                    self.about: row.about,
                    "cases": row.count,
                    "clusters": row.clusters,
                    **{
                        column.name: asdict(cell) if isinstance(cell, Cell) else cell
                        for column, cell in zip(self.columns, row.cells, strict=True)
                    },
                }
                for row in self.rows
            ],
        }

    def best(self, number: int) -> float | None:
        """The best mean of a column among the methods that are ranked."""
        better = self.columns[number].better
        means = [
            cell.mean
            for cell in (row.cells[number] for row in self.rows if row.ranked)
            if isinstance(cell, Cell)
        ]
        if better is None or len(means) < 2:
            return None
        return min(means) if better == "low" else max(means)


def as_markdown(table: Table) -> str:
    """Head, rule and rows; the best of a column in bold.

    A cell is the mean, its standard deviation over repeats where there are several, and the 95 %
    interval in brackets.
    """
    counted = any(row.count is not None for row in table.rows)
    clustered = any(row.clusters is not None for row in table.rows)
    head = ["", table.about]
    head += (["n"] if counted else []) + (["patients"] if clustered else [])
    head += [column.name for column in table.columns]
    lines = [head, ["---"] * len(head)]
    best = [table.best(number) for number in range(len(table.columns))]
    for row in table.rows:
        cells = [f"`{row.name}`" if row.ranked else row.name, row.about]
        cells += [_plain(row.count, 0)] if counted else []
        cells += [_plain(row.clusters, 0)] if clustered else []
        for column, cell, first in zip(table.columns, row.cells, best, strict=True):
            text = _cell(cell, column.decimals)
            wins = row.ranked and isinstance(cell, Cell) and cell.mean == first
            cells.append(f"**{text}**" if wins else text)
        lines.append(cells)
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)


def _cell(cell: Value, decimals: int) -> str:
    if not isinstance(cell, Cell):
        return _plain(cell, decimals)
    spread = "" if cell.sd is None else f" ± {cell.sd:.{decimals}f}"
    return f"{cell.mean:.{decimals}f}{spread} [{cell.low:.{decimals}f}, {cell.high:.{decimals}f}]"


def _plain(value: float | int | str | None, decimals: int) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    return f"{value:,}" if isinstance(value, int) else f"{value:,.{decimals}f}"
