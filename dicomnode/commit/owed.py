"""The reports that the node owes to peers, as rows."""

from __future__ import annotations

import time
from collections.abc import Sequence

from sqlalchemy import Text, cast, delete, func, select
from sqlalchemy.orm import Session

from dicomnode.commit.information import CommitmentOutcome, CommitmentRequest, Reference
from dicomnode.deliver.backoff import wait_s
from dicomnode.settings import RetrySettings
from dicomnode.store.states import ReportState
from dicomnode.store.tables import CommitmentReport

MAY_PASS = (0x0110, 0x0213)
"""Statuses of an N-EVENT-REPORT that a repeat may mend: processing failure, resources."""


class OtherObjects(ValueError):
    """A transaction UID that the same peer has used before, for other objects."""


def owe(
    session: Session, request: CommitmentRequest, calling_ae: str, called_ae: str, due_at: float
) -> CommitmentReport:
    """Write down that a report is owed. A request that is repeated is owed one report more.

    Raises
    ------
    OtherObjects
    """
    references = [[r.sop_class_uid, r.sop_instance_uid] for r in request.references]
    row = session.scalar(
        select(CommitmentReport).where(
            CommitmentReport.transaction_uid == request.transaction_uid,
            CommitmentReport.calling_ae == calling_ae,
        )
    )
    if row is None:
        row = CommitmentReport(
            transaction_uid=request.transaction_uid,
            calling_ae=calling_ae,
            references=references,
        )
        session.add(row)
    elif references_of(row) != request.references:
        raise OtherObjects(f"transaction {request.transaction_uid} was for other objects")
    row.references = references
    row.called_ae = called_ae
    row.state = ReportState.QUEUED
    row.attempts = 0
    row.due_at = due_at
    session.flush()
    return row


def references_of(row: CommitmentReport) -> tuple[Reference, ...]:
    """What a report is about."""
    return tuple(Reference(sop_class, instance) for sop_class, instance, *_ in row.references)


def about(session: Session, sop_instance_uid: str) -> Sequence[CommitmentReport]:
    """Requests for the commitment of an object, oldest first."""
    # UIDs hold nothing that JSON or LIKE would write otherwise.
    named = cast(CommitmentReport.references, Text).contains(f'"{sop_instance_uid}"')
    return session.scalars(
        select(CommitmentReport).where(named).order_by(CommitmentReport.id)
    ).all()


def note(row: CommitmentReport, outcome: CommitmentOutcome) -> None:
    """Note what a report says, of each object; the row is one of a session that is writing."""
    row.failures = len(outcome.failed)
    row.references = [
        [r.sop_class_uid, r.sop_instance_uid, _reason(outcome, r)] for r in references_of(row)
    ]


def _reason(outcome: CommitmentOutcome, reference: Reference) -> int | None:
    reason = outcome.failed.get(reference)
    return None if reason is None else int(reason)


def due(session: Session) -> Sequence[CommitmentReport]:
    """Reports whose time has come, oldest first."""
    return session.scalars(
        select(CommitmentReport)
        .where(CommitmentReport.state == ReportState.QUEUED, CommitmentReport.due_at <= time.time())
        .order_by(CommitmentReport.due_at, CommitmentReport.id)
        .limit(100)
    ).all()


def next_due(session: Session) -> float | None:
    """When the next report is due; None where none is owed."""
    return session.scalar(
        select(func.min(CommitmentReport.due_at)).where(
            CommitmentReport.state == ReportState.QUEUED
        )
    )


def record(
    session: Session,
    report_id: int,
    status: int | None,
    words: str,
    retry: RetrySettings,
    outcome: CommitmentOutcome | None = None,
) -> CommitmentReport:
    """Write down what an attempt to report came to.

    Parameters
    ----------
    session : Session
        Writing.
    report_id : int
    status : int or None
        The peer's answer to N-EVENT-REPORT; None where none came.
    words : str
    retry : RetrySettings
    outcome : CommitmentOutcome, optional
        What the report said, where that is not noted yet.
    """
    row = session.get_one(CommitmentReport, report_id)
    row.attempts += 1
    row.status = status
    row.peer_words = words
    if outcome is not None:
        note(row, outcome)
    if status == 0x0000:
        row.state = ReportState.REPORTED
    elif status is not None and status not in MAY_PASS:
        row.state = ReportState.REFUSED
    elif row.attempts >= retry.attempts:
        row.state = ReportState.EXHAUSTED
    else:
        row.state = ReportState.QUEUED
        row.due_at = time.time() + wait_s(row.attempts, retry)
    return row


def record_no_way(session: Session, report_id: int, words: str) -> CommitmentReport:
    """Write down that there is no way to whoever asked."""
    row = session.get_one(CommitmentReport, report_id)
    row.state = ReportState.REFUSED
    row.peer_words = words
    return row


def forget(session: Session, before: float, limit: int = 500) -> int:
    """Delete requests of peers that were answered, or given up, before a moment.

    Parameters
    ----------
    session : Session
        Writing.
    before : float
        Seconds since 1970.
    limit : int
        Most that are deleted at once.

    Returns
    -------
    int
        How many were deleted.
    """
    found = session.scalars(
        select(CommitmentReport.id)
        .where(CommitmentReport.state != ReportState.QUEUED, CommitmentReport.changed_at < before)
        .order_by(CommitmentReport.id)
        .limit(limit)
    ).all()
    session.execute(delete(CommitmentReport).where(CommitmentReport.id.in_(found)))
    return len(found)
