"""Read the marks of newly received objects into rows."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from dataclasses import dataclass

from pydicom.dataset import Dataset
from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from dicomnode.collect.statement import record_statement
from dicomnode.collect.supersede import leave
from dicomnode.faults import describe_fault
from dicomnode.marks import MarkReading, Refusal, read_marks
from dicomnode.marks.authorship import Authorship, read_authorship
from dicomnode.marks.dicom_object import UnreadableMarkFile, read_object
from dicomnode.marks.lesion_mark import LesionMark, lesions_of
from dicomnode.marks.serialised import from_json, to_json
from dicomnode.results.lesion_result import Equipment
from dicomnode.store.database import Database
from dicomnode.store.refusals import lesions_changed, object_changed, send_again
from dicomnode.store.states import DEAD_LETTERS, DeliveryState, InstanceState, LesionState
from dicomnode.store.tables import Finding, Instance, Lesion, Result

logger = logging.getLogger(__name__)

OWN_RESULT = "made by this node; its own results are not read as marks"
OWN_KIND = "a result of this software; such results are not read as marks"
LEFT_ALONE = frozenset({OWN_RESULT, OWN_KIND})
"""Reasons that are no refusal of somebody's mark: nobody is told of them."""
REFERS_TO_OWN = "refers to a result of this node; its own results are not read as marks"
_TO_REOPEN = (LesionState.REFUSED, LesionState.FAILED)
GONE = "its object came again without it"


@dataclass(frozen=True)
class Examined:
    """What reading new objects came to.

    Attributes
    ----------
    lesions : tuple of int
        Ids of the lesions to join: those that are new, and those whose mark came again after
        they had been refused or had failed.
    requeued : int
        Dead letters that are sent again, because their mark came again.
    objects : int
        How many were read.
    """

    lesions: tuple[int, ...]
    requeued: int
    objects: int


def examine_received(database: Database) -> Examined:
    """Examine every object that may hold marks and was not yet read."""
    lesions: list[int] = []
    requeued = objects = 0
    for uid, path in _received(database):
        reading, authorship = _read(path)
        with database.write() as session:
            record_statement(session, uid, authorship)
            opened, again = _record(session, uid, reading)
        lesions += opened
        requeued += again
        objects += 1
        logger.info(
            "mark.examined sop=%s marks=%d outlines=%d segments=%d references=%d refusals=%d",
            uid,
            len(reading.marks),
            len(reading.outlines),
            len(reading.segments),
            len(reading.references),
            len(reading.refusals),
        )
    return Examined(tuple(lesions), requeued, objects)


def _received(database: Database) -> Iterator[tuple[str, str]]:
    """UIDs and paths of what is to be read; a SEG that is read brings reports back."""
    while True:
        with database.read() as session:
            found = session.execute(
                select(Instance.sop_instance_uid, Instance.path)
                .where(Instance.state == InstanceState.RECEIVED)
                .order_by(Instance.received_at)
            ).all()
        if not found:
            return
        yield from (tuple(row) for row in found)


def _read(path: str) -> tuple[MarkReading, Authorship]:
    try:
        with open(path, "rb") as file:
            dataset = read_object(file, stop_before_pixels=True)
        if is_result(dataset):
            return MarkReading(refusals=(Refusal("1", OWN_KIND),)), Authorship()
        return read_marks(dataset), read_authorship(dataset)
    except UnreadableMarkFile as error:
        reason = str(error)
    except Exception as error:  # one unreadable object must not stop the others
        reason = f"cannot be read: {describe_fault(error)}"
    return MarkReading(refusals=(Refusal("1", reason),)), Authorship()


def _record(session: Session, uid: str, reading: MarkReading) -> tuple[list[int], int]:
    before = _lesions_found_in(session, uid)
    session.execute(delete(Finding).where(Finding.source_sop_instance_uid == uid))
    session.execute(
        update(Instance)
        .where(Instance.sop_instance_uid == uid)
        .values(state=InstanceState.EXAMINED)
    )
    if _is_own_result(session, uid):
        session.add(Finding(source_sop_instance_uid=uid, item="1", reason=OWN_RESULT))
        return [], 0
    for refusal in reading.refusals:
        session.add(
            Finding(source_sop_instance_uid=uid, item=refusal.item[:64], reason=refusal.reason)
        )
    opened, reopened, requeued = [], [], send_again(session, uid)
    refused = any(refusal.reason not in LEFT_ALONE for refusal in reading.refusals)
    for mark in lesions_of(reading):
        if _refers_to_own_result(session, mark):
            item = mark.item[:64]
            session.add(Finding(source_sop_instance_uid=uid, item=item, reason=REFERS_TO_OWN))
            refused = True
            continue
        lesion = session.scalar(select(Lesion).where(Lesion.mark_key == mark.key))
        if lesion is None:
            lesion = _new_lesion(session, mark)
            opened.append(lesion.id)
        elif _is_to_reopen(session, lesion):
            _reopen(lesion, mark)
            opened.append(lesion.id)
            reopened.append(lesion.id)
        elif not _is_deleted(lesion):
            # Its mark was stated again, perhaps after it had been changed in another object.
            lesion.unsettled = True
            if lesion.state is not LesionState.SUPERSEDED:
                requeued += _send_again(lesion)
        for form in mark.opinions[0].forms:
            item = form.item[:64]
            session.add(Finding(source_sop_instance_uid=uid, item=item, lesion_id=lesion.id))
    session.flush()
    for lesion_id in before - _lesions_found_in(session, uid):
        _leave(session, lesion_id)
    object_changed(session, uid, refused=refused)
    lesions_changed(session, reopened)
    _bring_back_reports(session, uid)
    return opened, requeued


def _is_to_reopen(session: Session, lesion: Lesion) -> bool:
    """Whether a mark that came again is to be looked at from the start."""
    if lesion.state is LesionState.SUPERSEDED and lesion.replaced_by is None:  # it was gone
        return True
    if lesion.absent_seg is not None and session.get(Instance, lesion.absent_seg) is not None:
        return True
    if _is_deleted(lesion):  # what a destination never got is made anew
        deliveries = [one for result in lesion.results for one in result.deliveries]
        return any(one.state is DeliveryState.WITHDRAWN for one in deliveries)
    if lesion.state is LesionState.PUBLISHED and lesion.dry_run:  # rules may say otherwise now
        return True
    return lesion.state in _TO_REOPEN


def _is_deleted(lesion: Lesion) -> bool:
    """Whether the study of a lesion that was settled has been deleted since."""
    settled = (LesionState.PUBLISHED, LesionState.SUPERSEDED)
    return lesion.state in settled and lesion.slices is None


def _bring_back_reports(session: Session, uid: str) -> None:
    """A SEG came after all: read the objects again whose marks went on without it."""
    without = select(Lesion.source_sop_instance_uid).where(Lesion.absent_seg == uid)
    session.execute(
        update(Instance)
        .where(Instance.sop_instance_uid.in_(without), Instance.sop_instance_uid != uid)
        .values(state=InstanceState.RECEIVED)
    )


def is_result(dataset: Dataset) -> bool:
    """Whether an object is a result of this software, of this node or another one.

    Two nodes that send to one PACS would otherwise make masks of each other's masks. All kinds of
    results have the model name; what a reader changes and saves has that of the reader's viewer.
    """
    return str(dataset.get("ManufacturerModelName") or "") == Equipment.model_name


def _is_own_result(session: Session, uid: str) -> bool:
    return session.scalar(select(Result.id).where(Result.sop_instance_uid == uid)) is not None


def _refers_to_own_result(session: Session, mark: LesionMark) -> bool:
    segment = mark.opinions[0].segment
    return segment is not None and _is_own_result(session, segment.seg_sop_instance_uid)


def _lesions_found_in(session: Session, uid: str) -> set[int]:
    found = select(Finding.lesion_id).where(
        Finding.source_sop_instance_uid == uid, Finding.lesion_id.is_not(None)
    )
    return set(session.scalars(found))


def _leave(session: Session, lesion_id: int) -> None:
    """Drop a lesion that its object no longer holds, unless another object does."""
    elsewhere = select(Finding.id).where(Finding.lesion_id == lesion_id).limit(1)
    if session.scalar(elsewhere) is None:
        leave(session, lesion_id, GONE)
    else:
        session.get_one(Lesion, lesion_id).unsettled = True


def _new_lesion(session: Session, mark: LesionMark) -> Lesion:
    image, space = _where(mark)
    lesion = Lesion(
        mark_key=mark.key,
        mark=to_json(mark),
        source_sop_instance_uid=mark.source_sop_instance_uid,
        key_sop_instance_uid=image,
        frame_of_reference_uid=space,
        tracking_uid=mark.tracking_uid,
        state=LesionState.WAITING,
        reason="not yet joined to its CT",
        warnings=[],
    )
    session.add(lesion)
    session.flush()
    return lesion


def _where(mark: LesionMark) -> tuple[str | None, str | None]:
    """The object that a lesion waits for first, and the frame of reference of its points."""
    opinion = mark.opinions[0]
    if opinion.segment is not None:
        return opinion.segment.seg_sop_instance_uid, None
    if opinion.outline is not None:
        contour = opinion.outline.contours[0]
        return contour.referenced_sop_instance_uid, opinion.outline.frame_of_reference_uid
    return opinion.axes.referenced_sop_instance_uid, opinion.axes.frame_of_reference_uid


def reopen(lesion: Lesion, reason: str) -> None:
    """Start a lesion over as if its mark had come again: it meets its slices and neighbours anew.

    Others that it stood for may stand themselves by now. Needs a session that is writing.
    """
    absent = lesion.absent_seg
    # Its own opinion is the first; those of other readers come to it again when it is settled.
    _reopen(lesion, LesionMark(from_json(lesion.mark).opinions[:1]))
    lesion.absent_seg = absent
    lesion.reason = reason


def _reopen(lesion: Lesion, mark: LesionMark) -> None:
    """Start a lesion over whose mark came again."""
    lesion.mark = to_json(mark)
    lesion.key_sop_instance_uid, lesion.frame_of_reference_uid = _where(mark)
    lesion.absent_seg = None
    lesion.unsettled = False
    lesion.replaced_by = None
    lesion.state = LesionState.WAITING
    lesion.reason = "the mark came again"
    lesion.waiting_since = time.time()
    lesion.rule = None
    lesion.dry_run = False
    lesion.wanted_results = None
    lesion.attempts = 0


def _send_again(lesion: Lesion) -> int:
    """Give the dead letters of a lesion, whose mark came again, another life."""
    letters = [
        delivery
        for result in lesion.results
        for delivery in result.deliveries
        if delivery.state in DEAD_LETTERS
    ]
    for delivery in letters:
        delivery.state = DeliveryState.QUEUED
        delivery.attempts = 0
        delivery.due_at = time.time()
    return len(letters)
