"""What was not processed: Orthanc has it for certain, it is valid, and a kill loses none of it."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.uid import ComprehensiveSRStorage, SegmentationStorage
from sqlalchemy import select

from benchmarks.peers.dcmtk import storescu
from benchmarks.peers.node_process import NodeProcess
from benchmarks.peers.orthanc import Orthanc
from dicomnode.demo.stand_in_pacs import StandInPacs
from dicomnode.results.not_processed import NONE_ANY_MORE
from dicomnode.store.states import DeliveryState
from dicomnode.store.tables import Delivery, RefusalReport
from tests.dicomnode.deliver.results_on_disk import until
from tests.dicomnode.refusals.desk import predecessors, reasons, spoil
from tests.dicomnode.studies import save, study
from tests.interop.peers import need
from tests.interop.test_dciodvfy import errors

pytestmark = pytest.mark.interop

ASKING = {"report_refusals": True}

TAKEN = (SegmentationStorage, ComprehensiveSRStorage)


@pytest.fixture
def pacs(tmp_path):
    need("Orthanc")
    with Orthanc(tmp_path / "orthanc") as pacs:
        yield pacs


def states(node: NodeProcess) -> list[DeliveryState]:
    """Of deliveries of reports on refusals, the oldest first."""
    with node.rows() as session:
        found = session.scalars(select(Delivery).order_by(Delivery.id)).all()
        return [d.state for d in found if d.result.refusal_report is not None]


def reports_in(pacs: Orthanc, folder: Path) -> list[Dataset]:
    """Reports that the PACS gives back, the oldest first."""
    found = [pydicom.dcmread(pacs.save(one, folder)) for one in pacs.find("SR")]
    ours = [one for one in found if one.SOPClassUID == ComprehensiveSRStorage]
    return sorted(ours, key=lambda one: len(predecessors(one)))


def test_orthanc_has_for_certain_what_was_refused_and_that_it_is_no_more(pacs, tmp_path):
    need("storescu")
    made = study("orthanc", centres=[(10, 20, 20), (13, 42, 40)])
    sound = save([study("orthanc", centres=[(10, 20, 20), (13, 42, 40)]).report], tmp_path / "2")
    parcels = save([*made.ct, spoil(made.report, 1)], tmp_path / "1")
    node = NodeProcess(
        tmp_path / "node",
        pacs.AE_TITLE,
        pacs.dicom_port,
        destination={"commit": True, "verify": "find"},
        rule=ASKING,
        collect={"quiet_period_s": 1.0},
        publish={"gather_s": 0.2},
        confirm={"batch_s": 0.2},
    )
    pacs.introduce("node", node.AE_TITLE, node.port)
    node.start()
    try:
        storescu(node.port, node.AE_TITLE, [parcel.path for parcel in parcels])
        until(lambda: states(node) == [DeliveryState.VERIFIED], "the first report")
        storescu(node.port, node.AE_TITLE, [parcel.path for parcel in sound])
        until(lambda: states(node) == [DeliveryState.VERIFIED] * 2, "the second report")
    finally:
        node.stop()
    before, after = reports_in(pacs, tmp_path / "back")
    assert len(reasons(before)) == 1
    assert predecessors(after) == [before.SOPInstanceUID]
    assert NONE_ANY_MORE in after.ContentSequence[-1].TextValue
    for number, document in enumerate((before, after)):
        (tmp_path / str(number)).mkdir(exist_ok=True)
        assert errors(document, tmp_path / str(number)) == []
        read = subprocess.run(
            [need("dsrdump"), str(tmp_path / str(number) / "object.dcm")],
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        )
        assert "not for diagnosis" in read.stdout
        assert not [line for line in read.stderr.splitlines() if line.startswith(("E:", "F:"))]
    assert str(made.report.PatientID) not in node.log


def test_a_refusal_that_a_kill_cut_off_goes_back_once(tmp_path):
    need("storescu")
    made = study("killed while it gathers")
    parcels = save([spoil(made.report, 0)], tmp_path / "study")
    with StandInPacs(tmp_path / "pacs", sop_classes=TAKEN) as pacs:
        node = NodeProcess(
            tmp_path / "node",
            pacs.AE_TITLE,
            pacs.port,
            rule=ASKING,
            publish={"gather_s": 5.0},
        )
        node.start()
        try:
            storescu(node.port, node.AE_TITLE, [parcel.path for parcel in parcels])
            until(lambda: _reported(node), "the refusal is written down", patience_s=120)
            node.kill()
            node.start()
            until(lambda: states(node) == [DeliveryState.ACCEPTED], "acceptance", patience_s=120)
        finally:
            node.stop()
        assert len(pacs.arrivals) == 1
        (uid,) = pacs.arrivals
        assert len(reasons(pydicom.dcmread(pacs.path(uid)))) == 1


def _reported(node: NodeProcess) -> bool:
    with node.rows() as session:
        return session.scalar(select(RefusalReport.id)) is not None
