"""Only the report is pushed; the node fetches its CT from Orthanc, in each of three ways."""

from __future__ import annotations

import time
from collections.abc import Callable

import highdicom as hd
import pytest
from sqlalchemy import select

from benchmarks.peers.dcmtk import storescu
from benchmarks.peers.node_process import NodeProcess
from benchmarks.peers.orthanc import Orthanc
from dicomnode.demo.recist_sr import Coordinates, DrawnMark, recist_report
from dicomnode.explain import explain
from dicomnode.store.states import LesionState, RetrievalState
from dicomnode.store.tables import Instance, Lesion, Retrieval
from tests.dicomnode.studies import save, study
from tests.interop.peers import need, need_orthanc_dicomweb

pytestmark = pytest.mark.interop

PATIENCE_S = 90.0
WAYS = ("c-move", "c-get", "dicomweb")
SOON = {"grace_s": 0.5}


@pytest.fixture
def pacs(tmp_path):
    need("Orthanc")
    need("storescu")
    plugin = need_orthanc_dicomweb()
    with Orthanc(tmp_path / "orthanc", Plugins=[str(plugin)], DicomAlwaysAllowGet=True) as pacs:
        yield pacs


def source(pacs: Orthanc, way: str, **changes: object) -> dict:
    values: dict = {"name": "ARCHIVE", "kind": way}
    if way == "dicomweb":
        values["url"] = f"http://127.0.0.1:{pacs.http_port}/dicom-web"
    else:
        values |= {"ae_title": pacs.AE_TITLE, "host": "127.0.0.1", "port": pacs.dicom_port}
    return values | changes


def node_for(pacs: Orthanc, way: str, folder, **sections) -> NodeProcess:
    sections = {
        "retrieve": SOON,
        "collect": {"quiet_period_s": 1.0},
        "retry": {"first_wait_s": 0.5, "factor": 1.0},
    } | sections
    node = NodeProcess(
        folder, pacs.AE_TITLE, pacs.dicom_port, sources=[source(pacs, way)], **sections
    )
    pacs.introduce("node", node.AE_TITLE, node.port)
    return node


def until(condition: Callable[[], object], what: str) -> None:
    end = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < end, f"{what}: not within {PATIENCE_S:g} s"
        time.sleep(0.1)


def rows(node: NodeProcess, table: type) -> list:
    with node.rows() as session:
        return list(session.scalars(select(table)))


def until_done(node: NodeProcess) -> list[Retrieval]:
    """Retrievals once all are done: a result can be there before its series is complete."""
    until(
        lambda: {r.state for r in rows(node, Retrieval)} == {RetrievalState.DONE},
        "retrievals are done",
    )
    return rows(node, Retrieval)


def push(node: NodeProcess, objects, folder) -> None:
    storescu(node.port, node.AE_TITLE, [parcel.path for parcel in save(objects, folder)])


def archive(pacs: Orthanc, objects, folder) -> None:
    storescu(pacs.dicom_port, pacs.AE_TITLE, [parcel.path for parcel in save(objects, folder)])


def segs(pacs: Orthanc, folder) -> list[hd.seg.Segmentation]:
    return [hd.seg.segread(pacs.save(found, folder)) for found in pacs.find("SEG")]


@pytest.mark.parametrize("way", WAYS)
def test_a_report_alone_brings_its_ct_and_its_seg(pacs, tmp_path, way):
    made = study(f"alone {way}", centres=[(10, 20, 20), (13, 42, 40)])
    archive(pacs, made.ct, tmp_path / "ct")
    with node_for(pacs, way, tmp_path / "node") as node:
        push(node, [made.report], tmp_path / "report")
        until(lambda: len(pacs.find("SEG")) == 2, "two SEGs")
        (retrieval,) = until_done(node)  # one for both lesions
        assert retrieval.series_instance_uid == made.ct[0].SeriesInstanceUID
        assert retrieval.instances == len(made.ct)
        callers = {i.calling_ae for i in rows(node, Instance) if i.modality == "CT"}
        assert callers == {pacs.AE_TITLE if way == "c-move" else "ARCHIVE"}
        with node.rows() as session:
            text = "\n".join(explain(session, made.report.SOPInstanceUID))
        assert f"{len(made.ct)} images came; ARCHIVE: " in text
    for seg in segs(pacs, tmp_path / "segs"):
        assert seg.SegmentationType == "FRACTIONAL"
        assert seg.StudyInstanceUID == made.report.StudyInstanceUID


@pytest.mark.parametrize("way", WAYS)
def test_of_a_series_that_is_partly_here_only_the_rest_is_fetched(pacs, tmp_path, way):
    made = study(f"partly {way}")
    archive(pacs, made.ct, tmp_path / "ct")
    with node_for(pacs, way, tmp_path / "node") as node:
        push(node, [made.report, *made.ct[5:13]], tmp_path / "some")
        until(lambda: len(pacs.find("SEG")) == 1, "the SEG")
        (retrieval,) = until_done(node)
        assert retrieval.instances == len(made.ct) - 8
        assert len(rows(node, Instance)) == len(made.ct) + 1


@pytest.mark.parametrize("way", WAYS)
def test_without_evidence_the_source_is_asked_for_the_series(pacs, tmp_path, way):
    made = study(f"no evidence {way}")
    del made.report.CurrentRequestedProcedureEvidenceSequence
    archive(pacs, made.ct, tmp_path / "ct")
    with node_for(pacs, way, tmp_path / "node") as node:
        push(node, [made.report], tmp_path / "report")
        until(lambda: len(pacs.find("SEG")) == 1, "the SEG")
        found, fetched = until_done(node)
        assert found.sop_instance_uid == made.ct[12].SOPInstanceUID
        assert fetched.series_instance_uid == made.ct[0].SeriesInstanceUID


@pytest.mark.parametrize("way", WAYS)
def test_a_mark_in_space_brings_the_ct_of_its_frame_of_reference(pacs, tmp_path, way):
    made, other = study(f"space {way}"), study("another frame of reference")
    drawn = [DrawnMark(made.axes[0], "lesion")]
    report = recist_report(drawn, made.ct, "space", coordinates=Coordinates.SPACE)
    del report.CurrentRequestedProcedureEvidenceSequence
    for image in other.ct:  # of the same study, and not wanted
        image.StudyInstanceUID = made.ct[0].StudyInstanceUID
        image.PatientID = made.ct[0].PatientID
    archive(pacs, [*made.ct, *other.ct], tmp_path / "ct")
    with node_for(pacs, way, tmp_path / "node") as node:
        push(node, [report], tmp_path / "report")
        until(lambda: len(pacs.find("SEG")) == 1, "the SEG")
        assert {i.series_instance_uid for i in rows(node, Instance) if i.modality == "CT"} == {
            made.ct[0].SeriesInstanceUID
        }


@pytest.mark.parametrize("way", WAYS)
def test_a_node_that_was_killed_fetches_the_rest(pacs, tmp_path, way):
    made = study(f"killed {way}")
    with node_for(pacs, way, tmp_path / "node") as node:
        push(node, [made.report], tmp_path / "report")
        until(lambda: any(r.attempts for r in rows(node, Retrieval)), "an attempt in vain")
        node.kill()
        archive(pacs, made.ct, tmp_path / "ct")
        node.start()
        until(lambda: len(pacs.find("SEG")) == 1, "the SEG")
        (lesion,) = rows(node, Lesion)
        assert lesion.state is LesionState.PUBLISHED


def test_a_series_that_is_too_large_is_not_fetched(pacs, tmp_path):
    made = study("large")
    archive(pacs, made.ct, tmp_path / "ct")
    few = SOON | {"max_instances": 10}
    with node_for(pacs, "c-get", tmp_path / "node", retrieve=few) as node:
        push(node, [made.report], tmp_path / "report")
        until(
            lambda: [r.state for r in rows(node, Retrieval)] == [RetrievalState.REFUSED], "refusal"
        )
        (retrieval,) = rows(node, Retrieval)
        assert "more than 10" in retrieval.peer_words or "at most 10" in retrieval.peer_words
        assert len(rows(node, Instance)) == 1


def test_an_orthanc_that_does_not_know_where_to_send_is_asked_again(pacs, tmp_path):
    made = study("unknown")
    archive(pacs, made.ct, tmp_path / "ct")
    pacs.introduce("asker", "ASKER", 4)
    node = NodeProcess(
        tmp_path / "node",
        pacs.AE_TITLE,
        pacs.dicom_port,
        sources=[source(pacs, "c-move", calling_ae_title="ASKER")],
        retrieve=SOON,
        retry={"first_wait_s": 0.5, "factor": 1.0},
    )
    with node:
        push(node, [made.report], tmp_path / "report")
        until(lambda: any(r.attempts for r in rows(node, Retrieval)), "an attempt")
        (retrieval,) = rows(node, Retrieval)
        print(retrieval.peer_words, retrieval.status)
        assert retrieval.status not in (None, 0)
        assert retrieval.peer_words.startswith("ARCHIVE: 0x")
        assert rows(node, Lesion)[0].state is LesionState.WAITING
        pacs.introduce("node", node.AE_TITLE, node.port)
        until(lambda: len(pacs.find("SEG")) == 1, "the SEG")
