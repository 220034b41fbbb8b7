"""The durable queue of summaries: objects that hold all lesions of one CT series."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.orm import Session

from dicomnode.deliver.confirmation import HELD
from dicomnode.jobs.publish import PublishedObject
from dicomnode.jobs.result_rows import lesion_files, record_object
from dicomnode.jobs.summarise import SummaryRequest, SummaryVariant
from dicomnode.jobs.variants import Ladders
from dicomnode.store.standing import withdraw_result
from dicomnode.store.states import DeliveryState, LesionState, SummaryState
from dicomnode.store.tables import Delivery, Lesion, Result, Summary
from dicomnode.store.verdicts import is_accepted


def summary_request(
    session: Session, summary: Summary, ladders: Ladders, results: Path
) -> SummaryRequest | None:
    """Say what a worker needs to make a summary; None where there is nothing to make.

    Parameters
    ----------
    session : Session
    summary : Summary
    ladders : Ladders
    results : Path
        Folder of the node's results.
    """
    lesions = session.scalars(
        select(Lesion)
        .where(
            Lesion.series_instance_uid == summary.series_instance_uid,
            Lesion.rule == summary.rule,
            Lesion.method == summary.method,
            Lesion.state == LesionState.PUBLISHED,
            Lesion.dry_run.is_(False),
            Lesion.soft_mask_path.is_not(None),  # else its study was deleted
        )
        .order_by(Lesion.id)
    ).all()
    if not lesions:
        return None
    # Lesions of one rule have the destinations that it named when each was matched.
    destinations = tuple(dict.fromkeys(name for found in lesions for name in found.destinations))
    shared: dict[tuple, list[str]] = {}
    accepted = [lesion for lesion in lesions if is_accepted(session, lesion)]
    for name in destinations:
        of = accepted if name in ladders.only_accepted else lesions
        if not of:
            continue
        twins = {lesion.id: _twins(lesion, name) for lesion in of}
        # The rule may have been changed between two of its lesions: the newer one says.
        wanted = next(one.wanted_results for one in reversed(lesions) if name in one.destinations)
        for variant in ladders.variants(session, [name], "series", wanted):
            key = (replace(variant, destinations=()), tuple(twins.items()))
            shared.setdefault(key, []).append(name)
    places = {lesion.id: place for place, lesion in enumerate(lesions)}
    variants = tuple(
        SummaryVariant(
            replace(variant, destinations=tuple(names)),
            tuple(twins for _, twins in of_lesions),
            _predecessors(session, summary, variant.rung, names),
            tuple(places[lesion_id] for lesion_id, _ in of_lesions),
        )
        for (variant, of_lesions), names in shared.items()
    )
    if not variants:
        return None
    return SummaryRequest(
        lesions=tuple(lesion_files(session, lesion) for lesion in lesions),
        variants=variants,
        folder=results / lesions[0].study_instance_uid,
    )


def record_summary(
    session: Session, summary_id: int, changes: int, objects: Sequence[PublishedObject]
) -> bool:
    """The objects are on disk: each gets its deliveries, and older ones are sent no more.

    Parameters
    ----------
    session : Session
        Writing.
    summary_id : int
    changes : int
        `Summary.changes` when the request was made.
    objects : sequence of PublishedObject

    Returns
    -------
    bool
        False where the lesions have changed meanwhile: it is made again, and these objects are
        not kept.
    """
    summary = session.get_one(Summary, summary_id)
    if summary.changes != changes:
        return False
    made = {item.sop_instance_uid for item in objects}
    for result in summary.results:
        if result.sop_instance_uid not in made:
            withdraw_result(result)
    for item in objects:
        record_object(session, item).summary_id = summary.id
    summary.state = SummaryState.PUBLISHED
    summary.attempts = 0
    summary.reason = None
    return True


def record_summary_fault(
    session: Session, summary_id: int, fault: str, attempts: int, wait_s: float
) -> SummaryState:
    """The work broke: it is tried again, or parked when it has broken `attempts` times."""
    summary = session.get_one(Summary, summary_id)
    summary.attempts += 1
    summary.reason = f"attempt {summary.attempts} of {attempts}: {fault}"
    summary.due_at = time.time() + wait_s
    if summary.attempts >= attempts:
        summary.state = SummaryState.FAILED
    return summary.state


def record_summary_refused(session: Session, summary_id: int, changes: int, reason: str) -> None:
    """The lesions give no such objects."""
    summary = session.get_one(Summary, summary_id)
    if summary.changes == changes:
        summary.state = SummaryState.FAILED
        summary.reason = reason


def _twins(lesion: Lesion, destination: str) -> tuple[Path, ...]:
    """What else was made of a lesion for a destination, in the order of the ladder."""
    return tuple(
        Path(result.path)
        for result in lesion.results
        if result.verdict_id is None
        and any(
            d.destination == destination and d.state is not DeliveryState.WITHDRAWN
            for d in result.deliveries
        )
    )


def _predecessors(
    session: Session, summary: Summary, rung: str, destinations: Sequence[str]
) -> tuple[Path, ...]:
    """The newest one of its kind that one of the destinations has, or may have."""
    newest = session.scalar(
        select(Result.path)
        .join(Result.deliveries)
        .where(
            Result.summary_id == summary.id,
            Result.path != "",  # else its study was deleted
            Result.kind == rung,
            Delivery.destination.in_(destinations),
            Delivery.state.in_((DeliveryState.SENT, *HELD)),
        )
        .order_by(Result.id.desc())
        .limit(1)
    )
    return () if newest is None else (Path(newest),)
