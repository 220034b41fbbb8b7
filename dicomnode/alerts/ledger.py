"""Which conditions are to be told of: at most one message a condition and interval, and its end.

It is kept in rows (`dicomnode.store.tables.Alert`), so that a restart repeats nothing. A message
whose record a crash prevents is sent twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy import select
from sqlalchemy.orm import Session

from dicomnode.alerts.conditions import Condition
from dicomnode.store.tables import Alert


class Event(StrEnum):
    """Why there is a message."""

    RAISED = "raised"
    REPEATED = "repeated"
    """It still holds, an interval later."""
    RECOVERED = "recovered"


@dataclass(frozen=True)
class News:
    """One message that is due.

    Attributes
    ----------
    event : Event
    condition : str
    words : str
    since : float
        When it arose, in seconds since 1970.
    """

    event: Event
    condition: str
    words: str
    since: float


def news(session: Session, found: Sequence[Condition], now: float, interval_s: float) -> list[News]:
    """Bring the rows up to what holds now, and say what is to be told.

    What recovers within the interval and comes back is not told of again before the interval is
    over.

    Parameters
    ----------
    session : Session
        Writing.
    found : sequence of Condition
    now : float
        Seconds since 1970.
    interval_s : float
    """
    rows = {row.condition: row for row in session.scalars(select(Alert))}
    due = []
    for condition in found:
        row = rows.pop(condition.name, None)
        if row is None:
            row = Alert(condition=condition.name, raised_at=now, words=condition.words)
            session.add(row)
        row.words = condition.words
        event = Event.REPEATED if row.told_at is not None else Event.RAISED
        if row.recovered_at is not None and _is_over(row, now, interval_s):
            row.told_at = row.recovered_at = None
            row.raised_at, event = now, Event.RAISED
        if row.told_at is None or _is_over(row, now, interval_s):
            due.append(News(event, row.condition, row.words, row.raised_at))
    for row in rows.values():
        if row.told_at is None:  # it passed before anybody was told
            session.delete(row)
        elif row.recovered_at is None:
            due.append(News(Event.RECOVERED, row.condition, row.words, row.raised_at))
        elif _is_over(row, now, interval_s):
            session.delete(row)
    return due


def record_told(session: Session, one: News, now: float) -> None:
    """A message was given to a channel. Needs a session that is writing."""
    row = session.get_one(Alert, one.condition)
    if one.event is Event.RECOVERED:
        row.recovered_at = now
    else:
        row.told_at = now


def _is_over(row: Alert, now: float, interval_s: float) -> bool:
    return row.told_at is not None and now - row.told_at >= interval_s
