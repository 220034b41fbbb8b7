"""What was not processed goes back to the PACS with the reason, if a rule asks for it."""

from __future__ import annotations

from pathlib import Path

import pydicom
import pytest
from pydicom.uid import ComprehensiveSRStorage, SegmentationStorage
from sqlalchemy import select

from dicomnode.demo.stand_in_pacs import StandInPacs
from dicomnode.node import Node
from dicomnode.store.states import DeliveryState, InstanceState, LesionState
from dicomnode.store.tables import Instance, RefusalReport, Result
from tests.dicomnode.refusals.desk import predecessors, reasons, resaved, source_of, spoil
from tests.dicomnode.studies import send_to, study
from tests.dicomnode.test_node import PATIENCE_S, deliveries, explained, lesions, settings, until

TWO = [(10, 20, 20), (13, 42, 40)]

TAKEN = (SegmentationStorage, ComprehensiveSRStorage)


@pytest.fixture
def pacs(tmp_path):
    with StandInPacs(tmp_path / "pacs", sop_classes=TAKEN) as pacs:
        yield pacs


def node_for(pacs: StandInPacs, tmp_path: Path, gather_s: float = 0.2) -> Node:
    return Node(
        settings(
            tmp_path,
            pacs.port,
            publish={"gather_s": gather_s},
            rules=[{"name": "all", "destinations": ["pacs"], "report_refusals": True}],
        )
    )


def documents(node: Node) -> list[str]:
    """SOP Instance UIDs of the reports on refusals, the oldest first."""
    with node.database.read() as session:
        made = select(Result.sop_instance_uid).where(Result.refusal_report_id.is_not(None))
        return list(session.scalars(made.order_by(Result.id)))


def all_accepted(node: Node, count: int) -> bool:
    return [d.state for d in deliveries(node)] == [DeliveryState.ACCEPTED] * count


def examined(node: Node, uid: str) -> bool:
    with node.database.read() as session:
        instance = session.get(Instance, uid)
    return instance is not None and instance.state is InstanceState.EXAMINED


def test_a_refused_mark_comes_back_as_a_report_beside_the_result_of_the_other(pacs, tmp_path):
    made = study("one of two", centres=TWO)
    with node_for(pacs, tmp_path) as node:
        send_to(node.port, [*made.ct, spoil(made.report, 1)], tmp_path / "out")
        assert pacs.wait_for(2, PATIENCE_S)
        until(lambda: all_accepted(node, 2), "acceptance")
        (uid,) = documents(node)
        told = explained(node, made.report.SOPInstanceUID)
        document = pydicom.dcmread(pacs.path(uid))
        assert document.SOPClassUID == ComprehensiveSRStorage
        assert document.StudyInstanceUID == made.report.StudyInstanceUID
        assert source_of(document) == made.report.SOPInstanceUID
        ((_, reason),) = reasons(document)
        assert reason in told
        assert f"not-processed {uid}" in told

        # Auto-routing brings it back: it is left alone.
        send_to(node.port, [document], tmp_path / "back")
        until(lambda: examined(node, uid), "examination")
        assert "made by this node" in explained(node, uid)
        # So is that of another node.
        resaved(document, ".1")
        send_to(node.port, [document], tmp_path / "back2")
        until(lambda: examined(node, document.SOPInstanceUID), "examination")
        with node.database.read() as session:
            (only,) = session.scalars(select(RefusalReport.source_sop_instance_uid))
        assert only == made.report.SOPInstanceUID
        assert len(lesions(node)) == 1
    assert len(pacs.arrivals) == 2


def test_what_comes_right_after_all_is_taken_back(pacs, tmp_path):
    made = study("mended", centres=TWO)
    sound = study("mended", centres=TWO).report
    with node_for(pacs, tmp_path) as node:
        send_to(node.port, [*made.ct, spoil(made.report, 1)], tmp_path / "out")
        until(lambda: all_accepted(node, 2), "the first report")
        # The viewer saves the report once more, under the same UID, and now it is whole.
        send_to(node.port, [sound], tmp_path / "again")
        until(lambda: all_accepted(node, 4), "the second SEG and the second report")
        first, second = documents(node)
        states = [lesion.state for lesion in lesions(node)]
    assert states == [LesionState.PUBLISHED] * 2
    after = pydicom.dcmread(pacs.path(second))
    assert reasons(after) == []
    assert predecessors(after) == [first]


def test_what_a_stop_left_is_reported_at_the_next_start(pacs, tmp_path):
    made = study("stopped")
    spoil(made.report, 0)
    with node_for(pacs, tmp_path, gather_s=3600) as node:
        send_to(node.port, [made.report], tmp_path / "out")
        until(lambda: examined(node, made.report.SOPInstanceUID), "examination")
        assert deliveries(node) == []
    with node_for(pacs, tmp_path) as node:
        until(lambda: all_accepted(node, 1), "acceptance")
        assert len(documents(node)) == 1
    assert len(pacs.arrivals) == 1
