"""The outbox: which results wait for which destination, and what became of each attempt."""

from __future__ import annotations

import time
from pathlib import Path

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from dicomnode.deliver.answer import Answer, Verdict
from dicomnode.deliver.backoff import wait_s
from dicomnode.deliver.parcel import Parcel
from dicomnode.settings import RetrySettings
from dicomnode.store.states import Confirmation, DeliveryState
from dicomnode.store.tables import Delivery, Result
from dicomnode.store.verdicts import HELD_BACK, hold_or_release

OPEN = (DeliveryState.QUEUED, DeliveryState.SENT)
"""States from which an object is (again) sent."""


def due(
    session: Session, destination: str, limit: int = 100, at: float | None = None
) -> list[Parcel]:
    """Give the parcels whose time has come, oldest first.

    Parameters
    ----------
    session : Session
    destination : str
    limit : int
        At most so many.
    at : float, optional
        Whose time will have come then, in seconds since 1970; now unless given.
    """
    rows = session.execute(
        select(Delivery.id, Result.sop_class_uid, Result.path)
        .join(Delivery.result)
        .where(
            Delivery.destination == destination,
            Delivery.state.in_(OPEN),
            Delivery.due_at <= (time.time() if at is None else at),
        )
        .order_by(Delivery.due_at, Delivery.id)
        .limit(limit)
    )
    return [Parcel(delivery_id, sop_class, Path(path)) for delivery_id, sop_class, path in rows]


def next_due(session: Session, destination: str) -> float | None:
    """When the next delivery is due, in seconds since 1970; None where none is open."""
    return session.scalar(
        select(func.min(Delivery.due_at)).where(
            Delivery.destination == destination, Delivery.state.in_(OPEN)
        )
    )


def hurry(session: Session, destination: str) -> None:
    """Make all that is open due now: the destination is back. Needs a session that is writing."""
    session.execute(
        update(Delivery)
        .where(Delivery.destination == destination, Delivery.state.in_(OPEN))
        .values(due_at=time.time())
    )


def begin(session: Session, delivery_id: int) -> bool:
    """Write down that an object leaves the node now, before it does.

    So "queued" says for certain that the peer does not have it, also after a crash.

    Returns
    -------
    bool
        False where it is not to be sent any more, or not before a reader accepts it.
    """
    delivery = session.get_one(Delivery, delivery_id)
    # Whatever queued it, a retry or a resend: the newest verdict counts, and that until now.
    hold_or_release(session, delivery)
    if delivery.state not in OPEN:
        return False
    delivery.state = DeliveryState.SENT
    return True


def record(
    session: Session,
    delivery_id: int,
    answer: Answer,
    retry: RetrySettings,
    confirmation: Confirmation | None = None,
    confirm_after_s: float = 0,
) -> Delivery:
    """Write down what an attempt came to, and when it is repeated if it is.

    Parameters
    ----------
    session : Session
        Writing.
    delivery_id : int
    answer : Answer
    retry : RetrySettings
    confirmation : Confirmation, optional
        What is to be done once it is accepted.
    confirm_after_s : float
        How long after.
    """
    delivery = session.get_one(Delivery, delivery_id)
    delivery.attempts += 1
    delivery.status = answer.status
    delivery.peer_words = answer.words
    match answer.verdict:
        case Verdict.ACCEPTED:
            delivery.state = DeliveryState.ACCEPTED
            delivery.accepted_at = time.time()
            delivery.confirmation = confirmation
            delivery.confirm_attempts = 0
            delivery.commit_words = delivery.verify_words = None
            delivery.due_at = time.time() + confirm_after_s
        case _ if delivery.state in (DeliveryState.WITHDRAWN, *HELD_BACK):
            pass  # while it was on its way
        case Verdict.REFUSED:
            delivery.state = DeliveryState.REFUSED
        case Verdict.REPEAT | Verdict.UNKNOWN:
            if delivery.attempts >= retry.attempts:
                delivery.state = DeliveryState.EXHAUSTED
            else:
                unknown = answer.verdict is Verdict.UNKNOWN
                delivery.state = DeliveryState.SENT if unknown else DeliveryState.QUEUED
                delivery.due_at = time.time() + wait_s(delivery.attempts, retry)
    return delivery
