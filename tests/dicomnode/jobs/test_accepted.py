"""Where only accepted results go: what waits, what goes, and what is held back, in any order."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import select

from dicomnode.deliver import outbox
from dicomnode.deliver.answer import Answer
from dicomnode.deliver.answer import Verdict as PeerVerdict
from dicomnode.deliver.standing import in_short
from dicomnode.explain import explain
from dicomnode.jobs import lesion_queue
from dicomnode.jobs.by_hand import By, Chosen, act
from dicomnode.jobs.summary_queue import record_summary, summary_request
from dicomnode.jobs.variants import Ladders
from dicomnode.settings import FolderDestination, PublishSettings, RetrySettings
from dicomnode.store.states import Decision, DeliveryState, JobAction, LesionState
from dicomnode.store.tables import Delivery, Lesion, Result, Summary, Verdict
from dicomnode.store.verdicts import follow_setting, judged
from tests.dicomnode.jobs.rows import add_lesion, lesion, published

MASK, OTHER = "a" * 64, "b" * 64
UNJUDGED, WITHHELD = DeliveryState.UNJUDGED, DeliveryState.WITHHELD
QUEUED, WITHDRAWN = DeliveryState.QUEUED, DeliveryState.WITHDRAWN
DESTINATIONS = [
    FolderDestination(
        name=name, kind="folder", path=f"/srv/{name}", results=["binary-seg", "report"], deliver=how
    )
    for name, how in (("pacs", "all"), ("archive", "accepted"))
]
LADDERS = Ladders(DESTINATIONS, PublishSettings())


def publish(database, lesion_id: int, soft_mask: str = MASK, uid: str | None = None) -> None:
    (made,) = published(lesion_id)
    made = replace(made, soft_mask=soft_mask, sop_instance_uid=uid or made.sop_instance_uid)
    with database.write() as session:
        lesion_queue.record_published(
            session, lesion_id, (made,), only_accepted=LADDERS.only_accepted
        )


def judge(database, lesion_id: int, decision: str, soft_mask: str = MASK, **more) -> None:
    reason = "too-large" if decision == "rejected" else None
    with database.write() as session:
        session.add(
            Verdict(
                lesion_id=lesion_id,
                who="Reader",
                decision=Decision(decision),
                reason=reason,
                words="",
                method="closed-form",
                soft_mask=soft_mask,
                **more,
            )
        )
        judged(session, session.get_one(Lesion, lesion_id))


def states(database, destination: str = "archive") -> list[DeliveryState]:
    """Of lesions' objects, the oldest first."""
    with database.read() as session:
        return list(
            session.scalars(
                select(Delivery.state)
                .join(Delivery.result)
                .where(Delivery.destination == destination, Result.lesion_id.is_not(None))
                .order_by(Delivery.id)
            )
        )


@pytest.fixture
def made(database) -> int:
    return add_lesion(database, 1, LesionState.SEGMENTED)


def test_it_waits_for_a_verdict_and_other_destinations_do_not(database, made):
    publish(database, made)
    assert (states(database, "pacs"), states(database)) == ([QUEUED], [UNJUDGED])
    with database.read() as session:
        assert outbox.due(session, "archive", at=float("inf")) == []
        assert outbox.next_due(session, "archive") is None
        said = "\n".join(explain(session, lesion(database, made).key_sop_instance_uid))
        (held,) = session.scalars(select(Delivery).where(Delivery.destination == "archive"))
        assert in_short(held) == "archive: unjudged, waits until a reader accepts the soft mask"
    assert "waits until a reader accepts the soft mask" in said
    judge(database, made, "accepted")
    assert states(database) == [QUEUED]
    with database.read() as session:
        assert len(outbox.due(session, "archive")) == 1


def test_a_verdict_before_the_objects_counts_when_they_come(database, made):
    judge(database, made, "accepted")
    publish(database, made)
    assert states(database) == [QUEUED]


def test_a_rejection_holds_back_with_its_reason_and_an_acceptance_lets_go(database, made):
    publish(database, made)
    judge(database, made, "accepted")
    judge(database, made, "rejected")
    assert (states(database, "pacs"), states(database)) == ([QUEUED], [WITHHELD])
    with database.read() as session:
        (held,) = session.scalars(select(Delivery).where(Delivery.destination == "archive"))
        assert "rejected the soft mask: It holds more than the lesion" in in_short(held)
        assert "Reader" not in in_short(held)
    judge(database, made, "accepted")
    assert states(database) == [QUEUED]


def test_an_acceptance_of_another_soft_mask_lets_nothing_go(database, made):
    judge(database, made, "accepted", OTHER)
    publish(database, made)
    assert states(database) == [UNJUDGED]
    judge(database, made, "rejected", OTHER)
    assert states(database) == [UNJUDGED]


def test_what_was_accepted_as_mended_goes_in_place_of_what_was_not(database, made):
    publish(database, made)
    judge(database, made, "accepted", mended=b"mask", mended_digest=OTHER)
    assert states(database) == [UNJUDGED]
    publish(database, made, OTHER, uid="1.2.9.99")
    assert states(database) == [WITHDRAWN, QUEUED]
    assert states(database, "pacs") == [WITHDRAWN, QUEUED]


def test_a_study_that_was_deleted_takes_no_acceptance_of_the_mended_mask_for_one_of_another(
    database, made
):
    judge(database, made, "accepted", mended=None, mended_digest=OTHER)
    publish(database, made)
    assert states(database) == [UNJUDGED]


def test_the_courier_asks_once_more_before_it_sends(database, made):
    """A dead letter that somebody takes up, or a resend, is queued by who knows no verdicts."""
    publish(database, made)
    judge(database, made, "rejected")
    with database.write() as session:
        (held,) = session.scalars(select(Delivery).where(Delivery.destination == "archive"))
        held.state = QUEUED
        assert not outbox.begin(session, held.id)
    assert states(database) == [WITHHELD]


@pytest.mark.parametrize("verdict", [PeerVerdict.REPEAT, PeerVerdict.ACCEPTED])
def test_what_is_on_its_way_when_it_is_rejected_is_not_sent_again(database, made, verdict):
    judge(database, made, "accepted")
    publish(database, made)
    with database.write() as session:
        (held,) = session.scalars(select(Delivery).where(Delivery.destination == "archive"))
        assert outbox.begin(session, held.id)
    judge(database, made, "rejected")
    with database.write() as session:
        outbox.record(session, held.id, Answer(verdict, "words"), RetrySettings())
    taken = verdict is PeerVerdict.ACCEPTED
    assert states(database) == [DeliveryState.ACCEPTED if taken else WITHHELD]


def test_an_administrator_cannot_send_it_and_can_give_it_up(database, made):
    publish(database, made)

    def do(action: JobAction) -> str:
        with database.write() as session:
            (held,) = session.scalars(select(Delivery).where(Delivery.destination == "archive"))
            (change,) = act(session, action, Chosen(deliveries=(held.id,)), By("root", ""))
        return change.why_not

    assert do(JobAction.RETRY) == "a reader has to accept its soft mask first"
    assert do(JobAction.CANCEL) == ""
    assert states(database) == [WITHDRAWN]
    judge(database, made, "accepted")
    assert states(database) == [WITHDRAWN]
    judge(database, made, "rejected")
    assert do(JobAction.RETRY) == ""
    with database.write() as session:
        (held,) = session.scalars(select(Delivery).where(Delivery.destination == "archive"))
        assert not outbox.begin(session, held.id)


def test_the_setting_counts_for_what_waits_when_the_node_starts(database, made):
    publish(database, made)
    with database.write() as session:
        follow_setting(session, "archive", False)
        follow_setting(session, "pacs", True)
    assert (states(database, "pacs"), states(database)) == ([UNJUDGED], [QUEUED])


def test_objects_of_a_series_hold_what_was_accepted_for_those_who_get_only_that(database, made):
    other = add_lesion(database, 2, LesionState.SEGMENTED)
    for number in (made, other):
        publish(database, number)
    assert series(database) == {("pacs",): ["1.npz", "2.npz"]}
    judge(database, other, "accepted")
    assert series(database) == {("pacs",): ["1.npz", "2.npz"], ("archive",): ["2.npz"]}
    judge(database, made, "accepted")
    assert series(database) == {("pacs", "archive"): ["1.npz", "2.npz"]}


def test_a_verdict_has_the_objects_of_the_series_made_anew(database, made):
    publish(database, made)
    with database.write() as session:
        summary = session.scalars(select(Summary)).one()
        changes = summary.changes
    judge(database, made, "accepted")
    with database.write() as session:
        assert not record_summary(session, summary.id, changes, ())
        assert record_summary(session, summary.id, changes + 1, ())


def series(database) -> dict[tuple[str, ...], list[str]]:
    """Soft masks in the report of each group of destinations."""
    with database.read() as session:
        summary = session.scalars(select(Summary)).one()
        request = summary_request(session, summary, LADDERS, Path("/results"))
    return {
        one.variant.destinations: [request.lesions[place].soft_mask.name for place in one.lesions]
        for one in request.variants
    }
