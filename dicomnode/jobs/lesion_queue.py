"""The durable queue: which lesions are to be worked at, and what came of the work.

A store has one worker (`dicomnode.store.lock`), so that who works at what needs no row.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import case, select
from sqlalchemy.orm import Session

from dicomnode.jobs.publish import PublishedObject, PublishRequest
from dicomnode.jobs.read_masks import MaskPrior
from dicomnode.jobs.result_rows import lesion_files, record_object, slice_files
from dicomnode.jobs.segment import SegmentOutcome, SegmentRequest
from dicomnode.jobs.variants import Ladders
from dicomnode.marks.serialised import from_json
from dicomnode.store.instances import paths_of
from dicomnode.store.refusals import lesion_changed
from dicomnode.store.standing import supersede_replaced, unsettle_replaced, withdraw
from dicomnode.store.states import LesionState
from dicomnode.store.summaries import touch
from dicomnode.store.tables import Lesion
from pipelines.networks.options import NetworkOptions
from pipelines.recist import RecistAxes

WORK = (LesionState.READY, LesionState.SEGMENTED)
"""States from which a node goes on working."""


@dataclass(frozen=True)
class Folders:
    """Where the node keeps what it makes."""

    soft_masks: Path
    results: Path


def next_work(session: Session, limit: int, taken: Collection[int]) -> Sequence[Lesion]:
    """Choose lesions to work at, those nearest to their end first.

    A lesion whose work has failed before is given out alone, when nothing else runs: should it
    take all memory again, the kernel ends no other lesion's worker in its place.

    Parameters
    ----------
    session : Session
    limit : int
        At most so many.
    taken : collection of int
        Ids of lesions that are being worked at, or are postponed.
    """
    suspect = select(Lesion.id).where(Lesion.id.in_(taken), Lesion.attempts > 0).limit(1)
    if session.scalar(suspect) is not None:
        return []
    order = (case((Lesion.state == LesionState.SEGMENTED, 0), else_=1), Lesion.id)
    free = select(Lesion).where(Lesion.state.in_(WORK), Lesion.id.not_in(taken)).order_by(*order)
    lesions = session.scalars(free.where(Lesion.attempts == 0).limit(limit)).all()
    if not lesions and not taken:
        lesions = session.scalars(free.limit(1)).all()
    return lesions


def segment_request(
    session: Session, lesion: Lesion, folders: Folders, networks: NetworkOptions
) -> SegmentRequest:
    """Say what a worker needs to segment a ready lesion."""
    return SegmentRequest(
        slices=slice_files(session, lesion.slices),
        key_index=(
            lesion.slices.index(lesion.key_sop_instance_uid)
            if lesion.key_sop_instance_uid in lesion.slices
            else None
        ),
        prior=_prior(session, lesion),
        method=lesion.method,
        parameters=lesion.parameters,
        target=_target(lesion, folders),
        networks=networks,
    )


def _target(lesion: Lesion, folders: Folders) -> Path:
    """Where the soft mask goes of what the lesion holds now: other opinions, another file."""
    mark = from_json(lesion.mark)
    as_found = len(mark.opinions) == 1 and lesion.absent_seg is None
    name = lesion.mark_key if as_found else f"{lesion.mark_key}-{mark.key[:16]}"
    return folders.soft_masks / f"{name}.npz"


def is_wanted(
    session: Session, lesion_id: int, request: SegmentRequest | PublishRequest, folders: Folders
) -> bool:
    """Whether what comes of a request still counts.

    Not, where meanwhile another lesion took its place, or it got other readers' opinions.
    """
    lesion = session.get_one(Lesion, lesion_id)
    if isinstance(request, SegmentRequest):
        return lesion.state is LesionState.READY and request.target == _target(lesion, folders)
    made_of = str(request.lesion.soft_mask)
    return lesion.state is LesionState.SEGMENTED and made_of == lesion.soft_mask_path


def _prior(session: Session, lesion: Lesion) -> RecistAxes | MaskPrior:
    """Masks, where there is one: they say more than axes beside them."""
    axes = RecistAxes(lesion.long_axis, lesion.short_axis)
    opinions = tuple(o for o in from_json(lesion.mark).opinions if o.has_mask)
    if not opinions:
        return axes
    uids = sorted({o.segment.seg_sop_instance_uid for o in opinions if o.segment is not None})
    return MaskPrior(opinions, tuple(zip(uids, paths_of(session, uids), strict=True)), axes)


def publish_request(
    session: Session, lesion: Lesion, folders: Folders, ladders: Ladders
) -> PublishRequest:
    """Say what a worker needs to publish a segmented lesion."""
    return PublishRequest(
        lesion=lesion_files(session, lesion),
        variants=ladders.variants(
            session,
            () if lesion.dry_run else lesion.destinations,
            "lesion",
            lesion.wanted_results,
        ),
        folder=folders.results / lesion.study_instance_uid,
    )


def record_segmented(session: Session, lesion_id: int, target: Path, made: SegmentOutcome) -> None:
    """The soft mask is on disk."""
    lesion = session.get_one(Lesion, lesion_id)
    if lesion.state is LesionState.SUPERSEDED:  # superseded while it was worked at
        return
    lesion.state = LesionState.SEGMENTED
    lesion.soft_mask_path = str(target)
    lesion.volume_ml = made.volume_ml
    lesion.seconds = made.seconds
    lesion.warnings = list(dict.fromkeys((*lesion.warnings, *made.warnings)))
    lesion.attempts = 0
    lesion.reason = None


def record_published(
    session: Session,
    lesion_id: int,
    objects: Sequence[PublishedObject],
    gather_s: float = 0.0,
    only_accepted: Collection[str] = (),
) -> None:
    """The objects are on disk: each gets one delivery for each destination that wants it.

    Objects of the whole series are made `gather_s` seconds later, with lesions that follow. The
    destinations `only_accepted` get them once a reader has accepted the soft mask.
    """
    lesion = session.get_one(Lesion, lesion_id)
    if lesion.state is LesionState.SUPERSEDED:  # superseded while it was worked at
        return
    for made in objects:
        record_object(session, made, lesion.id, only_accepted)
    lesion.state = LesionState.PUBLISHED
    lesion.attempts = 0
    lesion.reason = None
    if lesion.dry_run:  # nobody gets it: what others have, or are about to get, stays as it is
        lesion_changed(session, lesion_id)
        return
    # Only now: until here, what was published before could have been all that there is.
    withdraw(session, lesion, but=frozenset(made.sop_instance_uid for made in objects))
    supersede_replaced(session, lesion_id)
    touch(session, lesion, gather_s)
    lesion_changed(session, lesion_id)


def record_refused(session: Session, lesion_id: int, reason: str) -> None:
    """The mark and the voxels give no result."""
    lesion = session.get_one(Lesion, lesion_id)
    if lesion.state is LesionState.SUPERSEDED:
        return
    lesion.state = LesionState.REFUSED
    lesion.reason = reason
    lesion.attempts = 0
    unsettle_replaced(session, lesion_id)
    lesion_changed(session, lesion_id)


def record_fault(session: Session, lesion_id: int, fault: str, attempts: int) -> LesionState:
    """The work broke: it is tried again, or parked when it has broken `attempts` times."""
    lesion = session.get_one(Lesion, lesion_id)
    if lesion.state is LesionState.SUPERSEDED:
        return lesion.state
    lesion.attempts += 1
    lesion.reason = f"attempt {lesion.attempts} of {attempts}: {fault}"
    if lesion.attempts >= attempts:
        lesion.state = LesionState.FAILED
        unsettle_replaced(session, lesion_id)
        lesion_changed(session, lesion_id)
    return lesion.state


def record_postponed(session: Session, lesion_id: int, reason: str) -> None:
    """The node, not the lesion, is at fault, and tries again later."""
    session.get_one(Lesion, lesion_id).reason = reason
