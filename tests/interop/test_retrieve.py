"""Only the report is pushed; the node fetches its CT from Orthanc, in each of three ways."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path

import highdicom as hd
import pytest
from pydicom.dataset import Dataset
from sqlalchemy import select

from benchmarks.peers.dcmtk import storescu
from benchmarks.peers.node_process import NodeProcess
from benchmarks.peers.orthanc import Orthanc
from dicomnode.demo.recist_sr import Coordinates, DrawnMark, recist_report
from dicomnode.explain import explain
from dicomnode.store.states import LesionState, RetrievalState
from dicomnode.store.tables import Instance, Lesion, Retrieval
from tests.dicomnode.studies import Study, save, study
from tests.interop.peers import need, need_orthanc_dicomweb

pytestmark = pytest.mark.interop

PATIENCE_S = 240.0
WAYS = ("c-move", "c-get", "dicomweb")
ASKER = "ASKER"
"""As whom the node queries for C-MOVE: Orthanc answers it, wherever the node itself is known."""


@pytest.fixture(scope="module")
def pacs(tmp_path_factory):
    need("Orthanc")
    need("storescu")
    folder = tmp_path_factory.mktemp("orthanc")
    plugins = [str(need_orthanc_dicomweb())]
    with Orthanc(folder, Plugins=plugins, DicomAlwaysAllowGet=True) as pacs:
        pacs.introduce("asker", ASKER, 4)
        yield pacs


def node_for(pacs: Orthanc, way: str, folder: Path, **retrieve: object) -> NodeProcess:
    source: dict[str, object] = {"name": "ARCHIVE", "kind": way}
    if way == "dicomweb":
        source["url"] = f"http://127.0.0.1:{pacs.http_port}/dicom-web"
    else:
        source |= {"ae_title": pacs.AE_TITLE, "host": "127.0.0.1", "port": pacs.dicom_port}
    if way == "c-move":
        source["calling_ae_title"] = ASKER
    node = NodeProcess(
        folder,
        pacs.AE_TITLE,
        pacs.dicom_port,
        sources=[source],
        retrieve={"grace_s": 0.2} | retrieve,
        collect={"quiet_period_s": 0.5},
        retry={"first_wait_s": 0.3, "factor": 1.0, "attempts": 1000},
    )
    pacs.introduce("node", node.AE_TITLE, node.port)
    return node


class Site:
    """A node and its source. It serves all tests of one way, each with a study of its own."""

    def __init__(self, pacs: Orthanc, node: NodeProcess, way: str) -> None:
        self.pacs = pacs
        self.node = node
        self.way = way

    def archive(self, objects: Sequence[Dataset], folder: Path) -> None:
        """Put objects into the source."""
        paths = [parcel.path for parcel in save(objects, folder / "archived")]
        storescu(self.pacs.dicom_port, self.pacs.AE_TITLE, paths)

    def push(self, objects: Sequence[Dataset], folder: Path) -> None:
        """Send objects to the node."""
        paths = [parcel.path for parcel in save(objects, folder / "pushed")]
        storescu(self.node.port, self.node.AE_TITLE, paths)

    def retrievals(self, made: Study) -> list[Retrieval]:
        with self.node.rows() as session:
            of_study = Retrieval.study_instance_uid == made.report.StudyInstanceUID
            return list(session.scalars(select(Retrieval).where(of_study).order_by(Retrieval.id)))

    def lesions(self, made: Study) -> list[Lesion]:
        with self.node.rows() as session:
            of_report = Lesion.source_sop_instance_uid == made.report.SOPInstanceUID
            return list(session.scalars(select(Lesion).where(of_report)))

    def images(self, made: Study) -> list[Instance]:
        """CT of the study that the node has."""
        with self.node.rows() as session:
            of_study = Instance.study_instance_uid == made.report.StudyInstanceUID
            return list(
                session.scalars(select(Instance).where(of_study, Instance.modality == "CT"))
            )

    def segs(self, made: Study) -> list[str]:
        """Orthanc's ids of the SEGs that the source was sent of the study."""
        query = {"StudyInstanceUID": made.report.StudyInstanceUID, "Modality": "SEG"}
        return self.pacs.ask("/tools/find", {"Level": "Instance", "Query": query})

    def until_segs(self, made: Study, count: int = 1) -> None:
        until(lambda: len(self.segs(made)) == count, f"{count} SEG")

    def until_done(self, made: Study) -> list[Retrieval]:
        """Retrievals once all are done: a result can be there before its series is complete."""
        until(
            lambda: {r.state for r in self.retrievals(made)} == {RetrievalState.DONE},
            "retrievals are done",
        )
        return self.retrievals(made)


@pytest.fixture(scope="module", params=WAYS)
def site(pacs, request, tmp_path_factory):
    with node_for(pacs, request.param, tmp_path_factory.mktemp("node")) as node:
        yield Site(pacs, node, request.param)


def until(condition: Callable[[], object], what: str) -> None:
    end = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < end, f"{what}: not within {PATIENCE_S:g} s"
        time.sleep(0.1)


def test_a_report_alone_brings_its_ct_and_its_seg(site, tmp_path):
    made = study(f"alone {site.way}", centres=[(10, 20, 20), (13, 42, 40)])
    site.archive(made.ct, tmp_path)
    site.push([made.report], tmp_path)
    site.until_segs(made, 2)
    (retrieval,) = site.until_done(made)  # one for both lesions
    assert retrieval.series_instance_uid == made.ct[0].SeriesInstanceUID
    assert retrieval.instances == len(made.ct)
    callers = {image.calling_ae for image in site.images(made)}
    assert callers == {site.pacs.AE_TITLE if site.way == "c-move" else "ARCHIVE"}
    with site.node.rows() as session:
        text = "\n".join(explain(session, made.report.SOPInstanceUID))
    assert f"{len(made.ct)} images came; ARCHIVE: " in text
    for found in site.segs(made):
        seg = hd.seg.segread(site.pacs.save(found, tmp_path / "segs"))
        assert seg.SegmentationType == "FRACTIONAL"
        assert seg.StudyInstanceUID == made.report.StudyInstanceUID


def test_of_a_series_that_is_partly_here_only_the_rest_is_fetched(site, tmp_path):
    made = study(f"partly {site.way}")
    site.archive(made.ct, tmp_path)
    # The mark comes last: nothing is fetched while the slices arrive, however slowly they do.
    site.push([*made.ct[5:13], made.report], tmp_path)
    site.until_segs(made)
    (retrieval,) = site.until_done(made)
    assert retrieval.instances == len(made.ct) - 8
    assert len(site.images(made)) == len(made.ct)


def test_without_evidence_the_source_is_asked_for_the_series(site, tmp_path):
    made = study(f"no evidence {site.way}")
    del made.report.CurrentRequestedProcedureEvidenceSequence
    site.archive(made.ct, tmp_path)
    site.push([made.report], tmp_path)
    site.until_segs(made)
    found, fetched = site.until_done(made)
    assert found.sop_instance_uid == made.ct[12].SOPInstanceUID
    assert fetched.series_instance_uid == made.ct[0].SeriesInstanceUID


def test_a_mark_in_space_brings_the_ct_of_its_frame_of_reference(site, tmp_path):
    made, other = study(f"space {site.way}"), study(f"another frame of reference {site.way}")
    drawn = [DrawnMark(made.axes[0], "lesion")]
    seed = f"space {site.way}"
    report = recist_report(drawn, made.ct, seed, coordinates=Coordinates.SPACE)
    del report.CurrentRequestedProcedureEvidenceSequence
    for image in other.ct:  # of the same study, and not wanted
        image.StudyInstanceUID = made.ct[0].StudyInstanceUID
        image.PatientID = made.ct[0].PatientID
    site.archive([*made.ct, *other.ct], tmp_path)
    site.push([report], tmp_path)
    site.until_segs(made)
    site.until_done(made)
    assert {image.series_instance_uid for image in site.images(made)} == {
        made.ct[0].SeriesInstanceUID
    }


def test_a_node_that_was_killed_fetches_the_rest(site, tmp_path):
    made = study(f"killed {site.way}")
    site.push([made.report], tmp_path)
    until(lambda: any(r.attempts for r in site.retrievals(made)), "an attempt in vain")
    site.node.kill()
    try:
        site.archive(made.ct, tmp_path)
    finally:
        site.node.start()
    site.until_segs(made)
    (lesion,) = site.lesions(made)
    assert lesion.state is LesionState.PUBLISHED


def test_an_orthanc_that_does_not_know_where_to_send_is_asked_again(site, tmp_path):
    if site.way != "c-move":
        return  # only C-MOVE needs to be known by the source
    made = study("unknown")
    site.archive(made.ct, tmp_path)
    site.pacs.forget("node")
    try:
        site.push([made.report], tmp_path)
        until(lambda: any(r.attempts for r in site.retrievals(made)), "an attempt")
        (retrieval,) = site.retrievals(made)
        (lesion,) = site.lesions(made)
    finally:
        site.pacs.introduce("node", site.node.AE_TITLE, site.node.port)
    assert retrieval.status not in (None, 0)
    assert retrieval.peer_words.startswith("ARCHIVE: 0x")
    assert lesion.state is LesionState.WAITING
    site.until_segs(made)


def test_a_series_that_is_too_large_is_not_fetched(pacs, tmp_path):
    made = study("large")
    with node_for(pacs, "c-get", tmp_path / "node", max_instances=10) as node:
        site = Site(pacs, node, "c-get")
        site.archive(made.ct, tmp_path)
        site.push([made.report], tmp_path)
        until(
            lambda: [r.state for r in site.retrievals(made)] == [RetrievalState.REFUSED], "refusal"
        )
        (retrieval,) = site.retrievals(made)
        assert "more than 10" in retrieval.peer_words or "at most 10" in retrieval.peer_words
        assert site.images(made) == []
