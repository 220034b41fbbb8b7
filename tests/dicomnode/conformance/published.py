"""The statement as it is published, read back."""

from __future__ import annotations

from pathlib import Path

STATEMENT = Path(__file__).parents[3] / "docs" / "conformance.md"


def tables_of(text: str) -> dict[str, list[dict[str, str]]]:
    """Rows of each table of a statement, by its name; none for one that has no rows."""
    found: dict[str, list[dict[str, str]]] = {}
    lines = text.splitlines()
    for number, line in enumerate(lines):
        if not line.startswith("<!-- table: "):
            continue
        rows = found[line.removeprefix("<!-- table: ").removesuffix(" -->")] = []
        body = lines[number + 1 :]
        if not body or not body[0].startswith("| "):
            continue
        columns = _cells(body[0])
        for row in body[2:]:
            if not row.startswith("| "):
                break
            rows.append(dict(zip(columns, _cells(row), strict=True)))
    return found


def published_tables() -> dict[str, list[dict[str, str]]]:
    """Of the statement in docs."""
    return tables_of(STATEMENT.read_text(encoding="utf-8"))


def _cells(line: str) -> list[str]:
    return [cell.strip().strip("`") for cell in line.strip("|").split(" | ")]
