"""Who may work at which lesion, and what is written down of the work."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import select

from dicomnode.jobs import lesion_queue as lesions
from dicomnode.jobs.segment import SegmentOutcome
from dicomnode.jobs.variants import Ladders
from dicomnode.settings import PublishSettings
from dicomnode.store.states import DeliveryState, LesionState
from dicomnode.store.tables import Delivery, Lesion, Result
from pipelines.networks.options import NetworkOptions
from tests.dicomnode.jobs.rows import add_lesion, lesion, published

FOLDERS = lesions.Folders(Path("/masks"), Path("/results"))


def work(database, limit=10, taken=()) -> list[int]:
    with database.read() as session:
        return [found.id for found in lesions.next_work(session, limit, set(taken))]


def test_only_open_work_is_given_out_and_what_is_nearest_to_its_end_first(database):
    ready = add_lesion(database, 1)
    segmented = add_lesion(database, 2, LesionState.SEGMENTED)
    for number, state in enumerate(set(LesionState) - {LesionState.READY, LesionState.SEGMENTED}):
        add_lesion(database, 10 + number, state)
    second = add_lesion(database, 3)
    assert work(database, limit=2) == [segmented, ready]
    assert work(database, taken={segmented, ready}) == [second]
    assert work(database, taken={segmented, ready, second}) == []


def test_a_lesion_that_failed_before_runs_alone(database):
    failed = add_lesion(database, 1, attempts=1)
    fresh = add_lesion(database, 2)
    assert work(database) == [fresh]
    assert work(database, taken={fresh}) == []
    with database.write() as session:
        session.get_one(Lesion, fresh).state = LesionState.PUBLISHED
    assert work(database) == [failed]
    newest = add_lesion(database, 3)
    assert work(database, taken={failed}) == []
    assert work(database) == [newest]


def test_of_several_that_failed_before_one_runs_at_a_time(database):
    first, second = (add_lesion(database, n, attempts=1) for n in (1, 2))
    assert work(database) == [first]
    assert work(database, taken={first}) == []
    with database.write() as session:
        session.get_one(Lesion, first).state = LesionState.FAILED
    assert work(database) == [second]


def test_requests_hold_what_a_worker_needs(database):
    ready = add_lesion(database, 1, short_axis=[[4.0, -2, 0], [4, 2, 0]])
    row = lesion(database, ready)
    with database.read() as session:
        request = lesions.segment_request(session, row, FOLDERS, NetworkOptions())
    assert request.slices == (Path("/nowhere/1.0.dcm"), Path("/nowhere/1.1.dcm"))
    assert request.key_index == 0
    assert request.prior.long_mm == 8
    assert request.prior.short_mm == 4
    assert request.target == Path("/masks") / f"{row.mark_key}.npz"
    segmented = add_lesion(database, 2, LesionState.SEGMENTED)
    with database.read() as session:
        request = lesions.publish_request(
            session, session.get_one(Lesion, segmented), FOLDERS, Ladders((), PublishSettings())
        )
    assert request.lesion.sources == (Path("/nowhere/2.sr.dcm"),)
    assert request.folder == Path("/results/1.2.1")
    assert request.lesion.mark.item == "1"


def test_a_step_that_ends_forgets_earlier_failures(database):
    wanted = add_lesion(database, 1, attempts=1, reason="attempt 1 of 2: something")
    with database.write() as session:
        made = SegmentOutcome(1.5, 0.25, ("coarse",))
        lesions.record_segmented(session, wanted, Path("/masks/1.npz"), made)
    row = lesion(database, wanted)
    assert (row.state, row.reason, row.attempts) == (LesionState.SEGMENTED, None, 0)
    assert (row.volume_ml, row.seconds, row.warnings) == (1.5, 0.25, ["coarse"])


@pytest.mark.parametrize("times", [1, 3])
def test_results_and_deliveries_are_made_once_however_often_it_is_published(database, times):
    wanted = add_lesion(database, 1, LesionState.SEGMENTED)
    for _ in range(times):
        with database.write() as session:
            lesions.record_published(session, wanted, published(wanted))
    with database.read() as session:
        assert [r.lesion_id for r in session.scalars(select(Result))] == [wanted]
        deliveries = session.scalars(select(Delivery)).all()
    assert sorted(d.destination for d in deliveries) == ["archive", "pacs"]
    assert {d.state for d in deliveries} == {DeliveryState.QUEUED}
    assert lesion(database, wanted).state is LesionState.PUBLISHED


def test_a_repeat_leaves_a_delivery_that_was_accepted_alone(database):
    wanted = add_lesion(database, 1, LesionState.SEGMENTED)
    with database.write() as session:
        lesions.record_published(session, wanted, published(wanted))
        session.flush()
        for delivery in session.scalars(select(Delivery)):
            delivery.state = DeliveryState.ACCEPTED
    with database.write() as session:
        lesions.record_published(session, wanted, published(wanted))
    with database.read() as session:
        states = [d.state for d in session.scalars(select(Delivery))]
    assert states == [DeliveryState.ACCEPTED] * 2


def test_faults_are_counted_to_the_last(database):
    wanted = add_lesion(database, 1)
    states = []
    for _ in range(3):
        with database.write() as session:
            states.append(lesions.record_fault(session, wanted, "it broke", 3))
    assert states == [LesionState.READY, LesionState.READY, LesionState.FAILED]
    assert lesion(database, wanted).reason == "attempt 3 of 3: it broke"
    assert work(database) == []


def test_what_is_postponed_is_no_failure(database):
    wanted = add_lesion(database, 1)
    with database.write() as session:
        lesions.record_postponed(session, wanted, "waiting: the disk is full")
    row = lesion(database, wanted)
    assert (row.state, row.attempts) == (LesionState.READY, 0)
    assert row.reason == "waiting: the disk is full"
    assert work(database) == [wanted]
