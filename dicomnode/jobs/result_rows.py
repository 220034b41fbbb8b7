"""Rows of what was made: from a lesion's row to its files, and from an object to its deliveries."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.orm import Session

from dicomnode.frames import FrameFile, frame_of
from dicomnode.jobs.publish import LesionFiles, PublishedObject
from dicomnode.marks.serialised import from_json
from dicomnode.store.instances import paths_of
from dicomnode.store.states import DeliveryState
from dicomnode.store.tables import Delivery, Lesion, Result
from dicomnode.store.verdicts import hold_or_release


def slice_files(session: Session, names: Sequence[str]) -> tuple[Path | FrameFile, ...]:
    """Files of slices, and frames in them, by their names (`slice_name`)."""
    places = [frame_of(name) for name in names]
    paths = paths_of(session, [uid for uid, _ in places])
    return tuple(
        path if frame is None else FrameFile(path, frame)
        for path, (_, frame) in zip(paths, places, strict=True)
    )


def lesion_files(session: Session, lesion: Lesion) -> LesionFiles:
    """Say where all that a segmented lesion is made of lies."""
    mark = from_json(lesion.mark)
    return LesionFiles(
        slices=slice_files(session, lesion.slices),
        soft_mask=Path(lesion.soft_mask_path),
        mark=mark,
        sources=tuple(paths_of(session, mark.objects)),
        lesion_number=lesion.id,
    )


def record_object(
    session: Session,
    made: PublishedObject,
    lesion_id: int | None = None,
    only_accepted: Collection[str] = (),
) -> Result:
    """Give an object a row, or its row again, and a delivery for each of its destinations.

    Parameters
    ----------
    session : Session
        Writing.
    made : PublishedObject
    lesion_id : int, optional
        Of the lesion that it was made of, where that is one.
    only_accepted : collection of str
        Destinations that get it only once a reader has accepted the soft mask that it was made of.
    """
    result = session.scalar(select(Result).where(Result.sop_instance_uid == made.sop_instance_uid))
    if result is None:
        result = Result(sop_instance_uid=made.sop_instance_uid)
        session.add(result)
    result.lesion_id = lesion_id
    result.soft_mask = made.soft_mask
    result.kind = made.kind
    result.sop_class_uid = made.sop_class_uid
    result.path = str(made.path)
    result.size = made.size
    sent_to = {delivery.destination for delivery in result.deliveries}
    for delivery in result.deliveries:
        wanted = delivery.destination in made.destinations
        if wanted and delivery.state is DeliveryState.WITHDRAWN:
            delivery.state = DeliveryState.QUEUED
    for destination in made.destinations:
        if destination not in sent_to:
            result.deliveries.append(Delivery(destination=destination, state=DeliveryState.QUEUED))
    session.flush()
    for delivery in result.deliveries:
        delivery.only_accepted = delivery.destination in only_accepted
        hold_or_release(session, delivery)
    return result
