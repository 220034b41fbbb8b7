"""Which verdicts are to be told to whom, and what was told."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from dicomnode.deliver.confirmation import HELD
from dicomnode.jobs.publish import PublishedObject
from dicomnode.jobs.result_rows import record_object
from dicomnode.results.assessment import Judgement
from dicomnode.store.standing import withdraw_result
from dicomnode.store.states import Decision, DeliveryState, LesionState
from dicomnode.store.tables import Delivery, Lesion, Result, Verdict
from dicomnode.store.verdicts import HELD_BACK, REASONS

Accepts = Callable[[Session, str], bool | None]
"""Of a destination's name: whether it takes the document, None where that is not known."""

_NOT_THERE = (DeliveryState.WITHDRAWN, *HELD_BACK)


@dataclass(frozen=True)
class Telling:
    """One document to make.

    Attributes
    ----------
    judged : tuple of Path
        The objects that the verdict is about, and that the destinations have or are to get.
    predecessors : tuple of Path
        The newest verdict on the lesion that one of them has, or may have.
    destinations : tuple of str
    """

    judged: tuple[Path, ...]
    predecessors: tuple[Path, ...]
    destinations: tuple[str, ...]


def next_verdict(session: Session) -> Verdict | None:
    """The oldest verdict to be told whose lesion is published.

    Until a lesion is published, what it is judged by is not there: its verdict waits.
    """
    return session.scalar(
        select(Verdict)
        .join(Lesion, Lesion.id == Verdict.lesion_id)
        .where(Verdict.told.is_(False), Lesion.state == LesionState.PUBLISHED)
        .order_by(Verdict.id)
        .limit(1)
    )


def judgement_of(verdict: Verdict) -> Judgement:
    """What a verdict says."""
    return Judgement(
        key=f"{verdict.soft_mask} {verdict.mended_digest} {verdict.at!r} {verdict.decision.value}",
        who=verdict.who,
        at=verdict.at,
        accepted=verdict.decision is Decision.ACCEPTED,
        mended=verdict.mended_digest is not None,
        reason=verdict.reason,
        meaning=verdict.reason and REASONS[verdict.reason],
        words=verdict.words,
    )


def tellings(
    session: Session, verdict: Verdict, wanting: Collection[str], accepts: Accepts
) -> tuple[Telling, ...]:
    """Say who is told of a verdict, and of which objects.

    A destination is told of what it has, or is to get, of the soft mask that was judged; of what is
    held back from it, it never heard. Only the newest verdict on a lesion is told.

    Parameters
    ----------
    session : Session
    verdict : Verdict
    wanting : collection of str
        Destinations that want to be told.
    accepts : callable
    """
    lesion = session.get_one(Lesion, verdict.lesion_id)
    if lesion.verdicts[-1].id != verdict.id:
        return ()
    made = [r for r in lesion.results if r.soft_mask == verdict.stands_for and r.path]
    shared: dict[tuple[tuple[Path, ...], tuple[Path, ...]], list[str]] = {}
    for name in lesion.destinations or ():
        if name not in wanting or accepts(session, name) is False:
            continue
        judged = tuple(
            Path(result.path)
            for result in made
            if any(
                one.destination == name and one.state not in _NOT_THERE for one in result.deliveries
            )
        )
        if judged:
            shared.setdefault((judged, _newest(session, lesion.id, name)), []).append(name)
    return tuple(Telling(*key, tuple(names)) for key, names in shared.items())


def record_told(session: Session, verdict: Verdict, objects: Sequence[PublishedObject]) -> None:
    """The documents are on disk: each gets its deliveries, and older ones are sent no more.

    Needs a session that is writing.
    """
    made = {item.sop_instance_uid for item in objects}
    earlier = select(Result).where(
        Result.lesion_id == verdict.lesion_id,
        Result.verdict_id.is_not(None),
        Result.sop_instance_uid.not_in(made),
    )
    if objects:
        for result in session.scalars(earlier).all():
            withdraw_result(result)
    for item in objects:
        record_object(session, item, verdict.lesion_id).verdict_id = verdict.id
    session.execute(
        update(Verdict)
        .where(Verdict.lesion_id == verdict.lesion_id, Verdict.id <= verdict.id)
        .values(told=True)
    )


def _newest(session: Session, lesion_id: int, destination: str) -> tuple[Path, ...]:
    path = session.scalar(
        select(Result.path)
        .join(Result.deliveries)
        .where(
            Result.lesion_id == lesion_id,
            Result.verdict_id.is_not(None),
            Result.path != "",  # else its study was deleted
            Delivery.destination == destination,
            Delivery.state.in_((DeliveryState.SENT, *HELD)),
        )
        .order_by(Result.id.desc())
        .limit(1)
    )
    return () if path is None else (Path(path),)
