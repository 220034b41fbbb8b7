"""The courier ends in order: what went out is written down before it stops."""

from __future__ import annotations

from dicomnode.deliver.courier import Courier
from dicomnode.settings import NodeSettings
from dicomnode.store.states import DeliveryState
from dicomnode.timing import CallScheduler
from tests.dicomnode.deliver.results_on_disk import deliveries, queue, segs, states, until
from tests.dicomnode.deliver.stand_in_server import StandInServer, store_all


def test_a_request_that_is_answered_while_the_node_stops_is_written_down_whole(database, tmp_path):
    queue(database, segs(3, tmp_path / "results"), "web")

    def answer(instances):
        # Rows said so before the objects left.
        assert states(deliveries(database)) == [DeliveryState.SENT] * 3
        courier.ask_to_stop()
        return store_all(instances)

    with StandInServer(answer) as server:
        settings = NodeSettings(
            destinations=[{"name": "web", "kind": "stow-rs", "url": server.url}]
        )
        courier = Courier(
            database,
            CallScheduler(),
            settings.destination("web"),
            settings,
            lambda: None,
        )
        courier.start()
        until(lambda: server.requests, "the request")
        courier.stop()
    assert states(deliveries(database)) == [DeliveryState.ACCEPTED] * 3
    assert len(server.requests) == 1
