"""``kill -9`` while a commitment is awaited: its report counts after the restart, all the same."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from benchmarks.peers.dcmtk import storescu
from benchmarks.peers.node_process import NodeProcess
from dicomnode.store.states import Confirmation, DeliveryState
from dicomnode.store.tables import Delivery
from tests.dicomnode.deliver.committing_peer import CommittingPeer
from tests.dicomnode.deliver.results_on_disk import until
from tests.dicomnode.studies import save, study
from tests.interop.peers import need

pytestmark = pytest.mark.interop


def deliveries(node: NodeProcess) -> list[Delivery]:
    with node.rows() as session:
        return list(session.scalars(select(Delivery)))


def test_a_report_counts_after_the_node_was_killed(tmp_path):
    need("storescu")
    made = study("killed while waiting")
    parcels = save([*made.ct, made.report], tmp_path / "study")
    with CommittingPeer("later") as peer:
        node = NodeProcess(
            tmp_path / "node",
            peer.AE_TITLE,
            peer.port,
            destination={"commit": True},
            collect={"quiet_period_s": 1.0},
            confirm={"batch_s": 0.1, "same_association_s": 0.1},
        )
        node.start()
        try:
            storescu(node.port, node.AE_TITLE, [parcel.path for parcel in parcels])
            until(lambda: peer.requests, "the request", patience_s=120)
            node.kill()
            (row,) = deliveries(node)
            assert (row.state, row.confirmation) == (
                DeliveryState.ACCEPTED,
                Confirmation.REPORT,
            )
            node.start()
            assert peer.report(peer.requests[0], node.port) == 0x0000
            (row,) = deliveries(node)
            # The peer was told of success: it is on disk.
            assert row.state is DeliveryState.COMMITTED
        finally:
            node.stop()
    assert len(peer.stores) == 1
    assert len(peer.requests) == 1
