"""Studies: what became of each one's marks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import case, func, or_, select
from sqlalchemy.orm import Session

from dicomnode.explain import explain
from dicomnode.store.states import LesionState
from dicomnode.store.tables import Instance, Lesion
from dicomnode.web.operator.lesions import LesionRow, lesions_of, study_condition
from dicomnode.web.operator.listing import Listing

SORTS = ("changed", "came", "lesions", "failed", "open")
FILTERS = {"state": tuple(LesionState), "q": None}
_UNDER_WAY = (LesionState.WAITING, LesionState.READY, LesionState.SEGMENTED)
_MOST_SHOWN = 500


@dataclass(frozen=True)
class StudyRow:
    """One study that holds marks. Times are seconds since 1970."""

    study_instance_uid: str
    description: str
    body_part: str
    instances: int
    lesions: int
    states: dict[LesionState, int]
    came_at: float
    changed_at: float


@dataclass(frozen=True)
class StudyList:
    """One page of studies."""

    total: int
    rows: tuple[StudyRow, ...]


@dataclass(frozen=True)
class SeriesRow:
    """One series that was received."""

    series_instance_uid: str
    modality: str
    description: str
    instances: int
    size: int
    received_at: float


@dataclass(frozen=True)
class Study:
    """One study: its series, its lesions with their ways, and all that the node can say of it."""

    study_instance_uid: str
    description: str
    series: tuple[SeriesRow, ...]
    lesions: tuple[LesionRow, ...]
    said: tuple[str, ...]


def list_studies(session: Session, listing: Listing) -> StudyList:
    """Read one page of the studies that hold marks.

    Parameters
    ----------
    session : Session
    listing : Listing
        With `SORTS` and `FILTERS`; ``q`` is looked for in UIDs and descriptions.
    """
    uid = func.coalesce(Lesion.study_instance_uid, Instance.study_instance_uid, "")
    counts = [
        func.sum(case((Lesion.state == state, 1), else_=0)).label(state.value)
        for state in LesionState
    ]
    open_ones = func.sum(case((Lesion.state.in_(_UNDER_WAY), 1), else_=0))
    grouped = (
        select(
            uid.label("uid"),
            func.max(Instance.study_description),
            func.max(Instance.body_part),
            func.count(),
            func.min(Lesion.waiting_since),
            func.max(Lesion.changed_at),
            *counts,
        )
        .select_from(Lesion)
        .outerjoin(Instance, Instance.sop_instance_uid == Lesion.source_sop_instance_uid)
        .group_by(uid)
    )
    if "q" in listing.filters:
        wanted = listing.filters["q"]
        grouped = grouped.where(
            or_(
                uid.contains(wanted, autoescape=True),
                Instance.study_description.icontains(wanted, autoescape=True),
            )
        )
    if "state" in listing.filters:
        wanted = LesionState(listing.filters["state"])
        grouped = grouped.having(func.sum(case((Lesion.state == wanted, 1), else_=0)) > 0)
    key = {
        "changed": func.max(Lesion.changed_at),
        "came": func.min(Lesion.waiting_since),
        "lesions": func.count(),
        "failed": func.sum(case((Lesion.state == LesionState.FAILED, 1), else_=0)),
        "open": open_ones,
    }[listing.sort]
    order = key.desc() if listing.descending else key.asc()
    total = session.scalar(select(func.count()).select_from(grouped.subquery())) or 0
    rows = session.execute(
        grouped.order_by(order, uid).limit(listing.size).offset(listing.offset)
    ).all()
    held = _held(session, [row[0] for row in rows])
    return StudyList(total, tuple(_row(row, held.get(row[0], 0)) for row in rows))


def read_study(session: Session, uid: str, destinations: Sequence[str]) -> Study | None:
    """Read one study; None where the node knows nothing of it.

    Parameters
    ----------
    session : Session
    uid : str
    destinations : sequence of str
        Names of the configured ones.
    """
    series = session.execute(
        select(
            Instance.series_instance_uid,
            func.max(Instance.modality),
            func.max(Instance.series_description),
            func.count(),
            func.sum(Instance.size),
            func.max(Instance.received_at),
        )
        .where(Instance.study_instance_uid == uid)
        .group_by(Instance.series_instance_uid)
        .order_by(func.max(Instance.received_at))
    ).all()
    numbers = session.scalars(
        select(Lesion.id).where(study_condition(uid)).order_by(Lesion.id).limit(_MOST_SHOWN)
    ).all()
    said = tuple(explain(session, uid, destinations))
    if not (series or numbers or said):
        return None
    described = select(func.max(Instance.study_description)).where(
        Instance.study_instance_uid == uid
    )
    return Study(
        uid,
        session.scalar(described) or "",
        tuple(SeriesRow(*row) for row in series),
        lesions_of(session, numbers),
        said,
    )


def _row(row: Sequence, instances: int) -> StudyRow:
    uid, description, body_part, lesions, came_at, changed_at, *counts = row
    states = {state: n for state, n in zip(LesionState, counts, strict=True) if n}
    return StudyRow(
        uid, description or "", body_part or "", instances, lesions, states, came_at, changed_at
    )


def _held(session: Session, uids: Sequence[str]) -> dict[str, int]:
    rows = session.execute(
        select(Instance.study_instance_uid, func.count())
        .where(Instance.study_instance_uid.in_(uids))
        .group_by(Instance.study_instance_uid)
    )
    return {uid: count for uid, count in rows}
