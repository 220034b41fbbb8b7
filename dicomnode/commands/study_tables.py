"""The figures of a reader study as tables of the terminal."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from dicomnode.reader_study.letters import LETTERS

if TYPE_CHECKING:
    from pipelines.reader_study.figures import Results
    from pipelines.reader_study.proportion import Proportion


def result_tables(results: Results) -> Iterator[Table]:
    """Preference, agreement of each pair, repeats, origin, places and times."""
    for table in results.preferences:
        who = table.reader or "all readers"
        shown = Table(
            "candidate", "chosen", "share", "95 %", "p", title=Text(f"Preference of {who}")
        )
        for row in table.rows:
            share = row.chosen
            shown.add_row(
                Text(row.candidate),
                str(share.count),
                _percent(share.share),
                _range(share),
                _p(row.p),
            )
        yield shown
    for pair in results.pairs:
        total = pair.agreement.total
        title = (
            f"{pair.second} (rows) and {pair.first} (columns): the same in "
            f"{pair.agreement.count} of {total}, kappa {_figure(pair.kappa)}, "
            f"AC1 {_figure(pair.ac1)}"
        )
        shown = Table("", *results.candidates, title=Text(title))
        for name, row in zip(results.candidates, pair.matrix, strict=True):
            parts = (_percent(count / total if total else None) for count in row)
            shown.add_row(Text(name), *parts)
        yield shown
    if results.repeats:
        shown = Table(
            "reader", "same", "of", "share", "95 %", "kappa", title="Cases that came twice"
        )
        for one in results.repeats:
            same = one.agreement
            shown.add_row(
                Text(one.reader),
                str(same.count),
                str(same.total),
                _percent(same.share),
                _range(same),
                _figure(one.kappa),
            )
        yield shown
    for table in results.origins:
        who = table.reader or "all readers"
        title = (
            f"Makers as {who} took them (columns): right {_percent(table.right.share)} "
            f"({_range(table.right)}), p {_p(table.p)}"
        )
        shown = Table("made by", "person", "computer", title=Text(title))
        for name, row in zip(("person", "computer"), table.matrix, strict=True):
            shown.add_row(name, *map(str, row))
        yield shown
    letters = LETTERS[: len(results.candidates)]
    shown = Table("reader", *letters, "p", "median s", title="Places and times")
    for one in results.habits:
        median = "–" if one.seconds is None else f"{one.seconds[1]:.1f}"
        shown.add_row(Text(one.reader), *map(str, one.positions), _p(one.p), median)
    yield shown
    if results.fleiss is not None:
        shown = Table("all readers", "Fleiss' kappa", "cases that all answered")
        shown.add_row(str(len(results.readers)), _figure(results.fleiss), str(results.fleiss_cases))
        yield shown


def _percent(share: float | None) -> str:
    return "–" if share is None else f"{100 * share:.0f} %"


def _range(part: Proportion) -> str:
    return "–" if part.low is None else f"{100 * part.low:.0f} to {100 * part.high:.0f} %"


def _p(p: float | None) -> str:
    return "–" if p is None else "< 0.001" if p < 0.001 else f"{p:.3f}"


def _figure(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}"
