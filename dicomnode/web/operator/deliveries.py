"""Results on their way to destinations, and dead letters with the peer's words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session

from dicomnode.deliver.answer import status_word
from dicomnode.store.states import Confirmation, DeliveryState
from dicomnode.store.tables import Delivery, Result, Verdict
from dicomnode.store.verdicts import why_held_back
from dicomnode.web.operator.listing import Listing

SORTS = {
    "number": Delivery.id,
    "changed": Delivery.changed_at,
    "due": Delivery.due_at,
    "state": Delivery.state,
    "destination": Delivery.destination,
    "attempts": Delivery.attempts,
}
FILTERS = {"state": tuple(DeliveryState), "destination": None, "lesion": None}


_REASON = (
    select(Verdict.reason)
    .where(Verdict.lesion_id == Result.lesion_id)
    .order_by(Verdict.id.desc())
    .limit(1)
    .correlate(Result)
    .scalar_subquery()
)
"""Code of the newest verdict."""


@dataclass(frozen=True)
class DeliveryRow:
    """One result on its way to one destination. Times are seconds since 1970."""

    number: int
    destination: str
    state: DeliveryState
    confirmation: Confirmation | None
    kind: str
    lesion: int | None
    sop_instance_uid: str
    size: int
    attempts: int
    status: str | None
    """The last one that the peer gave: ``0x0122`` of C-STORE, ``http-413``."""
    words: str | None
    commit_words: str | None
    verify_words: str | None
    waits_because: str | None
    """Why it waits for a reader's verdict."""
    due_at: float
    accepted_at: float | None
    committed_at: float | None
    verified_at: float | None
    changed_at: float


@dataclass(frozen=True)
class DeliveryList:
    """One page of deliveries."""

    total: int
    rows: tuple[DeliveryRow, ...]


def list_deliveries(session: Session, listing: Listing) -> DeliveryList:
    """Read one page.

    Parameters
    ----------
    session : Session
    listing : Listing
        With `SORTS` and `FILTERS`.
    """
    query = select(
        Delivery.id,
        Delivery.destination,
        Delivery.state,
        Delivery.confirmation,
        Result.kind,
        Result.lesion_id,
        Result.sop_instance_uid,
        Result.size,
        Delivery.attempts,
        Delivery.status,
        Delivery.peer_words,
        Delivery.commit_words,
        Delivery.verify_words,
        _REASON,
        Delivery.due_at,
        Delivery.accepted_at,
        Delivery.committed_at,
        Delivery.verified_at,
        Delivery.changed_at,
    ).join(Delivery.result)
    column = SORTS[listing.sort]
    order = column.desc() if listing.descending else column.asc()
    query = _narrowed(query, listing).order_by(order, Delivery.id.desc())
    rows = session.execute(query.limit(listing.size).offset(listing.offset)).all()
    counted = select(func.count()).select_from(Delivery).join(Delivery.result)
    total = session.scalar(_narrowed(counted, listing)) or 0
    return DeliveryList(total, tuple(_row(row) for row in rows))


def _row(row: Sequence) -> DeliveryRow:
    *first, status, words = row[:11]
    word = None if status is None else status_word(status, words or "")
    commit_words, verify_words, reason, *moments = row[11:]
    waits = why_held_back(row[2], reason)
    return DeliveryRow(*first, word, words, commit_words, verify_words, waits, *moments)


def _narrowed(query: Select, listing: Listing) -> Select:
    for name, value in listing.filters.items():
        match name:
            case "state":
                query = query.where(Delivery.state == DeliveryState(value))
            case "destination":
                query = query.where(Delivery.destination == value)
            case "lesion":
                number = int(value) if value.isdecimal() and len(value) < 12 else -1
                query = query.where(Result.lesion_id == number)
    return query
