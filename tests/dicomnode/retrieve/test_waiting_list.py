"""What is wanted, and when a source is asked for it, is in the rows: a restart changes nothing."""

from __future__ import annotations

import time

import pytest
from sqlalchemy import select

from dicomnode.retrieve import waiting_list
from dicomnode.retrieve.source import Failed
from dicomnode.retrieve.waiting_lesion import waiting_lesions
from dicomnode.retrieve.wanted import Want
from dicomnode.settings import DicomSource, RetrySettings
from dicomnode.store.instances import InstanceIndex
from dicomnode.store.received import InstanceHeader, ReceivedInstance
from dicomnode.store.states import LesionState, RetrievalState
from dicomnode.store.tables import Instance, Lesion, Retrieval

SERIES = Want("1.2.3", series_instance_uid="1.2.3.4")
RETRY = RetrySettings(first_wait_s=10, factor=2, longest_wait_s=30, attempts=4, jitter=0)


def source(name: str) -> DicomSource:
    return DicomSource(name=name, kind="c-get", ae_title=name, host="127.0.0.1", port=1)


@pytest.fixture
def lesion_ids(database, tmp_path) -> list[int]:
    """Two lesions that wait, of one report."""
    header = InstanceHeader("1.2.840.10008.5.1.4.1.1.88.34", "1.2.3.9", "1.2.3", "1.2.3.8", "1.2")
    report = ReceivedInstance(tmp_path / "report.dcm", 1, header, "SENDER", "NODE")
    InstanceIndex(database, []).add(report)
    with database.write() as session:
        lesions = [
            Lesion(
                mark_key=str(number),
                mark={},
                source_sop_instance_uid="1.2.3.9",
                key_sop_instance_uid="1.2.3.4.1",
                state=LesionState.WAITING,
                warnings=[],
            )
            for number in range(2)
        ]
        session.add_all(lesions)
        session.flush()
        return [lesion.id for lesion in lesions]


@pytest.fixture
def retrieval_id(database, lesion_ids) -> int:
    with database.write() as session:
        return waiting_list.ask_for(session, SERIES, lesion_ids).id


def row(database) -> Retrieval:
    with database.read() as session:
        return session.scalars(select(Retrieval)).one()


def fail(database, retrieval_id: int, *open_sources: str, **failures: Failed) -> Retrieval:
    with database.write() as session:
        return waiting_list.record_failed(session, retrieval_id, failures, 0, open_sources, RETRY)


def test_the_same_images_are_wanted_once(database, lesion_ids):
    with database.write() as session:
        first = waiting_list.ask_for(session, SERIES, lesion_ids[:1]).id
    with database.write() as session:
        again = waiting_list.ask_for(session, SERIES, lesion_ids)
        assert again.id == first
        assert [lesion.id for lesion in again.lesions] == lesion_ids
    with database.read() as session:
        asked = [waiting.asked_for for waiting in waiting_lesions(session)]
    assert asked == [frozenset({SERIES.words})] * 2


def test_waits_grow_up_to_the_longest_and_end(database, retrieval_id):
    waits = []
    for _ in range(3):
        before = time.time()
        failed = fail(database, retrieval_id, "A", A=Failed("away"))
        waits.append(round(failed.due_at - before))
        assert failed.state is RetrievalState.QUEUED
    assert waits == [10, 20, 30]
    assert fail(database, retrieval_id, "A", A=Failed("away")).state is RetrievalState.EXHAUSTED


def test_only_what_every_source_refuses_is_refused(database, retrieval_id):
    final = Failed("0xA801", 0xA801, final=True)
    failed = fail(database, retrieval_id, "A", "B", A=final, B=Failed("away"))
    assert failed.state is RetrievalState.QUEUED
    assert failed.refused_by == ["A"]
    assert failed.peer_words == "A: 0xA801; B: away"
    failed = fail(database, retrieval_id, "B", B=final)
    assert failed.state is RetrievalState.REFUSED
    assert (failed.source, failed.status) == ("B", 0xA801)


def test_where_no_source_is_left_that_is_said(database, retrieval_id):
    failed = fail(database, retrieval_id)
    assert failed.state is RetrievalState.REFUSED
    assert failed.peer_words == waiting_list.NO_SOURCE


def test_what_is_refused_is_asked_of_a_new_source_at_a_start(database, retrieval_id):
    fail(database, retrieval_id, "A", A=Failed("no", final=True))
    with database.write() as session:
        waiting_list.resume(session, [source("A")])
    assert row(database).state is RetrievalState.REFUSED
    with database.write() as session:
        waiting_list.resume(session, [source("A"), source("B")])
    assert row(database).state is RetrievalState.QUEUED


def test_what_ran_is_queued_at_a_start(database, retrieval_id):
    with database.write() as session:
        assert waiting_list.take_due(session, 5) == [retrieval_id]
    assert row(database).state is RetrievalState.RUNNING
    with database.write() as session:
        waiting_list.resume(session, [source("A")])
        assert waiting_list.take_due(session, 5) == [retrieval_id]


def test_what_ended_without_a_word_is_queued_again(database, retrieval_id):
    with database.write() as session:
        waiting_list.take_due(session, 5)
        waiting_list.requeue_lost(session, [retrieval_id], RETRY)
    assert row(database).state is RetrievalState.RUNNING
    with database.write() as session:
        waiting_list.requeue_lost(session, [], RETRY)
    assert row(database).state is RetrievalState.QUEUED
    assert row(database).attempts == 1


def test_no_more_are_taken_than_there_is_room_for(database, lesion_ids):
    with database.write() as session:
        for number in range(5):
            want = Want("1.2.3", series_instance_uid=f"1.2.3.{number}")
            waiting_list.ask_for(session, want, lesion_ids)
        assert waiting_list.take_due(session, 0) == []
        assert len(waiting_list.take_due(session, 2)) == 2


def test_what_nothing_waits_for_is_not_asked_for(database, retrieval_id, lesion_ids):
    with database.write() as session:
        for lesion_id in lesion_ids:
            session.get_one(Lesion, lesion_id).state = LesionState.READY
    with database.write() as session:
        assert waiting_list.take_due(session, 5) == []
    assert row(database).state is RetrievalState.DONE
    assert row(database).peer_words == waiting_list.NOT_NEEDED


def test_what_is_done_and_still_waited_for_is_looked_up_again(database, retrieval_id):
    with database.write() as session:
        waiting_list.record_done(session, retrieval_id, "A", "all", 3, RETRY, settle_s=0)
        due = waiting_list.look_again(session, RETRY)
        assert due == pytest.approx(time.time() + 10, abs=5)
    assert row(database).state is RetrievalState.DONE
    with database.write() as session:
        session.get_one(Retrieval, retrieval_id).due_at = time.time()
    with database.write() as session:
        waiting_list.look_again(session, RETRY)
    assert row(database).state is RetrievalState.QUEUED


def test_a_mark_that_comes_again_starts_over(database, retrieval_id):
    fail(database, retrieval_id, "A", A=Failed("no", final=True))
    with database.write() as session:
        waiting_list.look_again(session, RETRY)
    assert row(database).state is RetrievalState.REFUSED
    with database.write() as session:
        session.get_one(Instance, "1.2.3.9").received_at = time.time() + 1
    with database.write() as session:
        waiting_list.look_again(session, RETRY)
    again = row(database)
    assert (again.state, again.attempts, again.refused_by) == (RetrievalState.QUEUED, 0, [])


def test_a_series_counts_as_asked_for_once_a_source_gave_it_or_none_could(database, retrieval_id):
    def asked() -> bool:
        with database.read() as session:
            return waiting_list.was_asked(session, SERIES.series_instance_uid)

    assert not asked()
    for _ in range(3):
        assert not asked()
        fail(database, retrieval_id, "A", A=Failed("away"))
    assert asked()
    with database.write() as session:
        retrieval = session.get_one(Retrieval, retrieval_id)
        retrieval.attempts = 0
        waiting_list.record_done(session, retrieval_id, "A", "all", 3, RETRY, settle_s=0)
    assert asked()


def test_images_of_a_class_that_the_node_does_not_take_are_refused_with_the_reason(
    database, lesion_ids
):
    with database.write() as session:
        waiting_list.refuse(session, SERIES, lesion_ids, "the images are of another class")
    assert row(database).state is RetrievalState.REFUSED
    assert row(database).peer_words == "the images are of another class"
