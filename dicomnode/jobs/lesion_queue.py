"""The durable queue: which lesions a node may work at, and what came of the work."""

from __future__ import annotations

import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import case, or_, select, update
from sqlalchemy.orm import Session

from dicomnode.jobs.publish import PublishedObject, PublishRequest
from dicomnode.jobs.segment import SegmentOutcome, SegmentRequest
from dicomnode.marks.serialised import from_json
from dicomnode.settings import PublishSettings
from dicomnode.store.instances import paths_of
from dicomnode.store.states import DeliveryState, LesionState
from dicomnode.store.tables import Delivery, Instance, Lesion, Result
from pipelines.recist import RecistAxes

WORK = (LesionState.READY, LesionState.SEGMENTED)
"""States from which a node goes on working."""


@dataclass(frozen=True)
class Folders:
    """Where the node keeps what it makes."""

    soft_masks: Path
    results: Path


def release_own(session: Session, node_name: str) -> None:
    """Give up the leases of this node's former life: nobody works at them now."""
    session.execute(
        update(Lesion).where(Lesion.leased_by == node_name).values(lease_until=None, leased_by=None)
    )


def claim(
    session: Session, node_name: str, lease_s: float, limit: int, running: Collection[int]
) -> Sequence[Lesion]:
    """Lease lesions to this node, those nearest to their end first.

    A lesion whose work has failed before is given out alone, when nothing else runs: should it
    take its worker down again, it takes no other lesion's work along.
    """
    now = time.time()
    free = (
        Lesion.state.in_(WORK),
        or_(Lesion.lease_until.is_(None), Lesion.lease_until < now),
        Lesion.id.not_in(running),
    )
    order = (case((Lesion.state == LesionState.SEGMENTED, 0), else_=1), Lesion.id)
    query = select(Lesion).order_by(*order).with_for_update(skip_locked=True)
    suspect = select(Lesion.id).where(Lesion.id.in_(running), Lesion.attempts > 0).limit(1)
    if session.scalar(suspect) is not None:
        return []
    lesions = session.scalars(query.where(*free, Lesion.attempts == 0).limit(limit)).all()
    if not lesions and not running:
        lesions = session.scalars(query.where(*free).limit(1)).all()
    for lesion in lesions:
        lesion.lease_until = now + lease_s
        lesion.leased_by = node_name
    return lesions


def segment_request(session: Session, lesion: Lesion, folders: Folders) -> SegmentRequest:
    """Say what a worker needs to segment a ready lesion."""
    return SegmentRequest(
        slices=tuple(paths_of(session, lesion.slices)),
        key_index=lesion.slices.index(lesion.key_sop_instance_uid),
        axes=RecistAxes(lesion.long_axis, lesion.short_axis),
        method=lesion.method,
        parameters=lesion.parameters,
        target=folders.soft_masks / f"{lesion.mark_key}.npz",
    )


def publish_request(
    session: Session, lesion: Lesion, folders: Folders, settings: PublishSettings
) -> PublishRequest:
    """Say what a worker needs to publish a segmented lesion."""
    source = session.get_one(Instance, lesion.source_sop_instance_uid)
    return PublishRequest(
        slices=tuple(paths_of(session, lesion.slices)),
        soft_mask=Path(lesion.soft_mask_path),
        mark=from_json(lesion.mark),
        source=Path(source.path),
        lesion_number=lesion.id,
        series_number=settings.series_number,
        omit_empty_frames=settings.omit_empty_frames,
        folder=folders.results / lesion.study_instance_uid,
    )


def record_segmented(session: Session, lesion_id: int, target: Path, made: SegmentOutcome) -> None:
    """The soft mask is on disk."""
    lesion = session.get_one(Lesion, lesion_id)
    lesion.state = LesionState.SEGMENTED
    lesion.soft_mask_path = str(target)
    lesion.volume_ml = made.volume_ml
    lesion.seconds = made.seconds
    lesion.warnings = [*lesion.warnings, *made.warnings]
    _let_go(lesion)


def record_published(session: Session, lesion_id: int, objects: Sequence[PublishedObject]) -> None:
    """The objects are on disk: each gets one delivery for each destination of its lesion."""
    lesion = session.get_one(Lesion, lesion_id)
    for made in objects:
        result = session.scalar(
            select(Result).where(Result.sop_instance_uid == made.sop_instance_uid)
        )
        if result is None:
            result = Result(lesion_id=lesion.id, sop_instance_uid=made.sop_instance_uid)
            session.add(result)
        result.kind = made.kind
        result.sop_class_uid = made.sop_class_uid
        result.path = str(made.path)
        result.size = made.size
        session.flush()
        sent_to = {delivery.destination for delivery in result.deliveries}
        for destination in lesion.destinations:
            if destination not in sent_to:
                session.add(
                    Delivery(
                        result_id=result.id,
                        destination=destination,
                        state=DeliveryState.QUEUED,
                    )
                )
    lesion.state = LesionState.PUBLISHED
    _let_go(lesion)


def record_refused(session: Session, lesion_id: int, reason: str) -> None:
    """The mark and the voxels give no result."""
    lesion = session.get_one(Lesion, lesion_id)
    lesion.state = LesionState.REFUSED
    lesion.reason = reason
    _let_go(lesion)


def record_fault(session: Session, lesion_id: int, fault: str, attempts: int) -> LesionState:
    """The work broke: it is tried again, or parked when it has broken `attempts` times."""
    lesion = session.get_one(Lesion, lesion_id)
    failed = lesion.attempts + 1
    _let_go(lesion)
    lesion.attempts = failed
    lesion.reason = f"attempt {failed} of {attempts}: {fault}"
    if failed >= attempts:
        lesion.state = LesionState.FAILED
    return lesion.state


def postpone(session: Session, lesion_id: int, reason: str, wait_s: float) -> None:
    """The node, not the lesion, is at fault: keep the lesion from being claimed for a while."""
    lesion = session.get_one(Lesion, lesion_id)
    lesion.reason = reason
    lesion.lease_until = time.time() + wait_s


def _let_go(lesion: Lesion) -> None:
    lesion.lease_until = None
    lesion.leased_by = None
    lesion.attempts = 0
    if lesion.state in (LesionState.SEGMENTED, LesionState.PUBLISHED):
        lesion.reason = None
