"""Associations are really open, and the full store is one that a node would leave."""

from __future__ import annotations

import pytest

from benchmarks.peers.requestor import Broken, Requestor
from benchmarks.standing.associations import CLASSES, opened
from benchmarks.standing.full_store import fill
from dicomnode.receive.reconcile import Reconciled, reconcile
from dicomnode.receive.sop_classes import CT_CLASSES, STORAGE_CLASSES
from dicomnode.store.database import Database
from dicomnode.store.files import FileStore
from dicomnode.store.instances import InstanceIndex
from tests.dicomnode.receive.loopback import CT, Node, ct, encode


@pytest.fixture
def node(tmp_path):
    node = Node(tmp_path)
    yield node
    node.close()


def test_so_many_associations_are_open_at_once_and_are_released(node):
    node.start(max_associations=5)
    assert len(CLASSES) == 128
    assert set(CLASSES) >= STORAGE_CLASSES
    with opened(node.scp.port, "NODE", 5) as seconds:
        assert node.scp.associations == 5
        assert seconds > 0
        with pytest.raises(Broken, match="PDU type 3"):
            Requestor(node.scp.port, "NODE", "ONE TOO MANY", CLASSES)
    node.wait_for(lambda: node.scp.associations == 0)


def test_the_requestor_stores_what_is_whole_and_hears_why_not(node):
    node.start()
    data_set = ct()
    with Requestor(node.scp.port, "NODE", "PEER", (CT,)) as association:
        uid, data = str(data_set.SOPInstanceUID), encode(data_set)
        assert association.store(CT, uid, data) == 0x0000
        assert association.store(CT, uid, data[:-10]) == 0xC000
        association.release()
    assert [path.name for path in node.files()] == [f"{uid}.dcm"]


def test_a_full_store_is_one_that_the_index_knows(tmp_path):
    url = f"sqlite:///{tmp_path / 'node.sqlite'}"
    fill(tmp_path / "store", url, 900)
    database = Database(url)
    index = InstanceIndex(database, CT_CLASSES)
    try:
        assert reconcile(FileStore(tmp_path / "store", 0), index) == Reconciled(0, 0, 0)
        assert len(index.paths_of_series("2.25.2.3")) == 100
    finally:
        database.close()
