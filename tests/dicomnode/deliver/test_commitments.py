"""A commitment is what the peer reported, each transaction is kept, nothing is asked for ever."""

from __future__ import annotations

import time

import numpy as np
import pytest
from sqlalchemy import select

from dicomnode.commit.information import (
    CommitmentOutcome,
    CommitmentRequest,
    FailureReason,
    Reference,
    outcome_dataset,
    read_outcome,
    read_request,
    request_dataset,
)
from dicomnode.deliver import commitments, confirmation, outbox
from dicomnode.deliver.answer import Answer, Verdict
from dicomnode.deliver.confirmation import ReadBack, Reading
from dicomnode.deliver.standing import in_full, in_short
from dicomnode.explain import explain
from dicomnode.marks import RecistMark
from dicomnode.marks.serialised import to_json
from dicomnode.settings import ConfirmSettings, DicomDestination, RetrySettings
from dicomnode.store.states import CommitmentState, Confirmation, DeliveryState, LesionState
from dicomnode.store.tables import Commitment, Delivery, Lesion, Result

SEG = "1.2.840.10008.5.1.4.1.1.66.4"
RETRY = RetrySettings(first_wait_s=10, factor=2, longest_wait_s=25, attempts=4, jitter=0)
CONFIRM = ConfirmSettings(requests=3, resends=2, verify_attempts=2, report_within_s=100)
PACS = DicomDestination(
    name="pacs", ae_title="PACS", host="127.0.0.1", port=104, commit=True, verify="find"
)
ONLY_COMMIT = PACS.model_copy(update={"verify": "none"})
MARK = RecistMark(np.array([[1.0, 1.0], [5.0, 1.0]]), None, "1.2", "1", "1.3")
ACCEPTED = Answer(Verdict.ACCEPTED, "0x0000 success", 0)


def sent(database, number: int, destination: DicomDestination = PACS) -> int:
    """Make a delivery that the peer has just accepted."""
    with database.write() as session:
        lesion = Lesion(
            mark_key=str(number), mark={}, source_sop_instance_uid="1.2", state="published"
        )
        result = Result(
            lesion=lesion,
            kind="fractional-seg",
            sop_class_uid=SEG,
            sop_instance_uid=f"1.2.{number}",
            path=f"/results/{number}.dcm",
            size=1,
        )
        delivery = Delivery(result=result, destination="pacs", state=DeliveryState.QUEUED)
        session.add(delivery)
        session.flush()
        accept(session, delivery.id, destination)
        return delivery.id


def accept(session, delivery_id: int, destination: DicomDestination = PACS) -> None:
    assert outbox.begin(session, delivery_id)
    outbox.record(session, delivery_id, ACCEPTED, RETRY, confirmation.first_step(destination))


def ask(database, ids) -> CommitmentRequest:
    with database.write() as session:
        return commitments.begin(session, "pacs", ids, report_by=2e9)


def report(database, request, committed=(), failed=None, destination=PACS):
    """Let the peer report; objects by their number."""
    outcome = CommitmentOutcome(
        request.transaction_uid,
        tuple(Reference(SEG, f"1.2.{n}") for n in committed),
        {Reference(SEG, f"1.2.{n}"): why for n, why in (failed or {}).items()},
    )
    # As it goes over the wire.
    outcome = read_outcome(outcome_dataset(outcome))
    with database.write() as session:
        return commitments.record_report(session, outcome, {"pacs": destination}, CONFIRM, RETRY)


def row(database, delivery_id: int) -> Delivery:
    with database.read() as session:
        return session.get_one(Delivery, delivery_id)


def due(database) -> list[int]:
    with database.read() as session:
        return list(commitments.due(session, "pacs", 100))


def overdue(database) -> None:
    with database.write() as session:
        for delivery in session.scalars(
            select(Delivery).where(Delivery.confirmation == Confirmation.REPORT)
        ):
            delivery.due_at = 0
    with database.write() as session:
        commitments.record_overdue(session, PACS, CONFIRM)


def make_due(database, delivery_id: int) -> None:
    with database.write() as session:
        session.get_one(Delivery, delivery_id).due_at = 0


def told(database, delivery_id: int) -> str:
    with database.read() as session:
        delivery = session.get_one(Delivery, delivery_id)
        return "\n".join([in_short(delivery), *in_full(delivery)])


def test_a_request_says_what_was_sent(database):
    ids = [sent(database, n) for n in (1, 2)]
    assert due(database) == ids
    request = ask(database, ids)
    assert request.references == (Reference(SEG, "1.2.1"), Reference(SEG, "1.2.2"))
    assert read_request(request_dataset(request)) == request
    assert due(database) == []
    assert ask(database, [sent(database, 3)]).transaction_uid != request.transaction_uid
    assert "commitment asked for" in told(database, ids[0])


def test_what_is_due_soon_goes_into_the_request_of_what_is_due(database):
    first, second = sent(database, 1), sent(database, 2)
    with database.write() as session:
        session.get_one(Delivery, second).due_at += 30
    with database.read() as session:
        assert commitments.due(session, "pacs", 10) == [first]
        assert commitments.due(session, "pacs", 10, batch_s=60) == [first, second]
    with database.write() as session:
        session.get_one(Delivery, first).due_at += 30
    with database.read() as session:
        assert commitments.due(session, "pacs", 10, batch_s=60) == []


def test_what_is_committed_is_called_so_and_then_read_back(database):
    one, two = sent(database, 1), sent(database, 2)
    request = ask(database, [one, two])
    reported = report(database, request, committed=(1, 2))
    assert (reported.committed, reported.failed) == (2, 0)
    for delivery in (row(database, one), row(database, two)):
        assert delivery.state is DeliveryState.COMMITTED
        assert delivery.committed_at >= delivery.accepted_at
        assert delivery.confirmation is Confirmation.VERIFY
    assert report(database, request, committed=(1,)).repeated


def test_where_nothing_is_read_back_committed_is_the_end(database):
    one = sent(database, 1)
    report(database, ask(database, [one]), committed=(1,), destination=ONLY_COMMIT)
    assert row(database, one).state is DeliveryState.COMMITTED
    assert row(database, one).confirmation is None


def test_an_unknown_transaction_changes_nothing(database):
    one = sent(database, 1)
    ask(database, [one])
    stranger = CommitmentRequest("1.2.3.4", ())
    assert report(database, stranger, committed=(1,)) is None
    assert row(database, one).state is DeliveryState.ACCEPTED


def test_an_object_that_the_report_leaves_out_is_still_waited_for(database):
    one, two = sent(database, 1), sent(database, 2)
    request = ask(database, [one, two])
    report(database, request, committed=(1,))
    assert row(database, two).confirmation is Confirmation.REPORT
    report(database, request, committed=(2,))
    assert row(database, two).state is DeliveryState.COMMITTED
    with database.read() as session:
        assert session.scalars(select(Commitment)).one().state is CommitmentState.REPORTED


def test_a_failed_object_is_sent_again_and_parked_when_that_does_not_help(database):
    one, two = sent(database, 1), sent(database, 2)
    failed = {2: FailureReason.NO_SUCH_OBJECT}
    report(database, ask(database, [one, two]), committed=(1,), failed=failed)
    assert row(database, one).state is DeliveryState.COMMITTED
    for resend in (1, 2):
        delivery = row(database, two)
        assert (delivery.state, delivery.resends) == (DeliveryState.QUEUED, resend)
        assert delivery.accepted_at is None
        assert "0x0112 no such object instance" in delivery.commit_words
        with database.write() as session:
            accept(session, two)
        report(database, ask(database, [two]), failed=failed)
    delivery = row(database, two)
    assert delivery.state is DeliveryState.EXHAUSTED
    assert "accepted 3 times" in delivery.commit_words
    assert row(database, one).state is DeliveryState.COMMITTED


@pytest.mark.parametrize(
    "reason", [FailureReason.CLASS_NOT_SUPPORTED, FailureReason.CLASS_INSTANCE_CONFLICT]
)
def test_what_the_peer_never_commits_to_stays_accepted_and_says_so(database, reason):
    one = sent(database, 1)
    report(database, ask(database, [one]), failed={1: reason})
    delivery = row(database, one)
    assert delivery.state is DeliveryState.ACCEPTED
    assert delivery.confirmation is Confirmation.VERIFY
    with database.write() as session:
        read = ReadBack(Reading.IMPOSSIBLE, "no queries here")
        confirmation.record_reading(session, one, read, CONFIRM, RETRY)
    text = told(database, one)
    assert "accepted, no further" in text
    assert "not committed: the peer reported 0x01" in text
    assert "not verified: no queries here" in text


def test_the_failure_of_an_older_transaction_says_nothing_of_what_was_asked_since(database):
    one = sent(database, 1)
    old = ask(database, [one])
    overdue(database)
    ask(database, [one])
    report(database, old, failed={1: FailureReason.NO_SUCH_OBJECT})
    assert row(database, one).state is DeliveryState.ACCEPTED
    assert row(database, one).resends == 0


def test_a_withdrawn_lesion_is_not_sent_again(database):
    one = sent(database, 1)
    request = ask(database, [one])
    with database.write() as session:
        session.get_one(Delivery, one).result.lesion.state = LesionState.SUPERSEDED
    report(database, request, failed={1: FailureReason.NO_SUCH_OBJECT})
    assert row(database, one).state is DeliveryState.WITHDRAWN


def test_what_is_made_of_several_lesions_or_of_refusals_is_sent_again_too(database):
    one = sent(database, 1)
    request = ask(database, [one])
    with database.write() as session:
        session.get_one(Delivery, one).result.lesion = None
    report(database, request, failed={1: FailureReason.NO_SUCH_OBJECT})
    assert row(database, one).state is DeliveryState.QUEUED


def test_no_report_in_time_is_asked_again_and_not_for_ever(database):
    one = sent(database, 1)
    requests = []
    for _ in range(CONFIRM.requests):
        assert due(database) == [one]
        requests.append(ask(database, [one]))
        overdue(database)
    delivery = row(database, one)
    assert delivery.state is DeliveryState.ACCEPTED
    assert delivery.confirmation is Confirmation.VERIFY
    assert "asked 3 time(s)" in delivery.commit_words
    assert due(database) == []
    # A report that comes after all counts all the same, also that of an older request.
    report(database, requests[0], committed=(1,))
    assert row(database, one).state is DeliveryState.COMMITTED


def restart(database, again_in_s: float = 0) -> None:
    with database.write() as session:
        commitments.record_interrupted(session, "pacs", time.time() + again_in_s)


def test_what_was_open_when_the_node_stopped_is_asked_again_soon_and_not_counted(database):
    one = sent(database, 1)
    requests = []
    for _ in range(CONFIRM.requests + 1):
        requests.append(ask(database, [one]))
        restart(database)
        assert due(database) == [one]
    assert len({request.transaction_uid for request in requests}) == len(requests)
    assert "no report before the node stopped" in told(database, one)
    requests.append(ask(database, [one]))
    overdue(database)
    assert "asked 1 time(s)" in row(database, one).commit_words
    assert due(database) == [one]
    # The report of the very first counts, too.
    report(database, requests[0], committed=(1,))
    assert row(database, one).state is DeliveryState.COMMITTED


def test_a_start_asks_when_it_is_told_to_and_leaves_alone_what_awaits_no_report(database):
    one, two, three = (sent(database, n) for n in (1, 2, 3))
    ask(database, [one])
    request = ask(database, [two])
    report(database, request, committed=(2,))
    before = row(database, two).due_at, row(database, three).due_at
    restart(database, again_in_s=60)
    assert due(database) == [three]
    assert time.time() + 30 < row(database, one).due_at < time.time() + 90
    assert (row(database, two).due_at, row(database, three).due_at) == before
    assert row(database, two).confirmation is Confirmation.VERIFY


def test_what_failed_of_a_request_before_the_stop_is_sent_again(database):
    one = sent(database, 1)
    request = ask(database, [one])
    restart(database)
    report(database, request, failed={1: FailureReason.NO_SUCH_OBJECT})
    assert row(database, one).state is DeliveryState.QUEUED
    assert row(database, one).resends == 1


def test_a_report_that_is_late_counts_for_what_was_read_back_already(database):
    one = sent(database, 1)
    request = ask(database, [one])
    with database.write() as session:
        confirmation.stop_committing(session.get_one(Delivery, one), PACS, "no report")
    with database.write() as session:
        confirmation.record_reading(session, one, ReadBack(Reading.SAME, "C-FIND"), CONFIRM, RETRY)
    report(database, request, committed=(1,))
    delivery = row(database, one)
    assert delivery.state is DeliveryState.VERIFIED
    assert delivery.committed_at is not None


def test_a_peer_that_is_away_is_asked_again_and_one_that_never_will_is_not(database):
    one, two = sent(database, 1), sent(database, 2)
    for attempt in range(1, RETRY.attempts + 1):
        request = ask(database, [one])
        with database.write() as session:
            commitments.record_not_asked(
                session, request.transaction_uid, "away", PACS, RETRY, final=False
            )
        gave_up = attempt == RETRY.attempts
        expected = Confirmation.VERIFY if gave_up else Confirmation.COMMIT
        assert row(database, one).confirmation is expected
        make_due(database, one)
    request = ask(database, [two])
    with database.write() as session:
        commitments.record_not_asked(
            session, request.transaction_uid, "not offered", ONLY_COMMIT, RETRY, final=True
        )
    delivery = row(database, two)
    assert (delivery.state, delivery.confirmation) == (DeliveryState.ACCEPTED, None)
    assert delivery.commit_words == "not committed: not offered"
    assert "accepted, no further" in told(database, two)


def test_a_request_without_an_answer_is_asked_again_and_its_report_counts(database):
    one = sent(database, 1)
    request = ask(database, [one])
    with database.write() as session:
        commitments.record_unanswered(session, request.transaction_uid, "no answer", RETRY)
    assert row(database, one).confirmation is Confirmation.COMMIT
    report(database, request, committed=(1,))
    assert row(database, one).state is DeliveryState.COMMITTED


@pytest.mark.parametrize(
    ("reading", "attempts"),
    [
        (Reading.ABSENT, CONFIRM.verify_attempts),
        (Reading.UNREACHABLE, RETRY.attempts),
        (Reading.DIFFERENT, 1),
        (Reading.IMPOSSIBLE, 1),
    ],
)
def test_what_is_not_read_back_is_not_called_verified(database, reading, attempts):
    one = sent(database, 1)
    report(database, ask(database, [one]), committed=(1,))
    for attempt in range(1, attempts + 1):
        assert row(database, one).confirmation is Confirmation.VERIFY
        with database.write() as session:
            confirmation.record_reading(session, one, ReadBack(reading, "why"), CONFIRM, RETRY)
        assert row(database, one).confirm_attempts == attempt
    delivery = row(database, one)
    assert (delivery.state, delivery.confirmation) == (DeliveryState.COMMITTED, None)
    assert delivery.verify_words == "not verified: why"
    assert delivery.verified_at is None


def test_what_is_not_asked_for_any_more_is_forgotten(database):
    one = sent(database, 1)
    plain = PACS.model_copy(update={"commit": False})
    with database.write() as session:
        confirmation.drop_unwanted(session, plain)
    assert row(database, one).confirmation is Confirmation.VERIFY
    with database.write() as session:
        confirmation.drop_unwanted(session, plain.model_copy(update={"verify": "none"}))
    assert row(database, one).confirmation is None
    assert row(database, one).state is DeliveryState.ACCEPTED


def test_it_is_called_sent_before_it_leaves_and_not_at_all_once_withdrawn(database):
    one = sent(database, 1)
    with database.write() as session:
        delivery = session.get_one(Delivery, one)
        delivery.state = DeliveryState.QUEUED
        assert outbox.begin(session, one)
        assert delivery.state is DeliveryState.SENT
        delivery.state = DeliveryState.WITHDRAWN
        assert not outbox.begin(session, one)


def test_explain_says_of_each_destination_how_far_a_result_is_and_what_failed_last(database):
    one = sent(database, 1)
    with database.write() as session:
        result = session.get_one(Delivery, one).result
        result.lesion.mark = to_json(MARK)
        others = {
            name: Delivery(result=result, destination=name, state=DeliveryState.QUEUED)
            for name in ("away", "strict")
        }
        session.add_all(others.values())
        session.flush()
        for name, answer in (
            ("away", Answer(Verdict.REPEAT, "AWAY@h:104 could not be reached")),
            ("strict", Answer(Verdict.REFUSED, "0xA900 data set does not match", 0xA900)),
        ):
            outbox.record(session, others[name].id, answer, RETRY)
        confirmation.stop_committing(session.get_one(Delivery, one), ONLY_COMMIT, "it said no")
    with database.read() as session:
        lines = list(explain(session, "1.2.1"))
    text = "\n".join(lines)
    assert "to pacs: accepted" in text
    assert "not committed: it said no" in text
    away, due = (line for line in lines if "to away" in line or "to be sent" in line)
    assert "queued after 1 attempt(s), the peer said: AWAY@h:104 could not be reached" in away
    assert "to be sent again at" in due
    assert "to strict: refused after 1 attempt(s), the peer said: 0xA900" in text
