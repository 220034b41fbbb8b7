"""Answers as CSV, one row each, and figures as JSON."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from sqlalchemy.orm import Session

from dicomnode.reader_study.letters import LETTERS
from dicomnode.reader_study.readings import answered, study_results
from dicomnode.store.tables import ReaderStudy

NOTICE = "Research software, not for diagnosis."

COLUMNS = (
    "study", "reader", "presentation", "case", "case_name", "repeat", "shown_at", "answered_at",
    "counts", "chosen", "chosen_name", "chosen_origin", "seconds", "elapsed_s", "order", "words",
)  # fmt: skip
ORIGIN_COLUMNS = (
    "study", "reader", "presentation", "case", "repeat", "answered_at", "counts", "letter",
    "candidate", "origin", "taken_for",
)  # fmt: skip

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")
"""With which a text begins that spreadsheets would compute."""


def answers_csv(session: Session, study: ReaderStudy) -> str:
    """Every answer, also those that a later one replaced: docs/reader-study.md has the columns."""
    return _written(COLUMNS, _answer_rows(session, study))


def origins_csv(session: Session, study: ReaderStudy) -> str:
    """What each candidate was taken for, a row for each candidate of each answer."""
    return _written(ORIGIN_COLUMNS, _origin_rows(session, study))


def results_json(session: Session, study: ReaderStudy) -> dict[str, Any]:
    """All figures, with what the study is."""
    return {
        "notice": NOTICE,
        "study": study.name,
        "title": study.title,
        "question": study.question,
        "display": study.display,
        "seed": study.seed,
        "closed_at": study.closed_at,
        "definition": study.definition,
        "provenance": {str(case.number): case.provenance for case in study.cases},
        "results": asdict(study_results(session, study)),
    }


def _answer_rows(session: Session, study: ReaderStudy) -> Iterator[tuple[Any, ...]]:
    names = [candidate["name"] for candidate in study.candidates]
    for one in answered(session, study):
        for answer in one.answers:
            yield (
                study.name,
                one.reader,
                one.number,
                one.case.number,
                one.case.name,
                int(one.repeat),
                _moment(one.shown_at),
                _moment(answer.at),
                int(answer is one.answers[-1]),
                LETTERS[one.shown_order.index(answer.chosen)],
                names[answer.chosen],
                study.candidates[answer.chosen]["origin"],
                "" if answer.seconds is None else f"{answer.seconds:.1f}",
                "" if one.shown_at is None else f"{answer.at - one.shown_at:.1f}",
                "|".join(names[index] for index in one.shown_order),
                answer.words,
            )


def _origin_rows(session: Session, study: ReaderStudy) -> Iterator[tuple[Any, ...]]:
    for one in answered(session, study):
        for answer in one.answers:
            for letter, index in zip(LETTERS, one.shown_order, strict=False):
                if answer.judged is None:
                    continue
                yield (
                    study.name,
                    one.reader,
                    one.number,
                    one.case.number,
                    int(one.repeat),
                    _moment(answer.at),
                    int(answer is one.answers[-1]),
                    letter,
                    study.candidates[index]["name"],
                    study.candidates[index]["origin"],
                    answer.judged[index],
                )


def _written(columns: Sequence[str], rows: Iterator[tuple[Any, ...]]) -> str:
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(columns)
    writer.writerows([_harmless(value) for value in row] for row in rows)
    return text.getvalue()


def _harmless(value: Any) -> Any:
    """A text that no spreadsheet takes for a formula."""
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value


def _moment(at: float | None) -> str:
    return "" if at is None else datetime.fromtimestamp(at, UTC).isoformat(timespec="seconds")
