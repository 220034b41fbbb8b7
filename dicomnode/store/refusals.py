"""When the refusals of a mark object are to be gathered, and sent back or taken back."""

from __future__ import annotations

import time
from collections.abc import Iterable

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from dicomnode.store.states import DEAD_LETTERS, DeliveryState, LesionState, SummaryState
from dicomnode.store.tables import Finding, Lesion, RefusalReport

REFUSED = (LesionState.REFUSED, LesionState.FAILED)
"""States of lesions that gave no result."""

_AT_WORK = (LesionState.READY, LesionState.SEGMENTED)
_UNDECIDED = (LesionState.WAITING, *_AT_WORK)


def object_changed(session: Session, sop_instance_uid: str, *, refused: bool) -> None:
    """Say that an object was read, or that something became of a mark in it.

    Parameters
    ----------
    session : Session
        Writing.
    sop_instance_uid : str
        Of the object that holds the mark.
    refused : bool
        Whether something of it was refused. Else only a report that there is already is looked at
        again.
    """
    report = report_of(session, sop_instance_uid)
    if report is None:
        if not refused:
            return
        report = RefusalReport(source_sop_instance_uid=sop_instance_uid, changes=0, told={})
        session.add(report)
    report.state = SummaryState.WAITING
    report.waits_from = time.time()
    report.changes += 1
    report.attempts = 0


def lesion_changed(session: Session, lesion_id: int) -> None:
    """Say that a lesion was refused, has failed or begun anew, was published, or makes way.

    All objects that hold its mark are looked at.
    """
    session.flush()
    state = session.scalar(select(Lesion.state).where(Lesion.id == lesion_id))
    holding = (
        select(Finding.source_sop_instance_uid).where(Finding.lesion_id == lesion_id).distinct()
    )
    for uid in session.scalars(holding).all():
        object_changed(session, uid, refused=state in REFUSED)


def lesions_changed(session: Session, lesion_ids: Iterable[int]) -> None:
    """Say the same of several lesions."""
    for lesion_id in lesion_ids:
        lesion_changed(session, lesion_id)


def report_of(session: Session, sop_instance_uid: str) -> RefusalReport | None:
    """The report on an object's refusals, if there is one."""
    return session.scalar(
        select(RefusalReport).where(RefusalReport.source_sop_instance_uid == sop_instance_uid)
    )


def due(session: Session, quiet_since: float) -> RefusalReport | None:
    """The next report of which nothing has changed since a moment, and no mark is worked at."""
    at_work = (
        select(Finding.id)
        .join(Lesion, Lesion.id == Finding.lesion_id)
        .where(
            Finding.source_sop_instance_uid == RefusalReport.source_sop_instance_uid,
            Lesion.state.in_(_AT_WORK),
        )
        .exists()
    )
    return session.scalar(
        select(RefusalReport)
        .where(
            RefusalReport.state == SummaryState.WAITING,
            RefusalReport.waits_from <= quiet_since,
            ~at_work,
        )
        .order_by(RefusalReport.waits_from)
        .limit(1)
    )


def next_change(session: Session, quiet_since: float) -> float | None:
    """When the first change was after that moment, in seconds since 1970, if there was one."""
    return session.scalar(
        select(func.min(RefusalReport.waits_from)).where(
            RefusalReport.state == SummaryState.WAITING,
            RefusalReport.waits_from > quiet_since,
        )
    )


def has_undecided(session: Session, sop_instance_uid: str) -> bool:
    """Whether a mark of an object may still be processed, or be refused."""
    undecided = (
        select(Finding.id)
        .join(Lesion, Lesion.id == Finding.lesion_id)
        .where(
            Finding.source_sop_instance_uid == sop_instance_uid,
            Lesion.state.in_(_UNDECIDED),
        )
    )
    return session.scalar(undecided.limit(1)) is not None


def anything_waits(session: Session) -> bool:
    """Whether a report is to be looked at, now or later."""
    waiting = select(RefusalReport.id).where(RefusalReport.state == SummaryState.WAITING)
    return session.scalar(waiting.limit(1)) is not None


def nobody_asks(session: Session) -> None:
    """No rule asks for refusals: what waits is done, and no later rule sends it back."""
    session.execute(
        update(RefusalReport)
        .where(RefusalReport.state == SummaryState.WAITING)
        .values(state=SummaryState.PUBLISHED, reason="not sent back: no rule asks for it")
    )


def send_again(session: Session, sop_instance_uid: str) -> int:
    """Give the dead letters of a report, whose object came again, another life; how many."""
    report = report_of(session, sop_instance_uid)
    if report is None:
        return 0
    newest = {d.destination: d for result in report.results for d in result.deliveries}
    letters = [delivery for delivery in newest.values() if delivery.state in DEAD_LETTERS]
    for delivery in letters:
        delivery.state = DeliveryState.QUEUED
        delivery.attempts = 0
        delivery.due_at = time.time()
    return len(letters)
