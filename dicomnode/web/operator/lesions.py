"""Lesions: how far each is, and why it waits or failed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Select, func, or_, select
from sqlalchemy.orm import Session

from dicomnode.deliver.outbox import OPEN
from dicomnode.store.states import DEAD_LETTERS, DeliveryState, LesionState
from dicomnode.store.tables import Delivery, Instance, Lesion, Result
from dicomnode.web.operator.listing import Listing
from dicomnode.web.operator.way import Step, way_of

SORTS = {
    "number": Lesion.id,
    "changed": Lesion.changed_at,
    "came": Lesion.waiting_since,
    "state": Lesion.state,
    "rule": Lesion.rule,
    "volume": Lesion.volume_ml,
}
FILTERS = {"state": tuple(LesionState), "study": None, "rule": None, "method": None}


@dataclass(frozen=True)
class LesionRow:
    """One lesion. Times are seconds since 1970."""

    number: int
    study_instance_uid: str | None
    rule: str | None
    method: str | None
    dry_run: bool
    state: LesionState
    reason: str | None
    attempts: int
    volume_ml: float | None
    seconds: float | None
    came_at: float
    changed_at: float
    way: tuple[Step, ...]
    undelivered: tuple[str, ...]
    """What destinations, or the network, said of results that did not arrive."""


@dataclass(frozen=True)
class LesionList:
    """One page of lesions."""

    total: int
    rows: tuple[LesionRow, ...]


def list_lesions(session: Session, listing: Listing) -> LesionList:
    """Read one page.

    Parameters
    ----------
    session : Session
    listing : Listing
        With `SORTS` and `FILTERS`.
    """
    column = SORTS[listing.sort]
    order = column.desc() if listing.descending else column.asc()
    query = _narrowed(_columns(), listing).order_by(order, Lesion.id.desc())
    rows = session.execute(query.limit(listing.size).offset(listing.offset)).all()
    counted = _narrowed(select(func.count()).select_from(Lesion), listing)
    return LesionList(session.scalar(counted) or 0, _with_ways(session, rows))


def lesions_of(session: Session, numbers: Collection[int]) -> tuple[LesionRow, ...]:
    """Read some, by their numbers."""
    query = _columns().where(Lesion.id.in_(numbers)).order_by(Lesion.id)
    return _with_ways(session, session.execute(query).all())


def study_condition(uid: str) -> ColumnElement[bool]:
    """Lesions of a study; while its CT is not known, that of the object that holds the mark."""
    of_source = select(Instance.sop_instance_uid).where(Instance.study_instance_uid == uid)
    return or_(
        Lesion.study_instance_uid == uid,
        Lesion.study_instance_uid.is_(None) & Lesion.source_sop_instance_uid.in_(of_source),
    )


def _columns() -> Select:
    # Not whole rows: the mark alone is some kB.
    return select(
        Lesion.id,
        Lesion.study_instance_uid,
        Lesion.rule,
        Lesion.method,
        Lesion.dry_run,
        Lesion.state,
        Lesion.reason,
        Lesion.attempts,
        Lesion.volume_ml,
        Lesion.seconds,
        Lesion.waiting_since,
        Lesion.changed_at,
        Lesion.series_instance_uid.is_not(None),
        Lesion.soft_mask_path.is_not(None),
    )


def _narrowed(query: Select, listing: Listing) -> Select:
    for name, value in listing.filters.items():
        match name:
            case "state":
                query = query.where(Lesion.state == LesionState(value))
            case "study":
                query = query.where(study_condition(value))
            case "rule":
                query = query.where(Lesion.rule == value)
            case "method":
                query = query.where(Lesion.method == value)
    return query


def _with_ways(session: Session, rows: Collection) -> tuple[LesionRow, ...]:
    numbers = [row[0] for row in rows]
    sent: dict[int, dict[DeliveryState, int]] = defaultdict(dict)
    pending: dict[int, int] = defaultdict(int)
    for number, state, count, waiting in session.execute(
        select(Result.lesion_id, Delivery.state, func.count(), func.count(Delivery.confirmation))
        .join(Delivery.result)
        .where(Result.lesion_id.in_(numbers))
        .group_by(Result.lesion_id, Delivery.state)
    ):
        sent[number][state] = count
        pending[number] += waiting
    said: dict[int, list[str]] = defaultdict(list)
    for number, destination, words in session.execute(
        select(Result.lesion_id, Delivery.destination, Delivery.peer_words)
        .join(Delivery.result)
        .where(Result.lesion_id.in_(numbers), Delivery.peer_words.is_not(None))
        .where(Delivery.state.in_((*OPEN, *DEAD_LETTERS)))
        .distinct()
    ):
        said[number].append(f"{destination}: {words}")
    return tuple(
        LesionRow(
            *row[:12],
            way=way_of(row[5], bool(row[12]), bool(row[13]), sent[row[0]], pending[row[0]]),
            undelivered=tuple(said[row[0]]),
        )
        for row in rows
    )
