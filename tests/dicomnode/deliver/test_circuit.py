"""A destination that is away is asked by one object at a time; when it is back, all goes."""

from __future__ import annotations

import time

import pytest

from dicomnode.deliver import circuit, outbox
from dicomnode.deliver.circuit import Admission
from dicomnode.deliver.courier import Courier
from dicomnode.settings import CircuitSettings, NodeSettings, RetrySettings
from dicomnode.store.database import Database
from dicomnode.store.states import CircuitState, DeliveryState
from dicomnode.store.tables import Circuit, Delivery
from dicomnode.timing import CallScheduler
from tests.dicomnode.deliver.results_on_disk import deliveries, queue, segs, states, until
from tests.dicomnode.deliver.stand_in_server import StandInServer, store_all

THREE = CircuitSettings(failures=3, first_wait_s=10, longest_wait_s=25)
STEADY = RetrySettings(jitter=0)


def lose(database, times: int = 1) -> Circuit:
    for _ in range(times):
        with database.write() as session:
            row = circuit.record_lost(session, "pacs", "could not be reached", THREE, STEADY)
    return row


def admitted(database, in_s: float = 0.0) -> Admission:
    with database.read() as session:
        return circuit.admission(session, "pacs", time.time() + in_s)


def test_it_opens_after_so_many_failures_in_a_row(database):
    assert lose(database, 2).state is CircuitState.CLOSED
    assert admitted(database) is Admission.ALL
    with database.write() as session:
        assert not circuit.record_answered(session, "pacs")
    assert lose(database, 2).state is CircuitState.CLOSED  # not in a row
    row = lose(database)
    assert (row.state, row.failures) == (CircuitState.OPEN, 3)
    assert row.words == "could not be reached"
    assert admitted(database) is Admission.NOTHING
    assert admitted(database, 11) is Admission.ONE


def test_probes_are_rarer_the_longer_it_is_away_and_an_answer_closes_it(database):
    opened = lose(database, 3).opened_at
    waits = []
    for _ in range(4):
        row = lose(database)
        waits.append(round(row.probe_at - time.time()))
    assert waits == [20, 25, 25, 25]
    assert row.opened_at == opened
    with database.write() as session:
        assert circuit.record_answered(session, "pacs")
    assert admitted(database) is Admission.ALL
    with database.read() as session:
        assert session.get_one(Circuit, "pacs").opened_at is None


def test_it_is_known_after_a_restart_and_an_interrupted_probe_is_made_again(database):
    lose(database, 3)
    again = Database(database.url)
    assert admitted(again) is Admission.NOTHING
    with again.write() as session:
        circuit.begin_probe(session, "pacs")
    assert admitted(again) is Admission.ONE
    again.close()


def test_a_probe_that_did_not_leave_the_node_is_made_later(database):
    lose(database, 3)
    with database.write() as session:
        circuit.begin_probe(session, "pacs")
        circuit.postpone_probe(session, "pacs", THREE)
    assert admitted(database) is Admission.NOTHING
    assert admitted(database, 11) is Admission.ONE


@pytest.fixture
def scheduler():
    scheduler = CallScheduler()
    scheduler.start()
    yield scheduler
    scheduler.shutdown()


def test_while_it_is_open_one_object_goes_and_the_others_keep_their_attempts(
    database, tmp_path, scheduler, caplog
):
    caplog.set_level("INFO")
    queue(database, segs(4, tmp_path / "results"), "web")
    away = True
    asked: list[int] = []

    def answer(instances):
        asked.append(len(instances))
        return (503, None) if away else store_all(instances)

    with StandInServer(answer) as server:
        settings = NodeSettings(
            destinations=[{"name": "web", "kind": "stow-rs", "url": server.url}],
            retry={"first_wait_s": 1000, "jitter": 0},  # none would go by itself in time
            circuit={"failures": 1, "first_wait_s": 0.3, "longest_wait_s": 0.3},
        )
        courier = Courier(database, scheduler, settings.destination("web"), settings, lambda: None)
        courier.start()
        try:
            until(lambda: len(asked) >= 5, "probes")
            with database.read() as session:
                row = session.get_one(Circuit, "web")
            assert row.state is not CircuitState.CLOSED
            assert row.words == "HTTP 503 Service Unavailable"
            before = [d.attempts for d in deliveries(database)]
            assert sum(before) <= sum(asked)
            away = False
            until(
                lambda: states(deliveries(database)) == [DeliveryState.ACCEPTED] * 4, "acceptance"
            )
        finally:
            courier.stop()
    opened = next(i for i, count in enumerate(asked) if count == 1)
    probes = asked[opened:-1]
    assert probes
    assert set(probes) == {1}, asked  # one at a time while it is away
    assert asked[-1] == 3  # all that waited, in one request
    # Told once, not at each probe.
    assert [caplog.text.count(f"circuit.{word} ") for word in ("opened", "closed")] == [1, 1]
    with database.read() as session:
        assert session.get_one(Circuit, "web").state is CircuitState.CLOSED


def test_a_destination_that_says_no_is_there(database, tmp_path, scheduler):
    queue(database, segs(3, tmp_path / "results"), "web")
    with StandInServer(lambda instances: (400, None)) as server:
        settings = NodeSettings(
            destinations=[{"name": "web", "kind": "stow-rs", "url": server.url}],
            circuit={"failures": 1},
        )
        courier = Courier(database, scheduler, settings.destination("web"), settings, lambda: None)
        courier.start()
        until(lambda: states(deliveries(database)) == [DeliveryState.REFUSED] * 3, "the no")
        courier.stop()
    with database.read() as session:
        assert session.get(Circuit, "web") is None


def test_all_that_is_open_is_hurried_and_nothing_else(database, tmp_path):
    first, second = queue(database, segs(2, tmp_path / "results"), "web")
    with database.write() as session:
        for number in (first, second):
            session.get_one(Delivery, number).due_at = 9e9
        session.get_one(Delivery, second).state = DeliveryState.REFUSED
    with database.write() as session:
        outbox.hurry(session, "web")
    row, dead = deliveries(database)
    assert row.due_at <= time.time()
    assert dead.due_at == 9e9
