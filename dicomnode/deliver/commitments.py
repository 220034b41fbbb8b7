"""Storage commitment of what was sent: its transactions and what became of them, as rows."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pydicom.uid import generate_uid
from sqlalchemy import select
from sqlalchemy.orm import Session

from dicomnode.commit.information import (
    CommitmentOutcome,
    CommitmentRequest,
    FailureReason,
    Reference,
    describe_reason,
)
from dicomnode.deliver.backoff import wait_s
from dicomnode.deliver.confirmation import after_commitment, stop_committing
from dicomnode.settings import ConfirmSettings, Destination, DicomDestination, RetrySettings
from dicomnode.store.states import (
    CommitmentState,
    Confirmation,
    DeliveryState,
    LesionState,
)
from dicomnode.store.tables import Commitment, Delivery

SENDING_IS_VAIN = (FailureReason.CLASS_NOT_SUPPORTED, FailureReason.CLASS_INSTANCE_CONFLICT)
"""The peer has the object as well as it ever will, and does not commit to it."""


def due(session: Session, destination: str, limit: int, batch_s: float = 0) -> Sequence[int]:
    """Deliveries whose commitment is to be asked for now, oldest first.

    Parameters
    ----------
    session : Session
    destination : str
    limit : int
    batch_s : float
        Once one is due, those that become due within so many seconds go along.
    """
    now = time.time()
    rows = session.execute(
        select(Delivery.id, Delivery.due_at)
        .where(
            Delivery.destination == destination,
            Delivery.confirmation == Confirmation.COMMIT,
            Delivery.state == DeliveryState.ACCEPTED,
            Delivery.due_at <= now + batch_s,
        )
        .order_by(Delivery.due_at, Delivery.id)
        .limit(limit)
    ).all()
    return [delivery_id for delivery_id, _ in rows] if rows and rows[0].due_at <= now else []


def begin(
    session: Session, destination: str, delivery_ids: Sequence[int], report_by: float
) -> CommitmentRequest:
    """Write a transaction down, before the peer is asked: its report may come at any moment.

    The Transaction UID is the one thing in this node that is random: PS3.4 J.3.2.1.1 wants another
    for each request.
    """
    deliveries = [session.get_one(Delivery, delivery_id) for delivery_id in delivery_ids]
    commitment = Commitment(
        transaction_uid=str(generate_uid(prefix=None)),
        destination=destination,
        state=CommitmentState.ASKED,
        deliveries=deliveries,
    )
    session.add(commitment)
    for delivery in deliveries:
        delivery.confirmation = Confirmation.REPORT
        delivery.confirm_attempts += 1
        delivery.due_at = report_by
    references = tuple(
        Reference(delivery.result.sop_class_uid, delivery.result.sop_instance_uid)
        for delivery in deliveries
    )
    return CommitmentRequest(commitment.transaction_uid, references)


def record_not_asked(
    session: Session,
    transaction_uid: str,
    words: str,
    destination: DicomDestination,
    retry: RetrySettings,
    *,
    final: bool,
) -> None:
    """The peer did not take the request: it is asked again later, or not if that is vain."""
    commitment = _commitment(session, transaction_uid)
    waiting = _waiting(commitment)
    if final:
        commitment.state = CommitmentState.REFUSED
        commitment.words = words
    else:
        # Nobody will ever report on it, and a peer that is away for a week would leave hundreds.
        session.delete(commitment)
    for delivery in waiting:
        if final:
            stop_committing(delivery, destination, words)
        elif delivery.confirm_attempts >= retry.attempts:
            stop_committing(
                delivery, destination, f"asked {delivery.confirm_attempts} times: {words}"
            )
        else:
            _ask_again(delivery, words, retry)


def record_unanswered(
    session: Session, transaction_uid: str, words: str, retry: RetrySettings
) -> None:
    """The peer may have the request: its report would count, and it is asked again soon."""
    for delivery in _waiting(_commitment(session, transaction_uid)):
        _ask_again(delivery, words, retry)


def record_overdue(
    session: Session, destination: DicomDestination, confirm: ConfirmSettings
) -> int:
    """Ask again where no report came in time, or end the hope; the number of both.

    A report that comes later counts all the same.
    """
    overdue = session.scalars(
        select(Delivery).where(
            Delivery.destination == destination.name,
            Delivery.confirmation == Confirmation.REPORT,
            Delivery.due_at <= time.time(),
        )
    ).all()
    for delivery in overdue:
        asked = sum(c.state is CommitmentState.ASKED for c in delivery.commitments)
        words = f"no report within {confirm.report_within_s:g} s, asked {asked} time(s)"
        if asked >= confirm.requests:
            stop_committing(delivery, destination, words)
        else:
            delivery.confirmation = Confirmation.COMMIT
            delivery.commit_words = words
            delivery.due_at = time.time()
    return len(overdue)


def record_interrupted(session: Session, destination: str, again_at: float) -> None:
    """The node starts: what was asked for before is asked for again, at the latest at `again_at`.

    Peers report once, and it may have been while nobody listened. A former request does not count
    towards those that may be in vain; its report, should it still come, counts.
    """
    waiting = session.scalars(
        select(Delivery).where(
            Delivery.destination == destination, Delivery.confirmation == Confirmation.REPORT
        )
    )
    for delivery in waiting:
        newest = max(delivery.commitments, key=lambda commitment: commitment.id)
        if newest.state is CommitmentState.ASKED:
            newest.state = CommitmentState.INTERRUPTED
        delivery.confirmation = Confirmation.COMMIT
        delivery.commit_words = "to be asked again: the node stopped before a report came"
        delivery.due_at = min(delivery.due_at, again_at)


@dataclass(frozen=True)
class Reported:
    """What a report changed.

    Attributes
    ----------
    destination : str
        Of the transaction.
    committed, failed : int
        Deliveries of this node that it was about.
    repeated : bool
        Whether the transaction was reported before; nothing is changed then.
    """

    destination: str
    committed: int = 0
    failed: int = 0
    repeated: bool = False


def record_report(
    session: Session,
    outcome: CommitmentOutcome,
    destinations: Mapping[str, Destination],
    confirm: ConfirmSettings,
    retry: RetrySettings,
) -> Reported | None:
    """Take a peer's report.

    Returns
    -------
    Reported or None
        None where no such transaction is known.
    """
    commitment = session.scalar(
        select(Commitment).where(Commitment.transaction_uid == outcome.transaction_uid)
    )
    if commitment is None:
        return None
    if commitment.state is CommitmentState.REPORTED:
        return Reported(commitment.destination, repeated=True)
    destination = destinations.get(commitment.destination)
    committed = {reference.sop_instance_uid for reference in outcome.committed}
    failed = {reference.sop_instance_uid: why for reference, why in outcome.failed.items()}
    counts = [0, 0]
    for delivery in commitment.deliveries:
        uid = delivery.result.sop_instance_uid
        if uid in failed:
            counts[1] += 1
            _record_failed(delivery, commitment, failed[uid], destination, confirm, retry)
        elif uid in committed:
            counts[0] += 1
            _record_committed(delivery, destination)
    commitment.reported_at = time.time()
    commitment.words = f"{counts[0]} committed, {counts[1]} failed"
    # An object that the peer did not speak of is waited for: it may report in parts.
    if sum(counts) == len(commitment.deliveries) or not _waiting(commitment):
        commitment.state = CommitmentState.REPORTED
    return Reported(commitment.destination, *counts)


def _record_committed(delivery: Delivery, destination: Destination | None) -> None:
    if delivery.state not in (DeliveryState.ACCEPTED, DeliveryState.VERIFIED):
        return  # it is being sent again
    delivery.committed_at = time.time()
    delivery.commit_words = None
    if delivery.state is DeliveryState.ACCEPTED:
        delivery.state = DeliveryState.COMMITTED
        delivery.confirmation = after_commitment(destination)
        delivery.confirm_attempts = 0
        delivery.due_at = time.time()


def _record_failed(
    delivery: Delivery,
    commitment: Commitment,
    reason: int,
    destination: Destination | None,
    confirm: ConfirmSettings,
    retry: RetrySettings,
) -> None:
    # An older transaction says nothing of an object that was sent, or asked about, since.
    newest = max(c.id for c in delivery.commitments)
    if delivery.state is not DeliveryState.ACCEPTED or commitment.id != newest:
        return
    words = f"the peer reported {describe_reason(reason)}"
    if reason in SENDING_IS_VAIN:
        stop_committing(delivery, destination, words)
    elif reason == FailureReason.DUPLICATE_TRANSACTION:
        _ask_again(delivery, words, retry)
    else:
        _send_again(delivery, words, confirm, retry)


def _send_again(
    delivery: Delivery, words: str, confirm: ConfirmSettings, retry: RetrySettings
) -> None:
    delivery.confirmation = None
    delivery.confirm_attempts = 0
    delivery.accepted_at = None
    delivery.attempts = 0
    lesion = delivery.result.lesion  # None of what is made of several lesions, or of refusals
    if lesion is not None and lesion.state is LesionState.SUPERSEDED:
        delivery.state = DeliveryState.WITHDRAWN
        delivery.commit_words = words
    elif delivery.resends >= confirm.resends:
        delivery.state = DeliveryState.EXHAUSTED
        delivery.commit_words = f"accepted {delivery.resends + 1} times, and each time {words}"
        delivery.resends = 0  # whoever sends the mark again gives it another life
    else:
        delivery.resends += 1
        delivery.state = DeliveryState.QUEUED
        delivery.commit_words = f"sent again: {words}"
        delivery.due_at = time.time() + wait_s(delivery.resends, retry)


def _ask_again(delivery: Delivery, words: str, retry: RetrySettings) -> None:
    delivery.confirmation = Confirmation.COMMIT
    delivery.commit_words = f"not yet committed: {words}"
    delivery.due_at = time.time() + wait_s(max(1, delivery.confirm_attempts), retry)


def _waiting(commitment: Commitment) -> list[Delivery]:
    return [d for d in commitment.deliveries if d.confirmation is Confirmation.REPORT]


def _commitment(session: Session, transaction_uid: str) -> Commitment:
    return session.scalars(
        select(Commitment).where(Commitment.transaction_uid == transaction_uid)
    ).one()
