"""What retention would delete now, and why."""

from __future__ import annotations

import time
from dataclasses import dataclass

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from dicomnode.retention.standing import StudyStanding, promises_of, standing_of
from dicomnode.settings import NodeSettings, RetentionSettings
from dicomnode.store.states import StudyState
from dicomnode.store.tables import Instance, Result

_DAY_S = 86400.0
_GB = 2**30


@dataclass(frozen=True)
class Planned:
    """A study that may go.

    Attributes
    ----------
    study : StudyStanding
    why : str
        What of the configuration says so.
    """

    study: StudyStanding
    why: str


def kept_bytes(session: Session) -> int:
    """Bytes of all objects that were received and made, and are still here."""
    received = session.scalar(select(func.coalesce(func.sum(Instance.size), 0)))
    made = session.scalar(select(func.coalesce(func.sum(Result.size), 0)).where(Result.path != ""))
    return int(received + made)


def plan_purge(session: Session, settings: NodeSettings, at: float | None = None) -> list[Planned]:
    """Say which studies may go now, the longest unchanged first.

    A study goes by its age where `[retention]` has days for its state. Where more than `max_gb` is
    kept, those in the states of `over_limit` go before their days are over, the longest unchanged
    first, until no more is kept. None that is younger than `at_least_h`, and none that is busy.

    Parameters
    ----------
    session : Session
    settings : NodeSettings
    at : float, optional
        Seconds since 1970; now unless given.
    """
    rules = settings.retention
    now = time.time() if at is None else at
    if not rules.deletes:
        return []
    promises = promises_of(settings.destinations)
    studies = []
    for uid in _older_than(session, now - _youngest_s(rules)):
        study = standing_of(session, uid, promises)
        if study is not None and study.state is not StudyState.BUSY:
            studies.append(study)
    studies.sort(key=lambda study: (study.last_change, study.study_instance_uid))
    planned, left = [], []
    for study in studies:
        days, age = rules.days(study.state), now - study.last_change
        if age < rules.at_least_h * 3600:
            continue
        if days and age >= days * _DAY_S:
            why = f"{study.state.value} for {age / _DAY_S:.1f} days, {days:g} are set"
            planned.append(Planned(study, why))
        elif study.state.value in rules.over_limit:
            left.append(study)
    if rules.max_gb:
        excess = kept_bytes(session) - sum(one.study.size for one in planned)
        excess -= int(rules.max_gb * _GB)
        for study in left:
            if excess <= 0:
                break
            why = f"{study.state.value}, and {excess / _GB:.2f} GB more than max_gb are kept"
            planned.append(Planned(study, why))
            excess -= study.size
    return planned


def _youngest_s(rules: RetentionSettings) -> float:
    """No study goes that received something so many seconds ago."""
    least = rules.at_least_h * 3600
    if rules.max_gb and rules.over_limit:
        return least
    days = [days for state in StudyState if (days := rules.days(state))]
    return max(least, min(days, default=0) * _DAY_S)


def _older_than(session: Session, before: float) -> list[str]:
    """Studies that received nothing since a moment."""
    newest = func.max(Instance.received_at)
    return list(
        session.scalars(
            select(Instance.study_instance_uid)
            .group_by(Instance.study_instance_uid)
            .having(newest <= before)
            .order_by(newest)
        )
    )
