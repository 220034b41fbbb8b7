"""What readers' verdicts mean for deliveries that go only once a soft mask was accepted.

A verdict is about one soft mask, by the digest of its file, and a result is made of one: where a
lesion has got another soft mask since, nobody has judged what was made of it.
"""

from __future__ import annotations

import time
from types import MappingProxyType

from sqlalchemy import select
from sqlalchemy.orm import Session, load_only

from dicomnode.store.states import Decision, DeliveryState
from dicomnode.store.summaries import touch
from dicomnode.store.tables import Delivery, Lesion, Result, Verdict

REASONS = MappingProxyType(
    {
        "no-lesion": "What was marked is no lesion",
        "wrong-place": "It lies beside the lesion",
        "too-large": "It holds more than the lesion",
        "too-small": "It misses a part of the lesion",
        "wrong-edge": "Its edge is too sharp or too wide",
        "poor-images": "The images do not allow a soft mask",
        "other": "Another reason, in words",
    }
)
"""Codes of why a soft mask was rejected, and what they mean."""

HELD_BACK = (DeliveryState.UNJUDGED, DeliveryState.WITHHELD)
"""States in which a delivery waits for somebody to accept what it brings."""

_TO_BE_SENT = (DeliveryState.QUEUED, DeliveryState.SENT)


def newest_verdict(session: Session, lesion_id: int) -> Verdict | None:
    """The verdict that counts, without the soft mask that it may hold."""
    return session.scalar(
        select(Verdict)
        .where(Verdict.lesion_id == lesion_id)
        .order_by(Verdict.id.desc())
        .limit(1)
        .options(load_only(*_BUT_THE_MASK))
    )


_BUT_THE_MASK = (
    Verdict.decision,
    Verdict.reason,
    Verdict.who,
    Verdict.at,
    Verdict.soft_mask,
    Verdict.mended_digest,
)


def state_by_verdict(session: Session, result: Result) -> DeliveryState:
    """How a delivery of an object stands, of which only accepted ones go.

    Returns
    -------
    DeliveryState
        ``QUEUED`` where the newest verdict accepts the soft mask that the object was made of,
        ``WITHHELD`` where it rejects it, else ``UNJUDGED``.
    """
    if result.lesion_id is None:  # of several lesions: those were chosen when it was made
        return DeliveryState.QUEUED
    verdict = newest_verdict(session, result.lesion_id)
    if verdict is None or result.soft_mask != verdict.stands_for:
        return DeliveryState.UNJUDGED
    accepted = verdict.decision is Decision.ACCEPTED
    return DeliveryState.QUEUED if accepted else DeliveryState.WITHHELD


def hold_or_release(session: Session, delivery: Delivery) -> None:
    """Bring a delivery into line with the newest verdict, where only accepted objects go.

    What is on its way when it is rejected is not sent again; what a peer has taken stays taken.
    Needs a session that is writing.
    """
    if delivery.state not in (*_TO_BE_SENT, *HELD_BACK):
        return
    state = DeliveryState.QUEUED
    if delivery.only_accepted:
        state = state_by_verdict(session, delivery.result)
    if state is not DeliveryState.QUEUED:
        delivery.state = state
    elif delivery.state in HELD_BACK:
        delivery.state = state
        delivery.due_at = time.time()


def judged(session: Session, lesion: Lesion) -> None:
    """A verdict on a lesion was written: let go, or hold back, what waits for it.

    Objects of the whole series are made anew, of the lesions that are accepted now. Needs a session
    that is writing.
    """
    session.flush()
    deliveries = session.scalars(
        select(Delivery)
        .join(Delivery.result)
        .where(Result.lesion_id == lesion.id, Delivery.only_accepted)
    ).all()
    for delivery in deliveries:
        hold_or_release(session, delivery)
    if lesion.results and lesion.rule is not None:
        touch(session, lesion)


def follow_setting(session: Session, destination: str, only_accepted: bool) -> None:
    """Go by what the configuration says of a destination now, also for what waits already.

    What an older version made names no soft mask, and goes as it was to. Needs a session that is
    writing.
    """
    differing = (
        select(Delivery)
        .join(Delivery.result)
        .where(
            Delivery.destination == destination,
            Delivery.only_accepted.is_(not only_accepted),
            Delivery.state.in_((*_TO_BE_SENT, *HELD_BACK)),
            Result.soft_mask.is_not(None),
        )
    )
    for delivery in session.scalars(differing).all():
        delivery.only_accepted = only_accepted
        hold_or_release(session, delivery)


def is_accepted(session: Session, lesion: Lesion) -> bool:
    """Whether the newest verdict accepts the soft mask that a lesion's results are made of."""
    of_mask = [result for result in lesion.results if result.soft_mask is not None]
    return bool(of_mask) and state_by_verdict(session, of_mask[-1]) is DeliveryState.QUEUED


def why_held_back(state: DeliveryState, reason: str | None) -> str | None:
    """Why a delivery waits for a reader; None where it does not. Names nobody.

    Parameters
    ----------
    state : DeliveryState
    reason : str or None
        Code of the newest verdict on its lesion.
    """
    if state is DeliveryState.UNJUDGED:
        return "waits until a reader accepts the soft mask"
    if state is DeliveryState.WITHHELD:
        return f"a reader rejected the soft mask: {REASONS.get(reason or '', 'without a reason')}"
    return None
