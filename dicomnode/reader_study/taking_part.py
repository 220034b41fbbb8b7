"""Taking part: who may, what a reader sees, and how far they are."""

from __future__ import annotations

import time
from dataclasses import dataclass

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from dicomnode.store.database import Database
from dicomnode.store.tables import (
    ReaderStudy,
    ReaderStudyAnswer,
    ReaderStudyCase,
    ReaderStudyPresentation,
)
from pipelines.reader_study.presentation_order import presentations


class NotThere(LookupError):
    """There is no such study or case for this reader."""


class Closed(RuntimeError):
    """The study takes no more answers."""


@dataclass(frozen=True)
class Progress:
    """How far a reader is.

    Attributes
    ----------
    total : int
        Presentations, repeats included.
    answered : int
    next : int or None
        The first that has no answer; None where all have.
    """

    total: int
    answered: int
    next: int | None


def is_invited(study: ReaderStudy, reader: str) -> bool:
    """Whether somebody may take part."""
    return not study.readers or reader in study.readers


def find_study(session: Session, study_id: int) -> ReaderStudy:
    """Read a study's row.

    Raises
    ------
    NotThere
    """
    study = session.get(ReaderStudy, study_id)
    if study is None:
        raise NotThere("found no such reader study")
    return study


def study_for(session: Session, study_id: int, reader: str) -> ReaderStudy:
    """A study that somebody may take part in.

    Raises
    ------
    NotThere
        If there is none, or it is for others: which of both, is not said.
    """
    study = find_study(session, study_id)
    if not is_invited(study, reader):
        raise NotThere("found no such reader study")
    return study


def begin(database: Database, study_id: int, reader: str) -> None:
    """Draw what a reader sees, once; afterwards it stays. An open study only.

    Raises
    ------
    NotThere, Closed
    """
    with database.read() as session:
        study_for(session, study_id, reader)
        if _count(session, study_id, reader):
            return
    with database.write() as session:
        study = study_for(session, study_id, reader)
        if _count(session, study_id, reader):
            return  # another request was faster
        if study.closed_at is not None:
            raise Closed("the study is closed")
        repeated = [index for index, case in enumerate(study.cases) if case.repeated]
        drawn = presentations(study.seed, reader, len(study.cases), repeated, len(study.candidates))
        session.add_all(
            ReaderStudyPresentation(
                reader_study_id=study.id,
                case_id=study.cases[one.case].id,
                reader=reader,
                number=number,
                repeat=one.repeat,
                shown_order=list(one.order),
            )
            for number, one in enumerate(drawn, 1)
        )


def progress_of(session: Session, study: ReaderStudy, reader: str) -> Progress:
    """Count what a reader has answered; what cannot be shown any more is not waited for."""
    rows = session.execute(
        select(
            ReaderStudyPresentation.number,
            ReaderStudyCase.path,
            select(ReaderStudyAnswer.id)
            .where(ReaderStudyAnswer.presentation_id == ReaderStudyPresentation.id)
            .exists(),
        )
        .join(ReaderStudyPresentation.case)
        .where(
            ReaderStudyPresentation.reader_study_id == study.id,
            ReaderStudyPresentation.reader == reader,
        )
        .order_by(ReaderStudyPresentation.number)
    ).all()
    if not rows:
        total = len(study.cases) + sum(case.repeated for case in study.cases)
        return Progress(total, 0, 1)
    waiting = [number for number, path, done in rows if not done and path]
    return Progress(len(rows), sum(done for *_, done in rows), waiting[0] if waiting else None)


def presentation_for(
    session: Session, study_id: int, reader: str, number: int
) -> ReaderStudyPresentation:
    """What a reader sees under a number.

    Raises
    ------
    NotThere
        If there is none; the numbers are each reader's own.
    """
    study_for(session, study_id, reader)
    found = session.scalar(
        select(ReaderStudyPresentation).where(
            ReaderStudyPresentation.reader_study_id == study_id,
            ReaderStudyPresentation.reader == reader,
            ReaderStudyPresentation.number == number,
        )
    )
    if found is None:
        raise NotThere("found no such case")
    return found


def seen(database: Database, presentation_id: int) -> None:
    """Note when a reader was first sent a case."""
    with database.write() as session:
        found = session.get_one(ReaderStudyPresentation, presentation_id)
        if found.shown_at is None:
            found.shown_at = time.time()


def _count(session: Session, study_id: int, reader: str) -> int:
    return session.scalar(
        select(func.count())
        .select_from(ReaderStudyPresentation)
        .where(
            ReaderStudyPresentation.reader_study_id == study_id,
            ReaderStudyPresentation.reader == reader,
        )
    )
