"""In whatever order marks are refused, sent again and published: the last document is true."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dicomnode.jobs import lesion_queue
from dicomnode.marks import RecistMark
from dicomnode.marks.serialised import to_json
from dicomnode.receive.header import read_file
from dicomnode.receive.sop_classes import CT_CLASSES
from dicomnode.store.database import Database
from dicomnode.store.instances import InstanceIndex
from dicomnode.store.received import ReceivedInstance
from dicomnode.store.refusals import lesion_changed
from dicomnode.store.states import DeliveryState, LesionState
from dicomnode.store.tables import Base, Finding, Lesion
from tests.dicomnode.refusals.desk import ASKING, Desk, predecessors, reasons
from tests.dicomnode.studies import save, study

MARKS = 3
REASONS = ("too small", "too faint")
HELD = (DeliveryState.ACCEPTED, DeliveryState.SENT)

of_a_mark = st.tuples(
    st.sampled_from(["refuse", "again", "publish"]),
    st.integers(1, MARKS),
    st.sampled_from(REASONS),
)
events = st.lists(st.one_of(of_a_mark, st.sampled_from(["report", "deliver"])), max_size=14)
ends = st.lists(st.sampled_from([None, *REASONS]), min_size=MARKS, max_size=MARKS)

OBJECT = study("any order").report


def marks_of_an_object(database: Database, folder: Path) -> None:
    """An object that is here, with marks that wait for a CT."""
    (parcel,) = save([OBJECT], folder)
    found = read_file(parcel.path)
    InstanceIndex(database, CT_CLASSES).add(ReceivedInstance(parcel.path, found.size, found.header))
    uid = found.header.sop_instance_uid
    with database.write() as session:
        for number in range(1, MARKS + 1):
            points = np.array([[1.0, number], [5.0, number]])
            mark = RecistMark(points, None, uid, str(number), referenced_sop_instance_uid="1.2")
            session.add(
                Lesion(
                    id=number,
                    mark_key=f"{number:064d}",
                    mark=to_json(mark),
                    source_sop_instance_uid=uid,
                    state=LesionState.WAITING,
                    study_instance_uid="1.2.1",
                    series_instance_uid="1.2.1.1",
                    rule="rule 0",
                    method="occupancy",
                )
            )
            session.flush()
            session.add(Finding(source_sop_instance_uid=uid, item=str(number), lesion_id=number))


def happen(desk: Desk, what: str, number: int, reason: str) -> None:
    """One thing that becomes of a mark, if it can."""
    with desk.database.write() as session:
        lesion = session.get_one(Lesion, number)
        waits = lesion.state is LesionState.WAITING
        if what == "refuse" and waits:
            lesion_queue.record_refused(session, number, reason)
        elif what == "publish" and waits:
            lesion_queue.record_published(session, number, ())
        elif what == "again" and lesion.state is LesionState.REFUSED:
            lesion.state = LesionState.WAITING
            lesion_changed(session, number)


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(events, ends)
def test_the_last_document_says_what_is_refused(events, ends):
    with tempfile.TemporaryDirectory() as folder:
        database = Database(f"sqlite:///{Path(folder) / 'node.sqlite'}")
        Base.metadata.create_all(database.engine)
        try:
            marks_of_an_object(database, Path(folder) / "object")
            desk = Desk(database, Path(folder), [ASKING])
            for event in events:
                match event:
                    case "report":
                        desk.reporter.report_due()
                    case "deliver":
                        desk.deliver()
                    case what, number, reason:
                        happen(desk, what, number, reason)
            for number, reason in enumerate(ends, start=1):
                happen(desk, "refuse" if reason else "publish", number, reason or "")
            desk.reporter.report_due()
            desk.deliver()
            check(desk)
        finally:
            database.close()


def check(desk: Desk) -> None:
    refused = {
        (lesion.mark["item"], lesion.reason)
        for lesion in desk.lesions()
        if lesion.state is LesionState.REFUSED
    }
    kept = [
        document
        for delivery, document in zip(desk.deliveries(), desk.documents(), strict=True)
        if delivery.state in HELD
    ]
    named = [before for document in kept for before in predecessors(document)]
    # From the newest the way leads back over each once: none names itself, at any remove.
    assert len(named) == len(set(named)) == max(0, len(kept) - 1)
    assert set(named) < {document.SOPInstanceUID for document in kept} or not kept
    last = [document for document in kept if document.SOPInstanceUID not in named]
    assert [set(reasons(document)) for document in last] == ([refused] if kept else [])
    assert kept or not refused
