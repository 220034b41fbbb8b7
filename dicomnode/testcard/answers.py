"""The answers that a person gives to the test card, as a file to be filled in."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from dicomnode.testcard.rows import Row, rows

_OPEN = "?"


class UnusableAnswers(ValueError):
    """The file is not a filled-in answers file; the text says what was found and expected."""


@dataclass(frozen=True)
class RowAnswers:
    """What was seen of one row.

    Attributes
    ----------
    row : Row
    refusal : str or None
        Why the destination did not accept its objects; None where it did. Nothing is asked then.
    ticks : mapping of str to bool
        Of each question of `row.asks`.
    """

    row: Row
    refusal: str | None
    ticks: Mapping[str, bool]

    @property
    def shown(self) -> bool:
        """Whether a person sees it, where it belongs."""
        return self.refusal is None and all(
            self.ticks.get(question, True) for question in ("listed", "opens", "in_place")
        )

    @property
    def graded(self) -> bool:
        """Whether it is shown with its grades, where it has some."""
        return self.shown and self.ticks.get("grades", True)


@dataclass(frozen=True)
class Answers:
    """A filled-in answers file.

    Attributes
    ----------
    destination, viewer : str
    rows : tuple of RowAnswers
        In the order of the test card's rows.
    """

    destination: str
    viewer: str
    rows: tuple[RowAnswers, ...]


def blank_answers(refusals: Mapping[Row, str | None], destination: str) -> str:
    """Text of an answers file, to be filled in.

    Parameters
    ----------
    refusals : mapping
        Of each row, why the destination did not accept it; None where it did.
    destination : str
        Its name in the configuration.
    """
    lines = [
        "# Answers to the test card. Research, not for diagnosis.",
        f'# Replace each "{_OPEN}" by true (ticked on the sheet) or false.',
        "",
        f"destination = {json.dumps(destination, ensure_ascii=False)}",
        "# Name and version of the viewer:",
        'viewer = ""',
    ]
    for row, refusal in refusals.items():
        lines += ["", f"[{json.dumps(row.name)}]", f"# {row.look}"]
        if refusal is None:
            lines += [f'{question} = "{_OPEN}"' for question in row.asks]
        else:
            lines.append(f"not_accepted = {json.dumps(refusal, ensure_ascii=False)}")
    return "\n".join(lines) + "\n"


def read_answers(path: Path) -> Answers:
    """Read a filled-in answers file.

    Raises
    ------
    UnusableAnswers
        If it cannot be read, is not of this test card, or a question is still open.
    """
    try:
        found = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UnusableAnswers(f"cannot be read: {error.strerror}") from None
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise UnusableAnswers(f"no TOML: {error}") from None
    destination, viewer = found.pop("destination", None), found.pop("viewer", None)
    if not isinstance(destination, str) or not isinstance(viewer, str):
        raise UnusableAnswers("found no destination and viewer, expected both as texts")
    known = {row.name: row for row in rows()}
    strange = sorted(set(found) - set(known))
    missing = [name for name in known if name not in found]
    if strange or missing:
        raise UnusableAnswers(
            f"found {len(strange)} unknown rows and {len(missing)} missing ones, expected the rows "
            f"of this version's test card: {', '.join((strange or missing)[:3])}"
        )
    return Answers(
        destination,
        viewer,
        tuple(_row(row, found[name]) for name, row in known.items()),
    )


def _row(row: Row, table: object) -> RowAnswers:
    if not isinstance(table, dict):
        raise UnusableAnswers(f"{row.name}: found {table!r}, expected a table")
    refusal = table.get("not_accepted")
    if refusal is not None:
        if set(table) != {"not_accepted"} or not isinstance(refusal, str):
            raise UnusableAnswers(f"{row.name}: found answers to what was not accepted")
        return RowAnswers(row, refusal, {})
    if set(table) != set(row.asks):
        raise UnusableAnswers(
            f"{row.name}: found {', '.join(sorted(table)) or 'nothing'}, "
            f"expected {', '.join(row.asks)}"
        )
    for question, tick in table.items():
        if not isinstance(tick, bool):
            raise UnusableAnswers(f"{row.name}: {question}: found {tick!r}, expected true or false")
    return RowAnswers(row, None, table)
