"""When objects that hold all lesions of a CT series are to be made."""

from __future__ import annotations

import time
from collections.abc import Sequence

from sqlalchemy import ColumnElement, and_, func, select
from sqlalchemy.orm import Session

from dicomnode.store.states import LesionState, SummaryState
from dicomnode.store.tables import Lesion, Summary

_AT_WORK = (LesionState.READY, LesionState.SEGMENTED)


def touch(session: Session, lesion: Lesion, gather_s: float = 0.0) -> None:
    """Say that a published lesion has come, changed or gone: its summary is made anew.

    Parameters
    ----------
    session : Session
        Writing.
    lesion : Lesion
        One that has been matched to a rule.
    gather_s : float
        Others may follow for so long, to be in the same summary.
    """
    key = (lesion.series_instance_uid, lesion.rule, lesion.method)
    summary = session.scalar(select(Summary).where(_of(*key)))
    if summary is None:
        series, rule, method = key
        summary = Summary(series_instance_uid=series, rule=rule, method=method, changes=0)
        session.add(summary)
    summary.state = SummaryState.WAITING
    summary.due_at = time.time() + gather_s
    summary.changes += 1
    summary.attempts = 0
    summary.reason = None


def due(session: Session, now: float) -> Sequence[Summary]:
    """Give the summaries whose time has come `now`, and none of whose lesions is worked at.

    Times are in seconds since 1970.
    """
    at_work = (
        select(Lesion.id)
        .where(
            Lesion.series_instance_uid == Summary.series_instance_uid,
            Lesion.rule == Summary.rule,
            Lesion.method == Summary.method,
            Lesion.state.in_(_AT_WORK),
        )
        .exists()
    )
    return session.scalars(
        select(Summary)
        .where(Summary.state == SummaryState.WAITING, Summary.due_at <= now, ~at_work)
        .order_by(Summary.due_at)
    ).all()


def next_due(session: Session, now: float) -> float | None:
    """When the next summary after `now` is due, if one is to come."""
    return session.scalar(
        select(func.min(Summary.due_at)).where(
            Summary.state == SummaryState.WAITING, Summary.due_at > now
        )
    )


def _of(series: str, rule: str, method: str) -> ColumnElement[bool]:
    return and_(
        Summary.series_instance_uid == series, Summary.rule == rule, Summary.method == method
    )
