"""One table of the statement: named, so that it can be asked for alone and found again."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Table:
    """Rows of text under columns.

    Attributes
    ----------
    name : str
        By which ``dicomnode conformance --table`` and the tests know it.
    columns : tuple of str
    rows : tuple of tuple of str
    empty : str
        What stands for a table without rows.
    """

    name: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    empty: str = "Not supported."

    def __post_init__(self) -> None:
        """Refuse rows that do not fit their columns."""
        for row in self.rows:
            if len(row) != len(self.columns):
                raise ValueError(
                    f"table {self.name}: found {len(row)} cells, expected {len(self.columns)}"
                )

    def markdown(self) -> str:
        """The table after a comment with its name."""
        lines = [f"<!-- table: {self.name} -->"]
        if not self.rows:
            return "\n".join([*lines, self.empty])
        lines += [_line(self.columns), _line(["---"] * len(self.columns))]
        return "\n".join([*lines, *map(_line, self.rows)])


def _line(cells: list[str] | tuple[str, ...]) -> str:
    # What comes from a configuration could end a cell or a line.
    texts = [" ".join(cell.replace("|", "\\|").split()) for cell in cells]
    return f"| {' | '.join(texts)} |"


def yes(value: bool) -> str:
    """Say a flag as the standard's tables do."""
    return "Yes" if value else "No"
