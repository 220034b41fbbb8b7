"""A study of which something is still to be done is busy, whatever it is."""

from __future__ import annotations

import pytest

from dicomnode.retention.standing import Promise, promises_of, standing_of
from dicomnode.settings import DicomDestination
from dicomnode.store.states import (
    Confirmation,
    DeliveryState,
    InstanceState,
    LesionState,
    ReportState,
    RetrievalState,
    StudyState,
    SummaryState,
)
from dicomnode.store.tables import (
    CommitmentReport,
    Delivery,
    Finding,
    Instance,
    Lesion,
    RefusalReport,
    Retrieval,
    Summary,
)
from tests.dicomnode.backup.kept import CT, KeptStore

STUDY = "1.2.3"
MARK = "1.2.3.1"
NO_PROMISES: dict[str, Promise] = {}


@pytest.fixture
def store(tmp_path):
    store = KeptStore(tmp_path / "store")
    store.receive(MARK)
    yield store
    store.close()


def state(store, promises=NO_PROMISES) -> StudyState:
    with store.database.read() as session:
        return standing_of(session, STUDY, promises).state


def add(store, row) -> None:
    with store.database.write() as session:
        session.add(row)


def test_a_study_without_marks_is_unmarked_and_an_unknown_one_is_none(store):
    assert state(store) is StudyState.UNMARKED
    with store.database.read() as session:
        assert standing_of(session, "1.2.4", NO_PROMISES) is None


def test_what_every_destination_has_is_delivered(store):
    store.make(MARK, deliveries=[DeliveryState.ACCEPTED, DeliveryState.COMMITTED])
    assert state(store) is StudyState.DELIVERED


@pytest.mark.parametrize(
    "deliveries",
    [
        [],
        [DeliveryState.WITHDRAWN],
        [DeliveryState.WITHHELD],
        [DeliveryState.ACCEPTED, DeliveryState.UNJUDGED],
    ],
)
def test_results_that_nobody_has_or_that_wait_for_a_reader_are_unsent(store, deliveries):
    store.make(MARK, deliveries=deliveries)
    assert state(store) is StudyState.UNSENT


def test_a_dry_run_is_unsent_also_where_the_series_has_a_report(store):
    store.make(MARK, deliveries=[DeliveryState.ACCEPTED], dry_run=True)
    assert state(store) is StudyState.UNSENT


@pytest.mark.parametrize("undone", [DeliveryState.QUEUED, DeliveryState.SENT])
def test_one_undelivered_result_is_enough_to_be_busy(store, undone):
    store.make(MARK, deliveries=[DeliveryState.VERIFIED, undone])
    assert state(store) is StudyState.BUSY


@pytest.mark.parametrize("dead", [DeliveryState.REFUSED, DeliveryState.EXHAUSTED])
def test_a_dead_letter_is_a_failure(store, dead):
    store.make(MARK, deliveries=[DeliveryState.VERIFIED, dead])
    assert state(store) is StudyState.FAILED


@pytest.mark.parametrize("step", list(Confirmation))
def test_what_is_still_to_be_confirmed_is_busy(store, step):
    store.make(MARK, deliveries=[DeliveryState.ACCEPTED])
    with store.database.write() as session:
        session.query(Delivery).one().confirmation = step
    assert state(store) is StudyState.BUSY


def test_what_was_to_be_committed_and_is_not_is_a_failure(store):
    store.make(MARK, deliveries=[DeliveryState.ACCEPTED])
    promises = promises_of(
        [DicomDestination(name="pacs 0", ae_title="A", host="h", port=1, commit=True)]
    )
    assert state(store, promises) is StudyState.FAILED
    with store.database.write() as session:
        session.query(Delivery).one().committed_at = 1.0
    assert state(store, promises) is StudyState.DELIVERED
    read_back = promises_of(
        [DicomDestination(name="pacs 0", ae_title="A", host="h", port=1, verify="find")]
    )
    assert state(store, read_back) is StudyState.FAILED


@pytest.mark.parametrize(
    ("lesion", "expected"),
    [
        (LesionState.WAITING, StudyState.BUSY),
        (LesionState.READY, StudyState.BUSY),
        (LesionState.SEGMENTED, StudyState.BUSY),
        (LesionState.REFUSED, StudyState.REFUSED),
        (LesionState.SUPERSEDED, StudyState.REFUSED),
        (LesionState.FAILED, StudyState.FAILED),
    ],
)
def test_each_state_of_a_lesion_counts(store, lesion, expected):
    store.make(MARK, deliveries=[DeliveryState.WITHDRAWN], state=lesion)
    assert state(store) is expected


def _unread(session):
    session.query(Instance).one().state = InstanceState.RECEIVED


def _unsettled(session):
    session.query(Lesion).one().unsettled = True


def _to_be_summed_up(session):
    session.add(
        Summary(
            series_instance_uid="1.2.3.4",
            rule="all",
            method="m",
            state=SummaryState.WAITING,
            due_at=0.0,
        )
    )


def _refusals_to_be_told(session):
    session.add(
        RefusalReport(source_sop_instance_uid=MARK, state=SummaryState.WAITING, waits_from=0.0)
    )


def _fetching(session):
    session.add(Retrieval(wanted="w", study_instance_uid=STUDY, state=RetrievalState.QUEUED))


def _commitment_owed(session):
    session.add(
        CommitmentReport(
            transaction_uid="2.25.1",
            calling_ae="A",
            called_ae="B",
            references=[[CT, "1.9"], [CT, MARK]],
            state=ReportState.QUEUED,
        )
    )


def _awaited_elsewhere(session):
    """A mark of another study waits for a slice that is here."""
    session.add(
        Lesion(mark_key="x", mark={}, source_sop_instance_uid="1.9", key_sop_instance_uid=MARK,
               state=LesionState.WAITING)
    )  # fmt: skip


def _awaited_in_space(session):
    session.query(Instance).one().frame_of_reference_uid = "1.7"
    session.add(
        Lesion(mark_key="x", mark={}, source_sop_instance_uid="1.9", frame_of_reference_uid="1.7",
               state=LesionState.WAITING)
    )  # fmt: skip


def _also_found_here(session):
    """An object of this study holds a mark, too, that another one brought first."""
    lesion = Lesion(mark_key="x", mark={}, source_sop_instance_uid="1.9", state=LesionState.READY)
    session.add(lesion)
    session.flush()
    session.add(Finding(source_sop_instance_uid=MARK, item="1", lesion_id=lesion.id))


@pytest.mark.parametrize(
    "happens",
    [
        _unread,
        _unsettled,
        _to_be_summed_up,
        _refusals_to_be_told,
        _fetching,
        _commitment_owed,
        _awaited_elsewhere,
        _awaited_in_space,
        _also_found_here,
    ],
)
def test_a_delivered_study_is_busy_again(store, happens):
    store.make(MARK, deliveries=[DeliveryState.ACCEPTED])
    with store.database.write() as session:
        happens(session)
    assert state(store) is StudyState.BUSY


def test_marks_are_kept_as_long_as_the_ct_that_they_were_drawn_on(store):
    """In a study of their own."""
    ct = store.receive("1.2.8.1", study="1.2.8")
    store.make(MARK, study="1.2.8", deliveries=[DeliveryState.ACCEPTED])
    assert ct.exists()
    assert state(store) is StudyState.BUSY
    with store.database.write() as session:
        session.delete(session.get_one(Instance, "1.2.8.1"))
    assert state(store) is StudyState.DELIVERED
