"""Read the marks of newly received objects into rows."""

from __future__ import annotations

import logging
import time

import pydicom
from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from dicomnode.faults import describe_fault
from dicomnode.marks import MarkReading, RecistMark, Refusal, read_marks
from dicomnode.marks.serialised import to_json
from dicomnode.store.database import Database
from dicomnode.store.states import InstanceState, LesionState
from dicomnode.store.tables import Finding, Instance, Lesion, Result

logger = logging.getLogger(__name__)

OWN_RESULT = "made by this node; its own results are not read as marks"


def examine_received(database: Database) -> list[int]:
    """Examine every object that may hold marks and was not yet read.

    Returns
    -------
    list of int
        Ids of the lesions to join: those that are new, and those whose mark came again after
        they had been refused or had failed.
    """
    with database.read() as session:
        waiting = session.execute(
            select(Instance.sop_instance_uid, Instance.path)
            .where(Instance.state == InstanceState.RECEIVED)
            .order_by(Instance.received_at)
        ).all()
    lesions: list[int] = []
    for uid, path in waiting:
        reading = _read(path)
        with database.write() as session:
            lesions += _record(session, uid, reading)
        logger.info(
            "mark.examined sop=%s marks=%d refusals=%d",
            uid,
            len(reading.marks),
            len(reading.refusals),
        )
    return lesions


def _read(path: str) -> MarkReading:
    try:
        return read_marks(pydicom.dcmread(path, stop_before_pixels=True))
    except Exception as error:  # one unreadable object must not stop the others
        reason = f"cannot be read: {describe_fault(error)}"
        return MarkReading(refusals=(Refusal("1", reason),))


def _record(session: Session, uid: str, reading: MarkReading) -> list[int]:
    session.execute(delete(Finding).where(Finding.source_sop_instance_uid == uid))
    session.execute(
        update(Instance)
        .where(Instance.sop_instance_uid == uid)
        .values(state=InstanceState.EXAMINED)
    )
    if session.scalar(select(Result.id).where(Result.sop_instance_uid == uid)) is not None:
        session.add(Finding(source_sop_instance_uid=uid, item="1", reason=OWN_RESULT))
        return []
    for refusal in reading.refusals:
        session.add(Finding(source_sop_instance_uid=uid, item=refusal.item, reason=refusal.reason))
    opened = []
    for mark in reading.marks:
        lesion, is_open = _lesion_of(session, mark)
        session.add(Finding(source_sop_instance_uid=uid, item=mark.item, lesion_id=lesion.id))
        if is_open:
            opened.append(lesion.id)
    return opened


def _lesion_of(session: Session, mark: RecistMark) -> tuple[Lesion, bool]:
    """Find or make the lesion of a mark, and say whether it is (again) to be joined."""
    lesion = session.scalar(select(Lesion).where(Lesion.mark_key == mark.key))
    if lesion is None:
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
        return lesion, True
    if lesion.state in (LesionState.REFUSED, LesionState.FAILED):
        lesion.state = LesionState.WAITING
        lesion.reason = "the mark came again"
        lesion.waiting_since = time.time()
        lesion.attempts = 0
        lesion.lease_until = None
        session.flush()
        return lesion, True
    return lesion, False
