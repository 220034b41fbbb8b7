"""The reports that the node owes to peers, as rows."""

from __future__ import annotations

import time
from collections.abc import Sequence

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from dicomnode.commit.information import CommitmentRequest, Reference
from dicomnode.deliver.backoff import wait_s
from dicomnode.settings import RetrySettings
from dicomnode.store.states import ReportState
from dicomnode.store.tables import CommitmentReport

_MAY_PASS = (0x0110, 0x0213)
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
    elif row.references != references:
        raise OtherObjects(f"transaction {request.transaction_uid} was for other objects")
    row.called_ae = called_ae
    row.state = ReportState.QUEUED
    row.attempts = 0
    row.due_at = due_at
    session.flush()
    return row


def references_of(row: CommitmentReport) -> tuple[Reference, ...]:
    """What a report is about."""
    return tuple(Reference(sop_class, instance) for sop_class, instance in row.references)


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
    failed: int | None = None,
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
    failed : int, optional
        Objects that the report said are not committed.
    """
    row = session.get_one(CommitmentReport, report_id)
    row.attempts += 1
    row.status = status
    row.peer_words = words
    if failed is not None:
        row.failures = failed
    if status == 0x0000:
        row.state = ReportState.REPORTED
    elif status is not None and status not in _MAY_PASS:
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
