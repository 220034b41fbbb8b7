"""What is done for a delivery once it was accepted: its commitment, then its reading back.

What a destination cannot do, it is not asked for: the delivery then stays what it truly is, and
`commit_words` or `verify_words` says why it gets no further.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from dicomnode.deliver.backoff import wait_s
from dicomnode.settings import (
    ConfirmSettings,
    Destination,
    DicomDestination,
    RetrySettings,
)
from dicomnode.store.states import Confirmation, DeliveryState
from dicomnode.store.tables import Delivery, Result

HELD = (DeliveryState.ACCEPTED, DeliveryState.COMMITTED, DeliveryState.VERIFIED)
"""States in which the peer has the object, for all that it has said."""


def first_step(destination: Destination) -> Confirmation | None:
    """What follows the acceptance by a destination."""
    if isinstance(destination, DicomDestination) and destination.commit:
        return Confirmation.COMMIT
    return after_commitment(destination)


def after_commitment(destination: Destination | None) -> Confirmation | None:
    """What follows the commitment, or the end of hoping for it."""
    if destination is None or destination.verify == "none":
        return None
    return Confirmation.VERIFY


def next_due(session: Session, destination: str) -> float | None:
    """When the next step is due, in seconds since 1970; None where none is."""
    return session.scalar(
        select(func.min(Delivery.due_at)).where(
            Delivery.destination == destination,
            Delivery.confirmation.is_not(None),
            Delivery.state.in_(HELD),
        )
    )


def drop_unwanted(session: Session, destination: Destination) -> None:
    """Forget steps that the configuration asked for once and does not any more."""
    unwanted = []
    if not (isinstance(destination, DicomDestination) and destination.commit):
        unwanted += [Confirmation.COMMIT, Confirmation.REPORT]
    if destination.verify == "none":
        unwanted.append(Confirmation.VERIFY)
    rows = session.scalars(
        select(Delivery).where(
            Delivery.destination == destination.name, Delivery.confirmation.in_(unwanted)
        )
    )
    for delivery in rows:
        words = "not asked for any more: the configuration says so"
        if delivery.confirmation is Confirmation.VERIFY:
            delivery.confirmation = None
            delivery.verify_words = words
        else:
            delivery.confirmation = after_commitment(destination)
            delivery.commit_words = words


def stop_committing(delivery: Delivery, destination: Destination | None, why: str) -> None:
    """End the hope for a commitment; what is still wanted goes on."""
    delivery.confirmation = after_commitment(destination)
    delivery.confirm_attempts = 0
    delivery.commit_words = f"not committed: {why}"
    delivery.due_at = time.time()


# -- reading back


class Reading(StrEnum):
    """What reading an object back came to."""

    SAME = "same"
    """It is there, as far as was looked."""
    ABSENT = "absent"
    """The destination does not find it; it may yet."""
    DIFFERENT = "different"
    """It is there and not what was sent."""
    UNREACHABLE = "unreachable"
    """The destination could not be asked; it may be later."""
    IMPOSSIBLE = "impossible"
    """The destination cannot be asked this."""


@dataclass(frozen=True)
class ReadBack:
    """The outcome of reading one object back.

    Attributes
    ----------
    reading : Reading
    words : str
        How it was read back and what was compared, or what went wrong.
    """

    reading: Reading
    words: str


@dataclass(frozen=True)
class ToRead:
    """One object to read back."""

    delivery_id: int
    sop_class_uid: str
    sop_instance_uid: str
    path: Path


def due_readings(session: Session, destination: str, limit: int = 100) -> Sequence[ToRead]:
    """Objects that are to be read back now, oldest first."""
    rows = session.execute(
        select(Delivery.id, Result.sop_class_uid, Result.sop_instance_uid, Result.path)
        .join(Delivery.result)
        .where(
            Delivery.destination == destination,
            Delivery.confirmation == Confirmation.VERIFY,
            Delivery.state.in_(HELD),
            Delivery.due_at <= time.time(),
        )
        .order_by(Delivery.due_at, Delivery.id)
        .limit(limit)
    )
    return [ToRead(i, sop_class, uid, Path(path)) for i, sop_class, uid, path in rows]


def record_reading(
    session: Session,
    delivery_id: int,
    read: ReadBack,
    confirm: ConfirmSettings,
    retry: RetrySettings,
) -> Delivery:
    """Write down what reading back came to, and when it is repeated if it is."""
    delivery = session.get_one(Delivery, delivery_id)
    if delivery.confirmation is not Confirmation.VERIFY:  # it is on another way meanwhile
        return delivery
    delivery.confirm_attempts += 1
    attempts = {
        Reading.ABSENT: confirm.verify_attempts,
        Reading.UNREACHABLE: retry.attempts,
    }.get(read.reading, 0)
    if read.reading is Reading.SAME:
        delivery.state = DeliveryState.VERIFIED
        delivery.verified_at = time.time()
        delivery.verified_by = read.words
        delivery.confirmation = None
        delivery.verify_words = None
    elif delivery.confirm_attempts < attempts:
        delivery.due_at = time.time() + wait_s(delivery.confirm_attempts, retry)
        delivery.verify_words = f"not yet verified: {read.words}"
    else:
        delivery.confirmation = None
        delivery.verify_words = f"not verified: {read.words}"
    return delivery
