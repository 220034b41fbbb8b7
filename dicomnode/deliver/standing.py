"""How far a delivery is, in words."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

from dicomnode.deliver.outbox import OPEN
from dicomnode.store.states import CommitmentState, Confirmation, DeliveryState
from dicomnode.store.tables import Delivery
from dicomnode.store.verdicts import HELD_BACK, why_held_back

_NEXT = {
    Confirmation.COMMIT: "to be committed",
    Confirmation.REPORT: "commitment asked for",
    Confirmation.VERIFY: "to be read back",
}

_HALFWAY = (DeliveryState.ACCEPTED, DeliveryState.COMMITTED)


def in_short(delivery: Delivery) -> str:
    """One line: the state, and what comes next."""
    words = f"{delivery.destination}: {delivery.state.value}"
    if delivery.confirmation is not None:
        words += f", {_NEXT[delivery.confirmation]}"
    elif delivery.state in _HALFWAY and (delivery.commit_words or delivery.verify_words):
        words += ", no further"
    why = _why_held_back(delivery)
    if why is not None:
        words += f", {why}"
    return words


def in_full(delivery: Delivery) -> Iterator[str]:
    """More lines: since when each step is true, and what comes next, or why nothing does."""
    steps = (
        ("accepted", delivery.accepted_at),
        ("committed", delivery.committed_at),
        ("verified", delivery.verified_at),
    )
    for name, moment in steps:
        if moment is not None:
            by = f" by {delivery.verified_by}" if name == "verified" else ""
            yield f"{name} {_moment(moment)}{by}"
    for commitment in delivery.commitments:
        words = {
            CommitmentState.ASKED: "no report yet",
            CommitmentState.INTERRUPTED: "no report before the node stopped",
            CommitmentState.REPORTED: "reported",
            CommitmentState.REFUSED: "not taken",
        }[commitment.state]
        yield (
            f"commitment asked for {_moment(commitment.asked_at)}, "
            f"transaction {commitment.transaction_uid}: {words}"
        )
    if delivery.resends:
        yield f"sent again {delivery.resends} time(s), because the peer did not have it"
    why = _why_held_back(delivery)
    if why is not None:
        yield why
    if delivery.state in OPEN:
        again = "again " if delivery.attempts else ""
        yield f"to be sent {again}at {_moment(delivery.due_at)}"
    if delivery.confirmation is not None:
        due = "awaited until" if delivery.confirmation is Confirmation.REPORT else "due"
        yield f"{_NEXT[delivery.confirmation]}, {due} {_moment(delivery.due_at)}"
    for words in (delivery.commit_words, delivery.verify_words):
        if words:
            yield words


def _why_held_back(delivery: Delivery) -> str | None:
    if delivery.state not in HELD_BACK or delivery.result.lesion is None:
        return None
    lesion = delivery.result.lesion
    reason = next((verdict.reason for verdict in reversed(lesion.verdicts)), None)
    return why_held_back(delivery.state, reason)


def _moment(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
