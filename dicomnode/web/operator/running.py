"""How the node runs: queues, throughput, disk."""

from __future__ import annotations

import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import func, select
from sqlalchemy.orm import InstrumentedAttribute, Session

from dicomnode.metrics.rows import queues
from dicomnode.settings import NodeSettings
from dicomnode.store.states import LesionState
from dicomnode.store.tables import Alert, Delivery, Lesion, Result
from dicomnode.version import VERSION

_HOUR_S = 3600
_HOURS = 24


@dataclass(frozen=True)
class Queue:
    """What waits for one step."""

    name: str
    length: int
    oldest_s: float


@dataclass(frozen=True)
class Hour:
    """What was done in one hour; `began_at` in seconds since 1970."""

    began_at: float
    marks: int
    results: int
    accepted: int


@dataclass(frozen=True)
class Disk:
    """One place that the node writes to."""

    path: str
    free: int
    size: int
    reserve: int
    marks_only: int


@dataclass(frozen=True)
class Condition:
    """Something that an administrator is told of."""

    condition: str
    since: float
    words: str


@dataclass(frozen=True)
class Running:
    """How the node runs."""

    version: str
    now: float
    queues: tuple[Queue, ...]
    lesions: dict[LesionState, int]
    hours: tuple[Hour, ...]
    disks: tuple[Disk, ...]
    conditions: tuple[Condition, ...]


def read_running(session: Session, settings: NodeSettings) -> Running:
    """Read figures from rows and disks.

    Parameters
    ----------
    session : Session
    settings : NodeSettings
    """
    now = time.time()
    states = session.execute(select(Lesion.state, func.count()).group_by(Lesion.state))
    raised = select(Alert).where(Alert.recovered_at.is_(None)).order_by(Alert.raised_at)
    return Running(
        VERSION,
        now,
        tuple(
            Queue(name, length, 0.0 if since is None else max(0.0, now - since))
            for name, length, since in queues(session)
        ),
        {state: count for state, count in states},
        _hours(session, now),
        tuple(_disk(settings, str(place)) for place in settings.store.places),
        tuple(
            Condition(alert.condition, alert.raised_at, alert.words)
            for alert in session.scalars(raised)
        ),
    )


def _hours(session: Session, now: float) -> tuple[Hour, ...]:
    first = (int(now) // _HOUR_S - _HOURS + 1) * _HOUR_S
    columns: Sequence[InstrumentedAttribute] = (
        Lesion.waiting_since,
        Result.created_at,
        Delivery.accepted_at,
    )
    counts = [[0] * _HOURS for _ in columns]
    for found, column in zip(counts, columns, strict=True):
        for moment in session.scalars(select(column).where(column >= first)):
            found[min(int(moment - first) // _HOUR_S, _HOURS - 1)] += 1
    return tuple(
        Hour(first + number * _HOUR_S, *row) for number, row in enumerate(zip(*counts, strict=True))
    )


def _disk(settings: NodeSettings, path: str) -> Disk:
    found = shutil.disk_usage(path)
    return Disk(
        path,
        found.free,
        found.total,
        settings.store.reserve_mb * 2**20,
        settings.pressure.marks_only_mb * 2**20,
    )
