"""What is finished is forgotten after some time; what is still to be done, or stands, never is."""

from __future__ import annotations

import time

import pytest
from sqlalchemy import select

from dicomnode.commit import owed
from dicomnode.deliver import retention
from dicomnode.housekeeper import Housekeeper
from dicomnode.settings import NodeSettings
from dicomnode.store.states import (
    CommitmentState,
    Confirmation,
    DeliveryState,
    LesionState,
    ReportState,
    SummaryState,
)
from dicomnode.store.tables import (
    Commitment,
    CommitmentReport,
    Delivery,
    Lesion,
    Result,
    Summary,
    commitment_delivery,
)
from dicomnode.timing import CallScheduler
from tests.dicomnode.deliver.results_on_disk import until

SEG = "1.2.840.10008.5.1.4.1.1.66.4"
FINISHED = (
    DeliveryState.ACCEPTED,
    DeliveryState.COMMITTED,
    DeliveryState.VERIFIED,
    DeliveryState.WITHDRAWN,
)
LONG_AGO = 1000.0


def result(session, number: int, **of) -> Result:
    made = Result(
        kind="report",
        sop_class_uid=SEG,
        sop_instance_uid=f"1.2.{number}",
        path="/results/1.dcm",
        size=1,
        **of,
    )
    session.add(made)
    return made


def lesion(number: int, state: LesionState) -> Lesion:
    return Lesion(mark_key=str(number), mark={}, source_sop_instance_uid="1.2", state=state)


def delivery(
    database, state, confirmation=None, lesion_state=LesionState.SUPERSEDED, changed_at=LONG_AGO
) -> int:
    """A delivery of an object of its own; its id."""
    with database.write() as session:
        number = session.query(Result).count() + 1
        made = result(session, number, lesion=lesion(number, lesion_state))
        row = Delivery(
            result=made,
            destination="pacs",
            state=state,
            confirmation=confirmation,
            changed_at=changed_at,
        )
        session.add(row)
        session.flush()
        return row.id


def commitment(database, state, *deliveries: int, asked_at=LONG_AGO, reported_at=None) -> int:
    with database.write() as session:
        row = Commitment(
            transaction_uid=f"2.25.{session.query(Commitment).count() + 1}",
            destination="pacs",
            state=state,
            asked_at=asked_at,
            reported_at=reported_at,
        )
        session.add(row)
        session.flush()
        for number in deliveries:
            session.execute(
                commitment_delivery.insert().values(commitment_id=row.id, delivery_id=number)
            )
        return row.id


def ids(database, table) -> list[int]:
    with database.read() as session:
        return list(session.scalars(select(table.id).order_by(table.id)))


def forget(database, how, before: float = LONG_AGO + 1) -> int:
    with database.write() as session:
        return how(session, before)


@pytest.mark.parametrize("state", FINISHED)
def test_a_finished_delivery_of_what_was_replaced_goes(database, state):
    delivery(database, state)
    kept = delivery(database, state, changed_at=LONG_AGO + 2)
    assert forget(database, retention.forget_deliveries) == 1
    assert ids(database, Delivery) == [kept]


@pytest.mark.parametrize("lesion_state", sorted({*LesionState} - {LesionState.SUPERSEDED}))
def test_the_delivery_of_what_stands_says_that_it_is_not_sent_again(database, lesion_state):
    kept = [delivery(database, state, lesion_state=lesion_state) for state in FINISHED]
    assert forget(database, retention.forget_deliveries) == 0
    assert ids(database, Delivery) == kept


def test_what_is_to_be_done_and_dead_letters_stay(database):
    kept = [delivery(database, state) for state in set(DeliveryState) - set(FINISHED)]
    kept += [
        delivery(database, state, confirmation)
        for state in (DeliveryState.ACCEPTED, DeliveryState.COMMITTED)
        for confirmation in Confirmation
    ]
    assert forget(database, retention.forget_deliveries) == 0
    assert ids(database, Delivery) == kept


def test_of_a_series_the_newest_report_that_a_destination_has_stays(database):
    with database.write() as session:
        summary = Summary(
            series_instance_uid="1.2",
            rule="all",
            method="occupancy",
            state=SummaryState.PUBLISHED,
            due_at=0.0,
        )
        first, second, third = (result(session, n, summary=summary) for n in range(3))
        rows = [
            Delivery(result=made, destination=name, state=state, changed_at=LONG_AGO)
            for made, name, state in (
                (first, "pacs", DeliveryState.ACCEPTED),
                (first, "web", DeliveryState.ACCEPTED),
                (second, "pacs", DeliveryState.COMMITTED),
                # It has not come: the next one names the second as what it takes the place of.
                (third, "pacs", DeliveryState.WITHDRAWN),
            )
        ]
        session.add_all(rows)
        session.flush()
        _, *kept = [row.id for row in rows]
    assert forget(database, retention.forget_deliveries) == 1
    assert ids(database, Delivery) == kept


def test_of_a_lesion_that_stands_the_newest_that_a_destination_has_stays(database):
    with database.write() as session:
        standing = lesion(1, LesionState.PUBLISHED)
        first, second, other = (result(session, n, lesion=standing) for n in range(3))
        other.kind = "binary-seg"
        rows = [
            Delivery(result=made, destination=name, state=state, changed_at=LONG_AGO)
            for made, name, state in (
                (first, "pacs", DeliveryState.VERIFIED),
                (first, "web", DeliveryState.REFUSED),  # what was wanted there came later
                (first, "archive", DeliveryState.REFUSED),
                (second, "pacs", DeliveryState.ACCEPTED),
                (second, "web", DeliveryState.ACCEPTED),
                (second, "archive", DeliveryState.EXHAUSTED),
                (other, "pacs", DeliveryState.ACCEPTED),
            )
        ]
        session.add_all(rows)
        session.flush()
        _, _, *kept = [row.id for row in rows]
    assert forget(database, retention.forget_deliveries) == 2
    assert ids(database, Delivery) == kept


def test_a_request_goes_when_nothing_follows_from_it(database):
    done = delivery(database, DeliveryState.COMMITTED)
    commitment(database, CommitmentState.REPORTED, done, reported_at=LONG_AGO)
    commitment(database, CommitmentState.INTERRUPTED, done)
    commitment(database, CommitmentState.REFUSED, done)
    late = commitment(database, CommitmentState.REPORTED, done, reported_at=LONG_AGO + 2)
    # The delivery is still named by a request.
    assert forget(database, retention.forget_deliveries) == 0
    assert forget(database, retention.forget_commitments) == 3
    assert ids(database, Commitment) == [late]
    assert forget(database, retention.forget_commitments, LONG_AGO + 3) == 1
    assert forget(database, retention.forget_deliveries) == 1
    with database.read() as session:
        assert session.execute(select(commitment_delivery)).all() == []


@pytest.mark.parametrize(
    ("state", "confirmation"),
    [
        (DeliveryState.ACCEPTED, Confirmation.REPORT),
        (DeliveryState.ACCEPTED, Confirmation.COMMIT),
        (DeliveryState.COMMITTED, Confirmation.VERIFY),
        (DeliveryState.QUEUED, None),
        (DeliveryState.SENT, None),
    ],
)
def test_a_request_stays_while_one_of_its_objects_is_open(database, state, confirmation):
    done = delivery(database, DeliveryState.COMMITTED)
    open_one = delivery(database, state, confirmation)
    kept = commitment(database, CommitmentState.ASKED, done, open_one)
    assert forget(database, retention.forget_commitments) == 0
    assert ids(database, Commitment) == [kept]


def report(database, number: int, state: ReportState, changed_at: float = LONG_AGO) -> int:
    with database.write() as session:
        row = CommitmentReport(
            transaction_uid=f"2.25.{number}",
            calling_ae="CT1",
            called_ae="DICOMNODE",
            references=[],
            state=state,
            changed_at=changed_at,
        )
        session.add(row)
        session.flush()
        return row.id


def test_a_peers_request_stays_until_it_is_answered(database):
    for number, state in enumerate(set(ReportState) - {ReportState.QUEUED}):
        report(database, number, state)
    kept = [
        report(database, 10, ReportState.QUEUED),
        report(database, 11, ReportState.REPORTED, LONG_AGO + 2),
    ]
    assert forget(database, owed.forget) == len(ReportState) - 1
    assert ids(database, CommitmentReport) == kept


@pytest.mark.parametrize("keep_days", [1.0, 0.0])
def test_the_housekeeper_keeps_as_long_as_the_settings_say(database, tmp_path, keep_days):
    old = delivery(database, DeliveryState.VERIFIED)
    new = delivery(database, DeliveryState.VERIFIED, changed_at=time.time())
    commitment(database, CommitmentState.REPORTED, old)
    report(database, 1, ReportState.REPORTED)
    open_one = report(database, 2, ReportState.QUEUED)
    settings = NodeSettings(
        store={"path": tmp_path},
        confirm={"keep_days": keep_days},
        commitment={"keep_days": keep_days},
    )
    scheduler = CallScheduler()
    scheduler.start()
    housekeeper = Housekeeper(database, scheduler, settings)
    housekeeper.start()
    try:
        # The next pass is planned when this one is done.
        until(lambda: scheduler.get_job("housekeeper"), "a pass")
        (planned,) = scheduler.get_jobs()
        assert planned.next_run_time.timestamp() > time.time() + 3600
    finally:
        housekeeper.stop()
        scheduler.shutdown()
    everything = keep_days == 0
    assert (old in ids(database, Delivery)) is everything
    assert bool(ids(database, Commitment)) is everything
    assert len(ids(database, CommitmentReport)) == (2 if everything else 1)
    assert new in ids(database, Delivery)
    assert open_one in ids(database, CommitmentReport)
