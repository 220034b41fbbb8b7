"""On a stop nothing is left half said: who asks ends before who takes the answers."""

from __future__ import annotations

import threading

from dicomnode.node import Node
from dicomnode.store.states import CommitmentState
from dicomnode.store.tables import Commitment
from tests.dicomnode.deliver.committing_peer import CommittingPeer
from tests.dicomnode.deliver.results_on_disk import PATIENCE_S, queue, segs, until
from tests.dicomnode.test_node import settings


def callers() -> list[str]:
    """Threads that ask for commitment."""
    return [t.name for t in threading.enumerate() if t.name.startswith("confirmer-")]


def test_nobody_is_asked_any_more_when_the_receiver_stops(tmp_path, monkeypatch):
    peer = CommittingPeer("later")
    with peer:
        node = Node(settings(tmp_path, peer.port, destinations=[destination(peer)]))
        asking: list[list[str]] = []
        stop = node.receiving.scp.stop
        monkeypatch.setattr(node.receiving.scp, "stop", lambda: (asking.append(callers()), stop()))
        with node:
            assert callers()
        assert asking == [[]]


def test_a_report_that_a_stopping_node_acknowledges_is_kept(tmp_path):
    peer = CommittingPeer("later")
    statuses: dict[str, int | None] = {}
    with peer:
        node = Node(
            settings(
                tmp_path,
                0,
                destinations=[destination(peer)],
                confirm={"batch_s": 0, "batch": 1, "same_association_s": 0},
            )
        )
        queue(node.database, segs(12, tmp_path / "results"), "pacs")
        with node:
            until(lambda: len(peer.requests) == 12, "all requests")

            def report_all() -> None:
                for request in peer.requests:
                    statuses[str(request.TransactionUID)] = peer.report(request, node.port)

            reporting = threading.Thread(target=report_all, daemon=True)
            reporting.start()
            until(lambda: 0x0000 in statuses.values(), "a report")
        reporting.join(PATIENCE_S)
        assert not reporting.is_alive()
    with node.database.read() as session:
        states = {c.transaction_uid: c.state for c in session.query(Commitment)}
    acknowledged = {uid for uid, status in statuses.items() if status == 0x0000}
    assert acknowledged
    assert {states[uid] for uid in acknowledged} == {CommitmentState.REPORTED}
    # What nobody acknowledged is asked for again after the next start.
    assert set(states.values()) <= {CommitmentState.REPORTED, CommitmentState.ASKED}


def destination(peer: CommittingPeer) -> dict:
    return {
        "name": "pacs",
        "ae_title": peer.AE_TITLE,
        "host": "127.0.0.1",
        "port": peer.port,
        "commit": True,
    }
