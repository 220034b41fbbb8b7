"""From a study's rows to its figures."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import Session, selectinload

from dicomnode.store.tables import ReaderStudy, ReaderStudyPresentation
from pipelines.reader_study.figures import Results
from pipelines.reader_study.reading import Origin, Reading
from pipelines.reader_study.results import results_of


def answered(session: Session, study: ReaderStudy) -> list[ReaderStudyPresentation]:
    """Presentations that have answers, those of one reader together and in their order."""
    query = (
        select(ReaderStudyPresentation)
        .where(ReaderStudyPresentation.reader_study_id == study.id)
        .where(ReaderStudyPresentation.answers.any())
        .options(
            selectinload(ReaderStudyPresentation.answers),
            selectinload(ReaderStudyPresentation.case),
        )
        .order_by(ReaderStudyPresentation.reader, ReaderStudyPresentation.number)
    )
    return list(session.scalars(query))


def study_results(session: Session, study: ReaderStudy) -> Results:
    """Compute the figures of the answers that count: the newest of each case and reader."""
    readings = []
    for one in answered(session, study):
        newest = one.answers[-1]
        judged = None if newest.judged is None else tuple(map(Origin, newest.judged))
        readings.append(
            Reading(
                one.reader,
                str(one.case.number),
                one.repeat,
                newest.chosen,
                one.shown_order.index(newest.chosen),
                newest.seconds,
                judged,
            )
        )
    return results_of(
        [candidate["name"] for candidate in study.candidates],
        [Origin(candidate["origin"]) for candidate in study.candidates],
        len(study.cases),
        readings,
    )
