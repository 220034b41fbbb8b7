"""The rows: which images are wanted, when a source is asked for them, and what it said."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Mapping, Sequence

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from dicomnode.deliver.backoff import wait_s
from dicomnode.retrieve.source import Failed
from dicomnode.retrieve.wanted import Want
from dicomnode.settings import RetrySettings, Source
from dicomnode.store.states import LesionState, RetrievalState
from dicomnode.store.tables import Instance, Lesion, Retrieval, lesion_retrieval

NOT_NEEDED = "nothing waits for it any more"
NO_SOURCE = "no source is left to be asked"

_IN_VAIN = 3
"""Attempts after which a series is taken as it is."""


def ask_for(session: Session, want: Want, lesion_ids: Iterable[int]) -> Retrieval:
    """Note that lesions wait for images; one retrieval serves all that want the same."""
    retrieval = session.scalar(select(Retrieval).where(Retrieval.wanted == want.words))
    if retrieval is None:
        retrieval = Retrieval(
            wanted=want.words,
            study_instance_uid=want.study_instance_uid,
            series_instance_uid=want.series_instance_uid,
            sop_instance_uid=want.sop_instance_uid,
            frame_of_reference_uid=want.frame_of_reference_uid,
            refused_by=[],
            state=RetrievalState.QUEUED,
        )
        session.add(retrieval)
        session.flush()
    elif retrieval.state is RetrievalState.DONE:
        # Whoever waited before has been served; this one starts anew.
        _start_over(retrieval)
    known = {lesion.id for lesion in retrieval.lesions}
    for lesion_id in lesion_ids:
        if lesion_id not in known:
            retrieval.lesions.append(session.get_one(Lesion, lesion_id))
    return retrieval


def was_asked(session: Session, series_instance_uid: str) -> bool:
    """Whether a source gave what it has of a series, or all were asked in vain for long enough."""
    want = Want("", series_instance_uid=series_instance_uid)
    retrieval = session.scalar(select(Retrieval).where(Retrieval.wanted == want.words))
    if retrieval is None:
        return False
    return (
        retrieval.state in (RetrievalState.REFUSED, RetrievalState.EXHAUSTED)
        or (retrieval.status == 0 and retrieval.attempts > 0)
        or retrieval.attempts >= _IN_VAIN
    )


def want_of(retrieval: Retrieval) -> Want:
    """What a row asks for."""
    return Want(
        retrieval.study_instance_uid,
        retrieval.series_instance_uid,
        retrieval.sop_instance_uid,
        retrieval.frame_of_reference_uid,
    )


def refuse(session: Session, want: Want, lesion_ids: Iterable[int], reason: str) -> Retrieval:
    """Note that images are wanted that no source is asked for."""
    retrieval = ask_for(session, want, lesion_ids)
    retrieval.state = RetrievalState.REFUSED
    retrieval.peer_words = reason
    return retrieval


def resume(session: Session, sources: Sequence[Source]) -> None:
    """At a start: take up what a crash left, and ask sources that are new."""
    session.execute(
        update(Retrieval)
        .where(Retrieval.state == RetrievalState.RUNNING)
        .values(state=RetrievalState.QUEUED)
    )
    names = {source.name for source in sources}
    for retrieval in session.scalars(
        select(Retrieval).where(Retrieval.state == RetrievalState.REFUSED)
    ):
        by_sources = retrieval.refused_by or retrieval.peer_words == NO_SOURCE
        if by_sources and not names <= set(retrieval.refused_by):
            _start_over(retrieval)


def look_again(session: Session, retry: RetrySettings) -> float | None:
    """Queue what is still waited for: after a while, or at once because its mark came again.

    Returns
    -------
    float or None
        When the next is to be looked at again.
    """
    now = time.time()
    came = (
        select(func.max(Instance.received_at))
        .join(Lesion, Lesion.source_sop_instance_uid == Instance.sop_instance_uid)
        .join(lesion_retrieval, lesion_retrieval.c.lesion_id == Lesion.id)
        .where(lesion_retrieval.c.retrieval_id == Retrieval.id, Lesion.state == LesionState.WAITING)
        .scalar_subquery()
    )
    rows = session.execute(
        select(Retrieval, came).where(Retrieval.state != RetrievalState.RUNNING, came.is_not(None))
    ).all()
    moments = []
    for retrieval, mark_came_at in rows:
        if mark_came_at > retrieval.changed_at:
            _start_over(retrieval)
        elif retrieval.state is RetrievalState.DONE:
            if retrieval.attempts >= retry.attempts:
                retrieval.state = RetrievalState.EXHAUSTED
            elif retrieval.due_at <= now:
                retrieval.state = RetrievalState.QUEUED
            else:
                moments.append(retrieval.due_at)
    return min(moments, default=None)


def _start_over(retrieval: Retrieval) -> None:
    retrieval.state = RetrievalState.QUEUED
    retrieval.attempts = 0
    retrieval.refused_by = []
    retrieval.due_at = time.time()


def requeue_lost(session: Session, running: Collection[int], retry: RetrySettings) -> None:
    """Queue attempts again that ended without a word, as where the database was away."""
    lost = session.scalars(
        select(Retrieval).where(
            Retrieval.state == RetrievalState.RUNNING, Retrieval.id.not_in(running)
        )
    )
    for retrieval in lost:
        retrieval.attempts += 1
        over = retrieval.attempts >= retry.attempts
        retrieval.state = RetrievalState.EXHAUSTED if over else RetrievalState.QUEUED
        retrieval.due_at = time.time() + wait_s(retrieval.attempts, retry)


def take_due(session: Session, count: int) -> list[int]:
    """Mark up to `count` retrievals that are due as running; give their ids, oldest first."""
    if count < 1:
        return []
    due = session.scalars(
        select(Retrieval)
        .where(Retrieval.state == RetrievalState.QUEUED, Retrieval.due_at <= time.time())
        .order_by(Retrieval.due_at, Retrieval.id)
    )
    taken = []
    for retrieval in due:
        if not any(lesion.state is LesionState.WAITING for lesion in retrieval.lesions):
            record_not_needed(retrieval)
            continue
        retrieval.state = RetrievalState.RUNNING
        taken.append(retrieval.id)
        if len(taken) == count:
            break
    return taken


def next_due(session: Session) -> float | None:
    """When the next retrieval is due, in seconds since 1970; None where none is queued."""
    return session.scalar(
        select(func.min(Retrieval.due_at)).where(Retrieval.state == RetrievalState.QUEUED)
    )


def calling_aes(session: Session, retrieval: Retrieval) -> list[str]:
    """Who sent the marks that wait for it."""
    return list(
        session.scalars(
            select(Instance.calling_ae)
            .distinct()
            .join(Lesion, Lesion.source_sop_instance_uid == Instance.sop_instance_uid)
            .join(lesion_retrieval, lesion_retrieval.c.lesion_id == Lesion.id)
            .where(
                lesion_retrieval.c.retrieval_id == retrieval.id,
                Lesion.state == LesionState.WAITING,
            )
        )
    )


def held(session: Session, series_instance_uid: str) -> set[str]:
    """Instances of a series that are here."""
    return set(
        session.scalars(
            select(Instance.sop_instance_uid).where(
                Instance.series_instance_uid == series_instance_uid
            )
        )
    )


def record_not_needed(retrieval: Retrieval) -> None:
    """Write down that there is no reason to ask any more; what a source gave stays told."""
    retrieval.state = RetrievalState.DONE
    if retrieval.status != 0:
        retrieval.peer_words = NOT_NEEDED


def record_done(
    session: Session,
    retrieval_id: int,
    source: str,
    words: str,
    instances: int,
    retry: RetrySettings,
    settle_s: float,
) -> Retrieval:
    """Write down that a source gave what it has.

    Parameters
    ----------
    session : Session
    retrieval_id : int
    source, words : str
        Who gave, and what there is to say of it.
    instances : int
        That came and were not here before.
    retry : RetrySettings
    settle_s : float
        Lesions may wait for so long before they are ready; the source is not asked again sooner.
    """
    retrieval = session.get_one(Retrieval, retrieval_id)
    retrieval.attempts += 1
    retrieval.state = RetrievalState.DONE
    retrieval.source = source
    retrieval.status = 0
    retrieval.peer_words = f"{source}: {words}"
    retrieval.instances += instances
    retrieval.due_at = time.time() + max(settle_s, wait_s(retrieval.attempts, retry))
    return retrieval


def record_failed(
    session: Session,
    retrieval_id: int,
    failures: Mapping[str, Failed],
    instances: int,
    open_sources: Collection[str],
    retry: RetrySettings,
) -> Retrieval:
    """Write down that no source gave it, and when they are asked again if they are.

    Parameters
    ----------
    session : Session
    retrieval_id : int
    failures : mapping from source name to Failed
        In the order that they were asked.
    instances : int
        That came all the same and were not here before.
    open_sources : collection of str
        Sources that apply and had not said no for good before this attempt.
    retry : RetrySettings
    """
    retrieval = session.get_one(Retrieval, retrieval_id)
    retrieval.attempts += 1
    retrieval.instances += instances
    refused = [name for name, failed in failures.items() if failed.final]
    retrieval.refused_by = [*retrieval.refused_by, *refused]
    if failures:
        *_, retrieval.source = failures
        retrieval.status = failures[retrieval.source].status
        retrieval.peer_words = "; ".join(f"{name}: {f.words}" for name, f in failures.items())
    elif not open_sources:
        retrieval.peer_words = NO_SOURCE
    if set(open_sources) <= set(refused):
        retrieval.state = RetrievalState.REFUSED
    elif retrieval.attempts >= retry.attempts:
        retrieval.state = RetrievalState.EXHAUSTED
    else:
        retrieval.state = RetrievalState.QUEUED
        retrieval.due_at = time.time() + wait_s(retrieval.attempts, retry)
    return retrieval
