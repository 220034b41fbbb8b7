"""What is due goes out, oldest first; every attempt is written down; nothing is tried for ever."""

from __future__ import annotations

import time

import pytest
from sqlalchemy import select

from dicomnode.deliver import outbox
from dicomnode.deliver.answer import Answer, Verdict
from dicomnode.settings import RetrySettings
from dicomnode.store.states import DeliveryState, LesionState
from dicomnode.store.tables import Delivery, Lesion, Result

RETRY = RetrySettings(first_wait_s=10, factor=2, longest_wait_s=25, attempts=4, jitter=0)
SEG = "1.2.840.10008.5.1.4.1.1.66.4"

ACCEPTED = Answer(Verdict.ACCEPTED, "0x0000 success", 0)
REFUSED = Answer(Verdict.REFUSED, "0xA900 no such patient", 0xA900)
REPEAT = Answer(Verdict.REPEAT, "could not be reached")
UNKNOWN = Answer(Verdict.UNKNOWN, "no answer came")


def add(database, number: int, due_in_s: float = -1, destination: str = "pacs", **values) -> int:
    with database.write() as session:
        lesion = Lesion(
            mark_key=f"{destination}{number}",
            mark={},
            source_sop_instance_uid="1.2",
            state=LesionState.PUBLISHED,
        )
        session.add(lesion)
        session.flush()
        result = Result(
            lesion_id=lesion.id,
            kind="fractional-seg",
            sop_class_uid=SEG,
            sop_instance_uid=f"1.2.{lesion.id}",
            path=f"/results/{number}.dcm",
            size=1,
        )
        session.add(result)
        session.flush()
        delivery = Delivery(
            result_id=result.id,
            destination=destination,
            due_at=time.time() + due_in_s,
            **({"state": DeliveryState.QUEUED} | values),
        )
        session.add(delivery)
        session.flush()
        return delivery.id


def due(database, destination: str = "pacs", limit: int = 100) -> list[int]:
    with database.read() as session:
        return [p.delivery_id for p in outbox.due(session, destination, limit)]


def next_due(database, destination: str = "pacs") -> float | None:
    with database.read() as session:
        return outbox.next_due(session, destination)


def record(database, delivery_id: int, answer: Answer, retry: RetrySettings = RETRY) -> Delivery:
    with database.write() as session:
        return outbox.record(session, delivery_id, answer, retry)


def test_only_what_is_open_and_due_at_this_destination_goes_out(database):
    later = add(database, 1, due_in_s=60)
    newer = add(database, 2, due_in_s=-1)
    older = add(database, 3, due_in_s=-10)
    unanswered = add(database, 4, due_in_s=-5, state=DeliveryState.SENT)
    elsewhere = add(database, 5, destination="archive")
    for number, state in enumerate(
        (DeliveryState.ACCEPTED, DeliveryState.REFUSED, DeliveryState.EXHAUSTED)
    ):
        add(database, 10 + number, state=state)
    assert due(database) == [older, unanswered, newer]
    assert due(database, limit=1) == [older]
    assert due(database, "archive") == [elsewhere]
    assert later not in due(database)
    with database.read() as session:
        (parcel,) = outbox.due(session, "archive")
    assert (parcel.sop_class_uid, str(parcel.path)) == (SEG, "/results/5.dcm")


def test_the_next_moment_is_that_of_the_earliest_open_delivery(database):
    assert next_due(database) is None
    add(database, 1, due_in_s=-100, state=DeliveryState.ACCEPTED)
    assert next_due(database) is None
    add(database, 2, due_in_s=60)
    add(database, 3, due_in_s=30)
    with database.read() as session:
        moments = sorted(session.scalars(select(Delivery.due_at)))
    assert next_due(database) == moments[1]


@pytest.mark.parametrize(
    ("answer", "state"), [(ACCEPTED, DeliveryState.ACCEPTED), (REFUSED, DeliveryState.REFUSED)]
)
def test_a_yes_and_a_no_are_final(database, answer, state):
    wanted = add(database, 1)
    row = record(database, wanted, answer)
    assert (row.state, row.attempts, row.status) == (state, 1, answer.status)
    assert row.peer_words == answer.words
    assert due(database) == []
    assert next_due(database) is None


def test_a_failure_waits_longer_each_time_until_it_is_exhausted(database):
    wanted = add(database, 1)
    waits, states = [], []
    for _ in range(4):
        before = time.time()
        row = record(database, wanted, REPEAT)
        after = time.time()
        states.append(row.state)
        waits.append((row.due_at - after, row.due_at - before))
    assert states == [DeliveryState.QUEUED] * 3 + [DeliveryState.EXHAUSTED]
    for (low, high), expected in zip(waits[:3], (10, 20, 25), strict=True):
        assert low <= expected <= high
    assert row.attempts == 4
    assert row.peer_words == "could not be reached"
    with database.write() as session:
        session.get_one(Delivery, wanted).due_at = 0
    assert due(database) == []


def test_sent_without_an_answer_is_sent_again_and_can_still_be_accepted(database):
    wanted = add(database, 1)
    assert record(database, wanted, UNKNOWN).state is DeliveryState.SENT
    assert due(database) == []
    assert next_due(database) is not None
    with database.write() as session:
        session.get_one(Delivery, wanted).due_at = 0
    assert due(database) == [wanted]
    row = record(database, wanted, ACCEPTED)
    assert (row.state, row.attempts, row.status) == (DeliveryState.ACCEPTED, 2, 0)
    assert row.peer_words == "0x0000 success"


def test_an_unknown_answer_at_the_last_attempt_is_exhausted_and_called_nothing_better(database):
    wanted = add(database, 1)
    row = record(database, wanted, UNKNOWN, RetrySettings(attempts=1))
    assert row.state is DeliveryState.EXHAUSTED
    assert row.peer_words == "no answer came"


def test_destinations_of_one_result_go_their_own_ways(database):
    one = add(database, 1)
    with database.write() as session:
        result_id = session.get_one(Delivery, one).result_id
        session.add(
            Delivery(result_id=result_id, destination="archive", state=DeliveryState.QUEUED)
        )
    record(database, one, REFUSED)
    assert due(database) == []
    assert len(due(database, "archive")) == 1
