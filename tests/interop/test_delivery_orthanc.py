"""Orthanc as the PACS: what it accepts, commits to and gives back, and what it has lost."""

from __future__ import annotations

import urllib.request
from pathlib import Path

import pydicom
import pytest
from pydicom.uid import SegmentationStorage

from benchmarks.peers.dcmtk import storescu
from benchmarks.peers.orthanc import Orthanc
from benchmarks.peers.ports import free_port
from dicomnode.deliver import capabilities
from dicomnode.deliver.confirmation import Reading, ToRead
from dicomnode.deliver.read_back import read_back
from dicomnode.explain import explain
from dicomnode.node import Node
from dicomnode.settings import NodeSettings
from dicomnode.store.states import CommitmentState, DeliveryState
from dicomnode.store.tables import Commitment, Instance
from tests.dicomnode.deliver.results_on_disk import deliveries, queue, segs, states, until
from tests.dicomnode.studies import save, study
from tests.interop.peers import need, need_orthanc_dicomweb

pytestmark = pytest.mark.interop

VERIFIED = DeliveryState.VERIFIED


@pytest.fixture
def pacs(tmp_path):
    need("Orthanc")
    plugin = need_orthanc_dicomweb()
    return Orthanc(tmp_path / "orthanc", Plugins=[str(plugin)], OverwriteInstances=False)


def web(pacs: Orthanc) -> str:
    return f"http://127.0.0.1:{pacs.http_port}/dicom-web"


def node_for(pacs: Orthanc, folder, destination: dict, **sections) -> Node:
    port = free_port()
    if destination.get("kind", "c-store") == "c-store":
        destination = {
            "ae_title": pacs.AE_TITLE,
            "host": "127.0.0.1",
            "port": pacs.dicom_port,
        } | destination
    values = {
        "store": {"path": folder / "store", "reserve_mb": 0},
        "listen": {"host": "127.0.0.1", "port": port},
        "segment": {"processes": 1},
        "retry": {"first_wait_s": 0.3, "factor": 1.0},
        "confirm": {"batch_s": 0.2, "same_association_s": 2.0},
        "destinations": [{"name": "pacs"} | destination],
    }
    return Node(NodeSettings(**(values | sections)))


def started(pacs: Orthanc, node: Node) -> None:
    """Start Orthanc, and tell it of the node: it reports commitments to those it knows."""
    pacs.start()
    pacs.introduce("node", node.settings.listen.ae_title, node.settings.listen.port)


def told(node: Node, uid: str) -> str:
    with node.database.read() as session:
        return "\n".join(explain(session, uid))


@pytest.mark.parametrize("verify", ["none", "find", "pixels"])
def test_results_are_committed_and_read_back(pacs, tmp_path, verify):
    paths = segs(3, tmp_path / "results")
    destination = {"commit": True, "verify": verify, "dicomweb": {"url": web(pacs)}}
    node = node_for(pacs, tmp_path, destination)
    queue(node.database, paths, "pacs")
    started(pacs, node)
    try:
        final = DeliveryState.COMMITTED if verify == "none" else VERIFIED
        with node:
            until(lambda: states(deliveries(node.database)) == [final] * 3, "the last state")
            rows = deliveries(node.database)
            text = told(node, paths[0].stem)
        assert all(row.accepted_at <= row.committed_at for row in rows)
        assert all(row.confirmation is None for row in rows)
        how = {"none": None, "find": "C-FIND", "pixels": "the same pixel data"}[verify]
        assert all(how is None or how in row.verified_by for row in rows)
        assert f"to pacs: {final.value}" in text
        assert "reported" in text
        with node.database.read() as session:
            # One, unless the machine is so busy that they were accepted far apart.
            transactions = session.query(Commitment).all()
        assert {transaction.state for transaction in transactions} == {CommitmentState.REPORTED}
        assert pacs.count() == 3
    finally:
        pacs.stop()


def test_what_orthanc_has_lost_is_sent_again(pacs, tmp_path):
    paths = segs(3, tmp_path / "results")
    # The first life sends and is then without a way to ask; the second asks.
    node = node_for(pacs, tmp_path, {"commit": True}, confirm={"batch_s": 3600})
    queue(node.database, paths, "pacs")
    started(pacs, node)
    try:
        with node:
            until(
                lambda: states(deliveries(node.database)) == [DeliveryState.ACCEPTED] * 3,
                "acceptance",
            )
        pacs.delete(paths[1].stem)
        assert pacs.count() == 2
        node = node_for(pacs, tmp_path, {"commit": True})
        make_due(node)
        pacs.introduce("node", node.settings.listen.ae_title, node.settings.listen.port)
        with node:
            until(
                lambda: states(deliveries(node.database)) == [DeliveryState.COMMITTED] * 3,
                "commitment",
            )
            rows = deliveries(node.database)
            text = told(node, paths[1].stem)
        assert [row.resends for row in rows] == [0, 1, 0]
        assert "sent again 1 time(s)" in text
        assert pacs.count() == 3
    finally:
        pacs.stop()


def make_due(node: Node) -> None:
    with node.database.write() as session:
        for row in deliveries(node.database):
            session.merge(row).due_at = 0.0


def test_an_orthanc_that_stops_for_a_while_gets_all_once(pacs, tmp_path):
    paths = segs(6, tmp_path / "results")
    node = node_for(
        pacs,
        tmp_path,
        {"commit": True, "verify": "pixels", "dicomweb": {"url": web(pacs)}},
    )
    queue(node.database, paths[:3], "pacs")
    started(pacs, node)
    try:
        with node:
            until(lambda: states(deliveries(node.database)) == [VERIFIED] * 3, "the first three")
            pacs.stop()
            queue(node.database, paths[3:], "pacs")
            node.deliver()
            until(lambda: all(r.attempts > 1 for r in deliveries(node.database)[3:]), "repeats")
            assert states(deliveries(node.database)[3:]) == [DeliveryState.QUEUED] * 3
            started(pacs, node)
            until(lambda: states(deliveries(node.database)) == [VERIFIED] * 6, "all six")
        assert pacs.count() == 6
    finally:
        pacs.stop()


@pytest.mark.parametrize("verify", ["find", "pixels"])
def test_results_go_by_stow_and_are_read_back(pacs, tmp_path, verify):
    paths = segs(3, tmp_path / "results")
    node = node_for(pacs, tmp_path, {"kind": "stow-rs", "url": web(pacs), "verify": verify})
    queue(node.database, paths, "pacs")
    started(pacs, node)
    try:
        with node:
            until(lambda: states(deliveries(node.database)) == [VERIFIED] * 3, "verification")
            rows = deliveries(node.database)
        how = {"find": "QIDO-RS", "pixels": "the same pixel data"}[verify]
        assert all(how in row.verified_by for row in rows)
        assert all(row.attempts == 1 for row in rows)
        for path in paths:
            query = {"Level": "Instance", "Query": {"SOPInstanceUID": path.stem}}
            (orthanc_id,) = pacs.ask("/tools/find", query)
            kept = pydicom.dcmread(pacs.save(orthanc_id, tmp_path / "kept"))
            assert kept.PixelData == pydicom.dcmread(path).PixelData
    finally:
        pacs.stop()


def test_pixels_are_read_back_by_c_get_where_there_is_no_dicomweb(pacs, tmp_path):
    paths = segs(3, tmp_path / "results")
    node = node_for(pacs, tmp_path, {"commit": True, "verify": "pixels"})
    queue(node.database, paths, "pacs")
    started(pacs, node)
    try:
        with node:
            until(lambda: states(deliveries(node.database)) == [VERIFIED] * 3, "verification")
            rows = deliveries(node.database)
        assert all("C-GET, the same pixel data" in row.verified_by for row in rows)
        assert all(row.committed_at for row in rows)
        # What it does not have is not called there, nor is its absence taken for a fault.
        pacs.delete(paths[1].stem)
        wanted = [ToRead(n, str(SegmentationStorage), p.stem, p) for n, p in enumerate(paths)]
        found = read_back(wanted, node.settings.destination("pacs"), "DICOMNODE")
        assert [read.reading for _, read in found] == [Reading.SAME, Reading.ABSENT, Reading.SAME]
    finally:
        pacs.stop()


@pytest.mark.parametrize("how", ["WADO-RS", "C-GET"])
def test_pixels_that_orthanc_gives_back_otherwise_are_not_verified(pacs, tmp_path, how):
    (path,) = segs(1, tmp_path / "results")
    destination = {"verify": "pixels"}
    if how == "WADO-RS":
        destination["dicomweb"] = {"url": web(pacs)}
    node = node_for(pacs, tmp_path, destination)
    queue(node.database, [path], "pacs")
    # Orthanc has another object under the UID, and does not let itself be overwritten.
    other = pydicom.dcmread(path)
    other.decompress(generate_instance_uid=False)
    other.PixelData = bytes(len(other.PixelData))
    started(pacs, node)
    try:
        other.save_as(tmp_path / "other.dcm", enforce_file_format=True)
        request = urllib.request.Request(
            f"http://127.0.0.1:{pacs.http_port}/instances",
            (tmp_path / "other.dcm").read_bytes(),
        )
        urllib.request.urlopen(request).close()
        with node:
            until(
                lambda: (
                    (row := deliveries(node.database)[0]).accepted_at and row.confirmation is None
                ),
                "the end",
            )
            (row,) = deliveries(node.database)
        assert row.state is DeliveryState.ACCEPTED
        assert f"{how} gives other pixel data" in row.verify_words
    finally:
        pacs.stop()


def test_orthanc_is_probed(pacs, tmp_path):
    node = node_for(pacs, tmp_path, {})
    started(pacs, node)
    try:
        with node:
            peer = node.settings.destination("pacs")

            def answer() -> capabilities.Acceptance:
                with node.database.read() as session:
                    return capabilities.accepts(session, peer, str(SegmentationStorage))

            until(lambda: answer().answer, "the probe")
        assert "when it was probed" in answer().why
        assert "1.2.840.10008.1.2.4.80" in answer().transfer_syntaxes
    finally:
        pacs.stop()


def test_orthanc_asks_the_node_whether_it_has_what_it_was_sent(pacs, tmp_path):
    made = study("commitment")
    parcels = save(made.ct[:4], tmp_path / "study")
    node = node_for(pacs, tmp_path, {})
    started(pacs, node)
    try:
        with node:
            port = node.settings.listen.port
            storescu(port, node.settings.listen.ae_title, [parcel.path for parcel in parcels])
            wanted = [(parcel.sop_class_uid, parcel.path.stem) for parcel in parcels]

            def outcome(path: str) -> dict:
                until(lambda: pacs.ask(path)["Status"] != "Pending", "the node's report")
                return pacs.ask(path)

            whole = outcome(pacs.ask_commitment("node", wanted))
            assert whole["Status"] == "Success"
            assert {i["SOPInstanceUID"] for i in whole["Success"]} == {uid for _, uid in wanted}
            with node.database.read() as session:
                Path(session.get_one(Instance, wanted[1][1]).path).unlink()
            partial = outcome(pacs.ask_commitment("node", wanted))
            assert partial["Status"] == "Failure"
            assert len(partial["Success"]) == 3
            (failure,) = partial["Failures"]
            assert failure["SOPInstanceUID"] == wanted[1][1]
            assert failure["FailureReason"] == 0x0112
    finally:
        pacs.stop()
