"""Who is told of a verdict: those who want to be, of what they got, and only of the newest."""

from __future__ import annotations

from pathlib import Path

import pytest

from dicomnode.assessments.rows import Telling, next_verdict, record_told, tellings
from dicomnode.jobs.publish import PublishedObject
from dicomnode.store.states import DeliveryState, LesionState
from dicomnode.store.tables import Delivery, Lesion, Result, Verdict
from tests.dicomnode.jobs.rows import add_lesion
from tests.dicomnode.jobs.test_accepted import MASK, OTHER, judge, publish

SR = "1.2.840.10008.5.1.4.1.1.88.33"
SEG_FILE = Path("/nowhere/1.2.9.1.dcm")


@pytest.fixture
def made(database) -> int:
    lesion_id = add_lesion(database, 1, LesionState.SEGMENTED)
    publish(database, lesion_id)
    return lesion_id


def told(database, wanting=("pacs", "archive"), accepts=None) -> tuple[Telling, ...] | None:
    with database.read() as session:
        verdict = next_verdict(session)
        if verdict is None:
            return None
        return tellings(session, verdict, wanting, lambda *_: accepts)


def record(database, name: str | None, *destinations: str) -> None:
    made = ()
    if name is not None:
        made = (PublishedObject("assessment", SR, name, Path(f"/{name}.dcm"), 1, destinations),)
    with database.write() as session:
        record_told(session, next_verdict(session), made)


def deliver(database, state: DeliveryState) -> None:
    with database.write() as session:
        for delivery in session.query(Delivery).filter(Delivery.state == DeliveryState.QUEUED):
            delivery.state = state


def test_those_who_want_it_are_told_of_what_they_get(database, made):
    assert told(database) is None
    judge(database, made, "accepted")
    assert told(database) == (Telling((SEG_FILE,), (), ("pacs", "archive")),)
    assert told(database, wanting=("archive",)) == (Telling((SEG_FILE,), (), ("archive",)),)
    assert told(database, wanting=()) == ()
    assert told(database, accepts=False) == ()


def test_of_what_is_held_back_from_it_a_destination_never_hears(database, made):
    judge(database, made, "rejected")
    assert told(database) == (Telling((SEG_FILE,), (), ("pacs",)),)


def test_it_waits_until_the_lesion_is_published_of_what_was_judged(database, made):
    judge(database, made, "accepted", mended_digest=OTHER)
    with database.write() as session:
        session.get_one(Lesion, made).state = LesionState.SEGMENTED
    assert told(database) is None
    publish(database, made, OTHER, uid="1.2.9.2")
    assert [one.destinations for one in told(database)] == [("pacs", "archive")]


def test_a_verdict_on_what_nobody_gets_any_more_is_told_to_nobody(database, made):
    judge(database, made, "accepted", soft_mask=OTHER)
    assert told(database) == ()
    record(database, None)
    assert told(database) is None


def test_the_next_verdict_takes_the_place_of_the_one_before(database, made):
    judge(database, made, "accepted")
    record(database, "1.3.1", "pacs")
    assert told(database) is None
    deliver(database, DeliveryState.ACCEPTED)
    judge(database, made, "rejected")
    ((telling),) = told(database, wanting=("pacs",))
    assert telling.predecessors == (Path("/1.3.1.dcm"),)


def test_only_the_newest_verdict_is_told_and_one_unsent_is_withdrawn(database, made):
    judge(database, made, "rejected")
    record(database, "1.3.1", "pacs")
    judge(database, made, "rejected")
    judge(database, made, "accepted", MASK)
    assert told(database) == ()
    record(database, None)
    ((telling),) = told(database, wanting=("pacs",))
    assert telling.predecessors == ()
    record(database, "1.3.2", "pacs")
    with database.read() as session:
        states = {
            row.sop_instance_uid: [one.state for one in row.deliveries]
            for row in session.query(Result).filter(Result.verdict_id.is_not(None))
        }
        assert all(verdict.told for verdict in session.query(Verdict))
    assert states == {"1.3.1": [DeliveryState.WITHDRAWN], "1.3.2": [DeliveryState.QUEUED]}


def test_a_lesion_that_is_published_anew_keeps_what_was_said_of_it(database, made):
    judge(database, made, "accepted")
    record(database, "1.3.1", "pacs")
    publish(database, made)
    with database.read() as session:
        (said,) = session.query(Result).filter(Result.verdict_id.is_not(None))
        assert [one.state for one in said.deliveries] == [DeliveryState.QUEUED]
