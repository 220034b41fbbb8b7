"""What readers and operators are told of studies; nothing that tells candidates apart."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from dicomnode.reader_study.taking_part import is_invited, progress_of
from dicomnode.store.tables import ReaderStudy, ReaderStudyPresentation


@dataclass(frozen=True)
class OwnProgress:
    """A study as the one who asks sees it. Its name stays out: it may say what is compared."""

    number: int
    title: str
    question: str
    closed: bool
    total: int
    answered: int
    next: int | None
    """The first of one's own cases that has no answer."""


@dataclass(frozen=True)
class OwnStudies:
    """The studies that one may take part in, the newest first."""

    rows: tuple[OwnProgress, ...]


@dataclass(frozen=True)
class ReaderProgress:
    """How far one reader is."""

    reader: str
    total: int
    answered: int


@dataclass(frozen=True)
class StudyStanding:
    """A study as operators see it. Times are seconds since 1970."""

    number: int
    name: str
    title: str
    question: str
    display: str
    asks_origin: bool
    cases: int
    deleted_cases: int
    """Whose images went with their DICOM study."""
    invited: tuple[str, ...]
    """Empty where every viewer may take part."""
    made_at: float
    made_by: str
    closed_at: float | None
    closed_by: str | None
    readers: tuple[ReaderProgress, ...]


@dataclass(frozen=True)
class Standings:
    """All studies, the newest first."""

    rows: tuple[StudyStanding, ...]


def own_progress(session: Session, study: ReaderStudy, reader: str) -> OwnProgress:
    """Read how far somebody is."""
    found = progress_of(session, study, reader)
    return OwnProgress(
        study.id,
        study.title,
        study.question,
        study.closed_at is not None,
        found.total,
        found.answered,
        None if study.closed_at is not None else found.next,
    )


def own_studies(session: Session, reader: str) -> OwnStudies:
    """Read the studies of a reader."""
    studies = session.scalars(select(ReaderStudy).order_by(ReaderStudy.id.desc()))
    return OwnStudies(
        tuple(own_progress(session, one, reader) for one in studies if is_invited(one, reader))
    )


def standing_of(session: Session, study: ReaderStudy) -> StudyStanding:
    """Read how a study stands: who has answered how much, and not what."""
    begun = session.scalars(
        select(ReaderStudyPresentation.reader)
        .where(ReaderStudyPresentation.reader_study_id == study.id)
        .distinct()
    )
    readers = sorted({*begun, *study.readers})
    found = [(reader, progress_of(session, study, reader)) for reader in readers]
    return StudyStanding(
        study.id,
        study.name,
        study.title,
        study.question,
        study.display,
        study.asks_origin,
        len(study.cases),
        sum(not case.path for case in study.cases),
        tuple(study.readers),
        study.made_at,
        study.made_by,
        study.closed_at,
        study.closed_by,
        tuple(ReaderProgress(reader, p.total, p.answered) for reader, p in found),
    )


def standings(session: Session) -> Standings:
    """Read how all studies stand."""
    studies = session.scalars(select(ReaderStudy).order_by(ReaderStudy.id.desc()))
    return Standings(tuple(standing_of(session, one) for one in studies))
