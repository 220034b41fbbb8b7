"""Rows of lesions that are ready to be worked at, for the tests of the queue."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from pydicom.uid import CTImageStorage

from dicomnode.jobs.publish import PublishedObject
from dicomnode.marks import RecistMark
from dicomnode.marks.serialised import to_json
from dicomnode.receive.sop_classes import CT_CLASSES
from dicomnode.store.database import Database
from dicomnode.store.instances import InstanceIndex
from dicomnode.store.received import InstanceHeader, ReceivedInstance
from dicomnode.store.states import LesionState
from dicomnode.store.tables import Lesion

SR = "1.2.840.10008.5.1.4.1.1.88.34"
SEG = "1.2.840.10008.5.1.4.1.1.66.4"
EXPLICIT = "1.2.840.10008.1.2.1"


def received(uid: str, path: Path, sop_class: str = CTImageStorage) -> ReceivedInstance:
    header = InstanceHeader(sop_class, uid, "1.2.1", "1.2.1.1", EXPLICIT)
    return ReceivedInstance(path, 100, header)


def add_lesion(
    database: Database,
    number: int,
    state: LesionState = LesionState.READY,
    paths: list[Path] | None = None,
    **changes: object,
) -> int:
    """Index two slices (or `paths`) and a report, and add a lesion that is marked on the first."""
    index = InstanceIndex(database, CT_CLASSES)
    paths = paths or [Path(f"/nowhere/{number}.{i}.dcm") for i in range(2)]
    slices = [f"1.2.3.{number}.{i}" for i in range(len(paths))]
    for uid, path in zip(slices, paths, strict=True):
        index.add(received(uid, path))
    source = f"1.2.4.{number}"
    index.add(received(source, Path(f"/nowhere/{number}.sr.dcm"), SR))
    mark = RecistMark(
        np.array([[1.0, 1], [5, 1]]), None, source, "1", referenced_sop_instance_uid=slices[0]
    )
    values = {
        "mark_key": f"{number:064d}",
        "mark": to_json(mark),
        "source_sop_instance_uid": source,
        "key_sop_instance_uid": slices[0],
        "study_instance_uid": "1.2.1",
        "series_instance_uid": "1.2.1.1",
        "slices": slices,
        "long_axis": [[0.0, 0, 0], [8, 0, 0]],
        "short_axis": None,
        "rule": "all",
        "method": "closed-form",
        "parameters": {},
        "destinations": ["pacs", "archive"],
        "state": state,
    }
    if state is LesionState.SEGMENTED:
        values["soft_mask_path"] = f"/nowhere/{number}.npz"
    with database.write() as session:
        lesion = Lesion(**(values | changes))
        session.add(lesion)
        session.flush()
        return lesion.id


def lesion(database: Database, lesion_id: int) -> Lesion:
    with database.read() as session:
        return session.get_one(Lesion, lesion_id)


def published(
    lesion_id: int, destinations: tuple[str, ...] = ("pacs", "archive")
) -> tuple[PublishedObject, ...]:
    uid = f"1.2.9.{lesion_id}"
    path = Path(f"/nowhere/{uid}.dcm")
    return (PublishedObject("fractional-seg", SEG, uid, path, 10, destinations),)
