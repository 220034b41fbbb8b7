"""A report counts whichever way it comes: on its request's association, on another, or late."""

from __future__ import annotations

import threading
from contextlib import ExitStack, contextmanager

import pytest
from pydicom.dataset import Dataset
from pynetdicom import AE
from pynetdicom.sop_class import Verification

from dicomnode.commit.provider import CommitmentProvider
from dicomnode.deliver.commitment_reports import CommitmentReports
from dicomnode.deliver.confirmer import Confirmer
from dicomnode.deliver.courier import Courier
from dicomnode.receive.scp import StorageSCP
from dicomnode.receive.settings import ReceiverSettings
from dicomnode.receive.sop_classes import CT_CLASSES
from dicomnode.settings import NodeSettings
from dicomnode.store.files import FileStore
from dicomnode.store.instances import InstanceIndex
from dicomnode.store.states import CommitmentState, Confirmation, DeliveryState
from dicomnode.store.tables import Commitment
from dicomnode.timing import CallScheduler
from dicomnode.woken_thread import DueThread
from tests.dicomnode.deliver.committing_peer import CommittingPeer
from tests.dicomnode.deliver.results_on_disk import (
    PATIENCE_S,
    deliveries,
    queue,
    segs,
    states,
    until,
)

COMMITTED = DeliveryState.COMMITTED
LOST = 0x0112


@pytest.fixture
def paths(tmp_path):
    return segs(2, tmp_path / "results")


class Delivering:
    """The delivering half of a node: courier, confirmer and the SCP that takes reports."""

    def __init__(self, database, root, peer_port: int, **sections) -> None:
        destination = {
            "name": "pacs",
            "ae_title": CommittingPeer.AE_TITLE,
            "host": "127.0.0.1",
            "port": peer_port,
            "commit": True,
            "connect_timeout_s": 5,
            "response_timeout_s": sections.get("response_timeout_s", 10),
        }
        confirm = {"batch_s": 0.1, "same_association_s": 0.1, "report_within_s": 600}
        self.settings = NodeSettings(
            store={"path": root / "store", "reserve_mb": 0},
            retry={"first_wait_s": 0.2, "factor": 1.0},
            confirm=confirm | sections.get("confirm", {}),
            destinations=[destination],
        )
        self.database = database
        self._scheduler = CallScheduler()
        reports = CommitmentReports(database, self.settings, self._on_report)
        (peer,) = self.settings.destinations
        self._confirmer = Confirmer(database, self._scheduler, peer, self.settings, reports.take)
        self._courier = Courier(
            database, self._scheduler, peer, self.settings, self._confirmer.notify
        )
        self._provider = CommitmentProvider(database, self._scheduler, self.settings, reports.take)
        self._scp = StorageSCP(
            ReceiverSettings(host="127.0.0.1", port=0, ae_title="DICOMNODE"),
            FileStore(self.settings.store.path, 0),
            InstanceIndex(database, CT_CLASSES),
            None,
            self._provider,
        )

    @property
    def port(self) -> int:
        return self._scp.port

    def _on_report(self, _destination: str, transaction_uid: str) -> None:
        self._confirmer.reported(transaction_uid)
        self._courier.notify()

    def __enter__(self):
        self._scheduler.start()
        self._confirmer.start()
        self._courier.start()
        self._provider.start()
        self._scp.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self.stop()

    def stop(self) -> None:
        """As the node does."""
        callers = (self._confirmer, self._courier, self._provider)
        for caller in callers:
            caller.ask_to_stop()
        self._confirmer.stop()
        self._scp.stop()
        for caller in callers:
            caller.stop()
        if self._scheduler.running:
            self._scheduler.shutdown()


@contextmanager
def delivering(database, tmp_path, paths, peer: CommittingPeer, **sections):
    queue(database, paths, "pacs")
    with ExitStack() as stack:
        stack.enter_context(peer)
        yield stack.enter_context(Delivering(database, tmp_path, peer.port, **sections))


def all_are(database, state: DeliveryState):
    return lambda: set(states(deliveries(database))) == {state}


def asked(peer: CommittingPeer, times: int = 1):
    return lambda: len(peer.requests) >= times


def test_on_the_same_association(database, tmp_path, paths):
    peer = CommittingPeer("same")
    confirm = {"same_association_s": 20}
    with delivering(database, tmp_path, paths, peer, confirm=confirm):
        until(all_are(database, COMMITTED), "commitment")
        until(lambda: peer.answers, "the answer to the report")
    assert peer.answers == [0x0000]
    assert len(peer.requests) == 1
    assert len(peer.requests[0].ReferencedSOPSequence) == 2
    assert sorted(peer.stores) == sorted(path.stem for path in paths)


@pytest.mark.parametrize("role", [True, False])
def test_on_an_association_that_the_peer_opens(database, tmp_path, paths, role):
    peer = CommittingPeer("later")
    with delivering(database, tmp_path, paths, peer) as node:
        until(asked(peer), "the request")
        assert peer.report(peer.requests[0], node.port, role) == 0x0000
        until(all_are(database, COMMITTED), "commitment")
        # A peer that is not sure reports once more.
        assert peer.report(peer.requests[0], node.port, role) == 0x0000


def test_after_a_restart(database, tmp_path, paths):
    peer = CommittingPeer("later")
    with delivering(database, tmp_path, paths, peer):
        until(asked(peer), "the request")
        until(
            lambda: {d.confirmation for d in deliveries(database)} == {Confirmation.REPORT},
            "both asked for",
        )
    assert set(states(deliveries(database))) == {DeliveryState.ACCEPTED}
    with peer, Delivering(database, tmp_path, peer.port) as node:
        for request in peer.requests:
            assert peer.report(request, node.port) == 0x0000
        until(all_are(database, COMMITTED), "commitment")
    assert len(peer.stores) == 2


@pytest.mark.parametrize("which", ["old", "new"])
def test_a_report_that_came_while_the_node_was_down_is_asked_for_again(
    database, tmp_path, paths, which
):
    peer = CommittingPeer("later")
    with delivering(database, tmp_path, paths, peer) as node:
        until(asked(peer), "the request")
        until(
            lambda: {d.confirmation for d in deliveries(database)} == {Confirmation.REPORT},
            "both asked for",
        )
        gone = node.port
    before = list(peer.requests)
    for request in before:
        assert peer.report(request, gone) is None  # nobody listens
    confirm = {"after_start_s": 0.1, "requests": 1}
    with peer, Delivering(database, tmp_path, peer.port, confirm=confirm) as node:
        until(asked(peer, len(before) + 1), "another request")
        uids = [request.TransactionUID for request in peer.requests]
        assert len(set(uids)) == len(uids)
        until(
            lambda: {d.confirmation for d in deliveries(database)} == {Confirmation.REPORT},
            "both asked for again",
        )
        for request in before if which == "old" else peer.requests[len(before) :]:
            assert peer.report(request, node.port) == 0x0000
        until(all_are(database, COMMITTED), "commitment")
    assert len(peer.stores) == 2


@pytest.mark.parametrize("during", ["object", "request"])
def test_a_peer_that_hangs_holds_up_no_stop(database, tmp_path, paths, during, monkeypatch):
    monkeypatch.setattr(DueThread, "grace_s", 0.0)
    peer = CommittingPeer("same")
    peer.hangs = during == "object"
    with peer:
        queue(database, paths[:1], "pacs")
        node = Delivering(database, tmp_path, peer.port, response_timeout_s=4 * PATIENCE_S)
        with node:
            until(lambda: peer.stores, "the object")
            if during == "request":
                peer.hangs = True
                until(asked(peer), "the request")
            stop = threading.Thread(target=node.stop, daemon=True)
            stop.start()
            stop.join(PATIENCE_S)
            assert not stop.is_alive()
        (delivery,) = deliveries(database)
        # Neither is known to have come: both are repeated.
        if during == "object":
            assert (delivery.state, delivery.accepted_at) == (DeliveryState.SENT, None)
        else:
            assert delivery.state is DeliveryState.ACCEPTED
            assert delivery.confirmation is Confirmation.COMMIT


@pytest.mark.parametrize("way", ["same", "later"])
def test_a_report_that_is_acknowledged_during_a_stop_is_kept(database, tmp_path, way):
    paths = segs(12, tmp_path / "results")
    peer = CommittingPeer(way)
    reported: dict[str, int | None] = {}
    confirm = {"batch": 1, "same_association_s": PATIENCE_S if way == "same" else 0.0}
    with delivering(database, tmp_path, paths, peer, confirm=confirm) as node:

        def report_all() -> None:
            for request in peer.requests:
                reported[request.TransactionUID] = peer.report(request, node.port)

        if way == "later":
            until(asked(peer, len(paths)), "all requests")
            reporting = threading.Thread(target=report_all, daemon=True)
            reporting.start()
        until(lambda: len(peer.answers) >= 3, "some answers")
        node.stop()
        if way == "later":
            reporting.join(PATIENCE_S)
            assert not reporting.is_alive()
        acknowledged = sum(status == 0x0000 for status in peer.answers)
    with database.read() as session:
        kept = session.query(Commitment).filter_by(state=CommitmentState.REPORTED).count()
    assert 3 <= acknowledged <= kept
    for uid, status in reported.items():
        if status == 0x0000:
            with database.read() as session:
                (row,) = session.query(Commitment).filter_by(transaction_uid=str(uid))
            assert row.state is CommitmentState.REPORTED


@pytest.mark.parametrize("way", ["same", "later"])
def test_what_the_peer_has_lost_is_sent_again(database, tmp_path, paths, way):
    lost = paths[1].stem

    def judge(uid: str) -> int | None:
        return LOST if uid == lost and peer.stores.count(lost) == 1 else None

    peer = CommittingPeer(way, judge)
    confirm = {"same_association_s": 20 if way == "same" else 0.1}
    with delivering(database, tmp_path, paths, peer, confirm=confirm) as node:
        if way == "later":
            for number in range(2):
                until(asked(peer, number + 1), "a request")
                assert peer.report(peer.requests[number], node.port) == 0x0000
        until(all_are(database, COMMITTED), "commitment")
    assert peer.stores.count(lost) == 2
    assert peer.stores.count(paths[0].stem) == 1
    assert [row.resends for row in deliveries(database)] == [0, 1]


def test_a_peer_that_never_has_it_is_not_sent_it_for_ever(database, tmp_path, paths):
    peer = CommittingPeer("same", lambda _: LOST)
    confirm = {"same_association_s": 20, "resends": 1}
    with delivering(database, tmp_path, paths[:1], peer, confirm=confirm):
        until(all_are(database, DeliveryState.EXHAUSTED), "the end")
    assert len(peer.stores) == 2


def test_a_peer_that_never_reports_is_asked_again_and_not_for_ever(database, tmp_path, paths):
    peer = CommittingPeer("never")
    confirm = {"report_within_s": 0.3, "requests": 2}
    with delivering(database, tmp_path, paths, peer, confirm=confirm):
        until(
            lambda: all(d.accepted_at and d.confirmation is None for d in deliveries(database)),
            "the end",
        )
        rows = deliveries(database)
    assert set(states(rows)) == {DeliveryState.ACCEPTED}
    assert all("no report within" in row.commit_words for row in rows)
    uids = [request.TransactionUID for request in peer.requests]
    assert len(set(uids)) == len(uids) >= 2


def test_a_peer_without_storage_commitment_is_asked_once(database, tmp_path, paths):
    peer = CommittingPeer()
    peer._ae.remove_supported_context("1.2.840.10008.1.20.1")
    with delivering(database, tmp_path, paths, peer):
        until(
            lambda: all(d.accepted_at and d.confirmation is None for d in deliveries(database)),
            "the end",
        )
        rows = deliveries(database)
    assert set(states(rows)) == {DeliveryState.ACCEPTED}
    assert "does not offer storage commitment" in rows[0].commit_words


@pytest.mark.parametrize(("status", "again"), [(0x0124, False), (0x0213, True)])
def test_a_request_that_is_refused_is_repeated_if_that_can_help(
    database, tmp_path, paths, status, again
):
    peer = CommittingPeer("same", action_status=status)
    with delivering(database, tmp_path, paths[:1], peer, confirm={"same_association_s": 20}):
        if again:
            until(asked(peer, 2), "another request")
            peer.action_status = 0x0000
            until(all_are(database, COMMITTED), "commitment")
        else:
            until(lambda: deliveries(database)[0].commit_words, "the refusal")
            (row,) = deliveries(database)
            assert row.confirmation is None
            assert "0x0124" in row.commit_words
            assert len(peer.requests) == 1


def test_an_unknown_transaction_is_answered_so(database, tmp_path, paths, caplog):
    peer = CommittingPeer("later")
    with delivering(database, tmp_path, paths, peer) as node:
        until(asked(peer), "the request")
        stranger = Dataset()
        stranger.TransactionUID = "1.2.3.4"
        stranger.ReferencedSOPSequence = peer.requests[0].ReferencedSOPSequence
        assert peer.report(stranger, node.port) == 0x0115
        assert set(states(deliveries(database))) == {DeliveryState.ACCEPTED}
    assert "commitment.unknown calling=PEER transaction=1.2.3.4" in caplog.text


def test_a_report_that_cannot_be_read_is_refused_and_the_node_goes_on(database, tmp_path, paths):
    peer = CommittingPeer("later")
    with delivering(database, tmp_path, paths, peer) as node:
        until(asked(peer), "the request")
        nothing = Dataset()
        nothing.TransactionUID = "not a uid"
        nothing.ReferencedSOPSequence = []
        assert peer.report(nothing, node.port) == 0x0115
        peer.outcome = lambda request: (request, 7)
        assert peer.report(peer.requests[0], node.port) == 0x0113
        del peer.outcome
        ae = AE(ae_title="PEER")
        ae.add_requested_context(Verification)
        association = ae.associate("127.0.0.1", node.port, ae_title="DICOMNODE")
        assert association.send_c_echo().Status == 0x0000
        association.release()
        with database.read() as session:
            assert session.query(Commitment).count() == len(peer.requests)
