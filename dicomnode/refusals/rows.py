"""Rows of what was sent back, and of what broke."""

from __future__ import annotations

import time
from collections.abc import Sequence

from sqlalchemy.orm import Session

from dicomnode.deliver.outbox import OPEN
from dicomnode.jobs.publish import PublishedObject
from dicomnode.jobs.result_rows import record_object
from dicomnode.refusals.plan import Plan, documents_of
from dicomnode.store.states import DeliveryState, SummaryState
from dicomnode.store.tables import RefusalReport


def record_told(
    session: Session,
    report_id: int,
    made_of: Plan,
    objects: Sequence[PublishedObject],
) -> bool:
    """The documents are on disk: each gets its deliveries, and older ones are sent no more.

    Parameters
    ----------
    session : Session
        Writing.
    report_id : int
    made_of : Plan
    objects : sequence of PublishedObject
        Its documents.

    Returns
    -------
    bool
        False where something has changed meanwhile, or a document that was to be replaced unsent
        was sent: it is made again, and nothing is kept.
    """
    report = session.get_one(RefusalReport, report_id)
    if report.changes != made_of.changes:
        return False
    if documents_of(session, report, made_of.changed) != made_of.documents:
        return False
    for result in report.results:
        for delivery in result.deliveries:
            if delivery.destination in made_of.changed and delivery.state in OPEN:
                delivery.state = DeliveryState.WITHDRAWN
    for item in objects:
        record_object(session, item).refusal_report_id = report.id
    told = {
        name: [[refusal.item, refusal.reason] for refusal in refusals]
        for name, refusals in made_of.changed.items()
    }
    report.told = report.told | told
    report.state = SummaryState.PUBLISHED
    report.attempts = 0
    report.reason = made_of.words
    return True


def record_fault(
    session: Session, report_id: int, fault: str, attempts: int, wait_s: float
) -> SummaryState:
    """The work broke: it is tried again, or parked when it has broken `attempts` times."""
    report = session.get_one(RefusalReport, report_id)
    report.attempts += 1
    report.reason = f"attempt {report.attempts} of {attempts}: {fault}"
    report.waits_from = time.time() + wait_s
    if report.attempts >= attempts:
        report.state = SummaryState.FAILED
    return report.state
