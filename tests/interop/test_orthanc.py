"""The node with Debian's Orthanc as its PACS, and DCMTK as the sender."""

from __future__ import annotations

import time

import highdicom as hd
import pydicom
import pytest
from pydicom.uid import JPEGLSLossless

from benchmarks.peers.dcmtk import storescu
from benchmarks.peers.node_process import NodeProcess
from benchmarks.peers.orthanc import Orthanc
from dicomnode.deliver.answer import Verdict
from dicomnode.deliver.store_scu import echo
from tests.dicomnode.studies import save, study
from tests.interop.peers import need

pytestmark = pytest.mark.interop

PATIENCE_S = 240.0


def wait_for(pacs: Orthanc, count: int) -> list[str]:
    end = time.monotonic() + PATIENCE_S
    while len(found := pacs.find("SEG")) < count:
        assert time.monotonic() < end, f"{len(found)} of {count} SEGs came"
        time.sleep(0.1)
    return found


@pytest.fixture
def pacs(tmp_path):
    need("Orthanc")
    need("storescu")
    with Orthanc(tmp_path / "orthanc") as pacs:
        yield pacs


def test_marks_sent_by_storescu_come_back_to_orthanc_as_fractional_segs(pacs, tmp_path):
    made = study("orthanc", centres=[(10, 20, 20), (13, 42, 40)])
    parcels = save([*made.ct, made.report], tmp_path / "study")
    with NodeProcess(tmp_path / "node", pacs.AE_TITLE, pacs.dicom_port) as node:
        assert echo(node.settings.destination("pacs"), "DICOMNODE").verdict is Verdict.ACCEPTED
        storescu(node.port, node.AE_TITLE, [p.path for p in parcels])
        ids = wait_for(pacs, 2)
    marks = {group.UID for group in _tracking(made.report)}
    for orthanc_id in ids:
        seg = hd.seg.segread(pacs.save(orthanc_id, tmp_path / "segs"))
        assert seg.SegmentationType == "FRACTIONAL"
        assert seg.SegmentationFractionalType == "OCCUPANCY"
        assert seg.file_meta.TransferSyntaxUID == JPEGLSLossless
        assert seg.SegmentSequence[0].TrackingUID in marks
        # Orthanc renders what it took.
        assert pacs.fetch(f"/instances/{orthanc_id}/preview").startswith(b"\x89PNG")


def test_no_patient_data_reaches_the_log(pacs, tmp_path):
    made = study("private")
    for dataset in [*made.ct, made.report]:
        dataset.PatientName = "Secretly^Named"
        dataset.PatientID = "SECRET-ID"
        dataset.PatientBirthDate = "19010203"
    broken = pydicom.dcmread(save([made.report], tmp_path / "broken")[0].path)
    broken.SOPInstanceUID += ".9"
    broken.file_meta.MediaStorageSOPInstanceUID = broken.SOPInstanceUID
    del broken.ContentSequence
    parcels = save([*made.ct, made.report, broken], tmp_path / "study")
    with NodeProcess(tmp_path / "node", pacs.AE_TITLE, pacs.dicom_port) as node:
        storescu(node.port, node.AE_TITLE, [p.path for p in parcels])
        wait_for(pacs, 1)
    log = node.log
    assert "node.stopped" in log
    assert "lesion.published" in log
    for secret in ("Secretly", "Named", "SECRET-ID", "19010203"):
        assert secret not in log


def test_an_orthanc_that_comes_late_gets_each_result_once(tmp_path):
    need("Orthanc")
    need("storescu")
    late = Orthanc(tmp_path / "orthanc")
    parcels = []
    for number in range(3):
        made = study(f"late {number}")
        parcels += save([*made.ct, made.report], tmp_path / "study")
    with NodeProcess(
        tmp_path / "node",
        late.AE_TITLE,
        late.dicom_port,
        retry={"first_wait_s": 0.5, "factor": 1.0},
    ) as node:
        storescu(node.port, node.AE_TITLE, [p.path for p in parcels])
        time.sleep(4.0)
        with late:
            wait_for(late, 3)
            time.sleep(1.5)
            assert len(late.find("SEG")) == 3
            assert late.count() == 3


def _tracking(report) -> list[pydicom.Dataset]:
    found = []

    def look(items) -> None:
        for item in items:
            if item.ValueType == "UIDREF" and item.ConceptNameCodeSequence[0].CodeValue == "112040":
                found.append(item)
            look(item.get("ContentSequence", []))

    look(report.ContentSequence)
    return found
