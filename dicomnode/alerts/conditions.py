"""What an administrator is told of: found in the rows, said in figures, never in a peer's words."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from dicomnode.settings import AlertSettings
from dicomnode.store.states import (
    DEAD_LETTERS,
    CircuitState,
    LesionState,
    RetrievalState,
)
from dicomnode.store.tables import Circuit, Delivery, Lesion, Retrieval

_FAILING = (RetrievalState.REFUSED, RetrievalState.EXHAUSTED)


@dataclass(frozen=True)
class Condition:
    """Something that holds now.

    Attributes
    ----------
    name : str
        The same as long as it is the same condition.
    words : str
        What it is, in figures, and what can be done.
    """

    name: str
    words: str


def present(session: Session, settings: AlertSettings, free_mb: float) -> list[Condition]:
    """Find what holds now.

    Parameters
    ----------
    session : Session
    settings : AlertSettings
    free_mb : float
        Free space of the store, in MB.
    """
    found = [
        *_dead_letters(session),
        *_failed_lesions(session),
        *_away(session, settings.away_minutes),
        *_not_fetched(session),
    ]
    if free_mb < settings.free_mb:
        words = f"{free_mb:.0f} MB are free in the store, expected at least {settings.free_mb:g}."
        found.append(Condition("disk space", words))
    return found


def _dead_letters(session: Session) -> list[Condition]:
    rows = session.execute(
        select(Delivery.destination, func.count())
        .where(Delivery.state.in_(DEAD_LETTERS))
        .group_by(Delivery.destination)
        .order_by(Delivery.destination)
    )
    return [
        Condition(
            f"dead letters: {destination}",
            f"{count} result(s) were refused for good, or tried as often as allowed. "
            f"`dicomnode jobs` says why; then `dicomnode jobs retry --destination {destination}`.",
        )
        for destination, count in rows
    ]


def _failed_lesions(session: Session) -> list[Condition]:
    count, newest = session.execute(
        select(func.count(), func.max(Lesion.id)).where(Lesion.state == LesionState.FAILED)
    ).one()
    if not count:
        return []
    words = (
        f"{count} lesion(s) broke as often as allowed and are parked, the newest is lesion "
        f"{newest}. `dicomnode jobs --state failed` says why."
    )
    return [Condition("failed lesions", words)]


def _away(session: Session, minutes: float) -> list[Condition]:
    rows = session.scalars(
        select(Circuit)
        .where(Circuit.state != CircuitState.CLOSED, Circuit.opened_at < time.time() - minutes * 60)
        .order_by(Circuit.destination)
    )
    return [
        Condition(
            f"destination away: {row.destination}",
            f"No answer since {_moment(row.opened_at)}, {row.failures} attempts in a row.",
        )
        for row in rows
    ]


def _not_fetched(session: Session) -> list[Condition]:
    count = session.scalar(
        select(func.count())
        .select_from(Retrieval)
        .where(
            Retrieval.state.in_(_FAILING),
            Retrieval.lesions.any(Lesion.state == LesionState.WAITING),
        )
    )
    if not count:
        return []
    words = (
        f"{count} retrieval(s) that lesions wait for were refused, or tried as often as allowed. "
        "`dicomnode jobs` says why."
    )
    return [Condition("retrieving", words)]


def _moment(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M UTC")
