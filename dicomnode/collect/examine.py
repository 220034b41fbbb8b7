"""Read the marks of newly received objects into rows."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass

import pydicom
from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from dicomnode.faults import describe_fault
from dicomnode.marks import MarkReading, RecistMark, Refusal, read_marks
from dicomnode.marks.serialised import to_json
from dicomnode.store.database import Database
from dicomnode.store.states import DeliveryState, InstanceState, LesionState
from dicomnode.store.tables import Finding, Instance, Lesion, Result

logger = logging.getLogger(__name__)

OWN_RESULT = "made by this node; its own results are not read as marks"


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
    """

    lesions: tuple[int, ...]
    requeued: int


def examine_received(database: Database) -> Examined:
    """Examine every object that may hold marks and was not yet read."""
    with database.read() as session:
        waiting = session.execute(
            select(Instance.sop_instance_uid, Instance.path)
            .where(Instance.state == InstanceState.RECEIVED)
            .order_by(Instance.received_at)
        ).all()
    lesions: list[int] = []
    requeued = 0
    for uid, path in waiting:
        reading = _read(path)
        with database.write() as session:
            opened, again = _record(session, uid, reading)
        lesions += opened
        requeued += again
        logger.info(
            "mark.examined sop=%s marks=%d refusals=%d",
            uid,
            len(reading.marks),
            len(reading.refusals),
        )
    return Examined(tuple(lesions), requeued)


def _read(path: str) -> MarkReading:
    try:
        return read_marks(pydicom.dcmread(path, stop_before_pixels=True))
    except Exception as error:  # one unreadable object must not stop the others
        reason = f"cannot be read: {describe_fault(error)}"
        return MarkReading(refusals=(Refusal("1", reason),))


def _record(session: Session, uid: str, reading: MarkReading) -> tuple[list[int], int]:
    session.execute(delete(Finding).where(Finding.source_sop_instance_uid == uid))
    session.execute(
        update(Instance)
        .where(Instance.sop_instance_uid == uid)
        .values(state=InstanceState.EXAMINED)
    )
    if session.scalar(select(Result.id).where(Result.sop_instance_uid == uid)) is not None:
        session.add(Finding(source_sop_instance_uid=uid, item="1", reason=OWN_RESULT))
        return [], 0
    for refusal in reading.refusals:
        session.add(Finding(source_sop_instance_uid=uid, item=refusal.item, reason=refusal.reason))
    opened, requeued = [], 0
    for mark in reading.marks:
        lesion = session.scalar(select(Lesion).where(Lesion.mark_key == mark.key))
        if lesion is None:
            lesion = _new_lesion(session, mark)
            opened.append(lesion.id)
        elif lesion.state in (LesionState.REFUSED, LesionState.FAILED):
            _reopen(lesion)
            opened.append(lesion.id)
        else:
            requeued += _send_again(lesion)
        session.add(Finding(source_sop_instance_uid=uid, item=mark.item, lesion_id=lesion.id))
    return opened, requeued


def _new_lesion(session: Session, mark: RecistMark) -> Lesion:
    lesion = Lesion(
        mark_key=mark.key,
        mark=to_json(mark),
        source_sop_instance_uid=mark.source_sop_instance_uid,
        key_sop_instance_uid=mark.referenced_sop_instance_uid,
        frame_of_reference_uid=mark.frame_of_reference_uid,
        state=LesionState.WAITING,
        reason="not yet joined to its CT",
        warnings=[],
    )
    session.add(lesion)
    session.flush()
    return lesion


def _reopen(lesion: Lesion) -> None:
    """Start a lesion over whose mark came again."""
    lesion.state = LesionState.WAITING
    lesion.reason = "the mark came again"
    lesion.waiting_since = time.time()
    lesion.rule = None
    lesion.attempts = 0


def _send_again(lesion: Lesion) -> int:
    """Give the dead letters of a lesion, whose mark came again, another life."""
    letters = [
        delivery
        for result in lesion.results
        for delivery in result.deliveries
        if delivery.state in (DeliveryState.REFUSED, DeliveryState.EXHAUSTED)
    ]
    for delivery in letters:
        delivery.state = DeliveryState.QUEUED
        delivery.attempts = 0
        delivery.due_at = time.time()
    return len(letters)
