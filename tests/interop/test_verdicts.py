"""What readers say at the page of a lesion, and what Orthanc then gets of it."""

from __future__ import annotations

import json
import urllib.request
from base64 import b64encode
from pathlib import Path

import highdicom as hd
import numpy as np
import pydicom
import pytest
from pydicom.uid import SegmentationStorage
from sqlalchemy import select

from benchmarks.peers.dcmtk import storescu
from benchmarks.peers.node_process import NodeProcess
from benchmarks.peers.orthanc import Orthanc
from benchmarks.peers.page_server import PageServer
from dicomnode.store.database import Database
from dicomnode.store.states import DeliveryState, LesionState
from dicomnode.store.tables import Delivery, Lesion, Result
from pipelines.soft_mask import BACKGROUND, SoftMask
from tests.dicomnode.deliver.results_on_disk import until
from tests.dicomnode.studies import save, study
from tests.interop.peers import need
from tests.interop.test_dciodvfy import errors

pytestmark = pytest.mark.interop

REJECTED = {"decision": "rejected", "reason": "too-large"}


@pytest.fixture
def pacs(tmp_path):
    need("Orthanc")
    with Orthanc(tmp_path / "orthanc") as pacs:
        yield pacs


@pytest.fixture
def node(pacs, tmp_path):
    need("storescu")
    made = NodeProcess(
        tmp_path / "node",
        pacs.AE_TITLE,
        pacs.dicom_port,
        destination={"deliver": "accepted"},
        collect={"quiet_period_s": 0.5},
        publish={"gather_s": 0.2},
    )
    made.start()
    yield made
    made.stop()


@pytest.fixture
def page(node):
    """The page in a process of its own, as far as the node can tell."""
    database = Database(node.settings.store.url)
    with PageServer(database) as server:
        yield server
    database.close()


def states(node: NodeProcess, kind: str = "fractional-seg") -> list[DeliveryState]:
    with node.rows() as session:
        query = select(Delivery.state).join(Delivery.result).where(Result.kind == kind)
        return list(session.scalars(query.order_by(Delivery.id)))


def the_lesion(node: NodeProcess) -> Lesion | None:
    with node.rows() as session:
        return session.scalars(select(Lesion)).one_or_none()


def say(page: PageServer, said: dict) -> None:
    asked = urllib.request.Request(
        page.address("/lesions/1/verdicts"),
        json.dumps(said).encode(),
        {"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(asked, timeout=120) as got:
        assert got.status == 201


def send(node: NodeProcess, folder: Path, seed: str) -> None:
    made = study(seed)
    parcels = save([*made.ct, made.report], folder)
    storescu(node.port, node.AE_TITLE, [parcel.path for parcel in parcels])

    def published() -> bool:
        found = the_lesion(node)
        return found is not None and found.state is LesionState.PUBLISHED

    until(published, "publishing")


def without_its_upper_half(node: NodeProcess) -> tuple[np.ndarray, str]:
    """A trimap as a reader would mend it, and how the page sends it."""
    trimap = SoftMask.load(Path(the_lesion(node).soft_mask_path)).trimap.array.copy()
    trimap[len(trimap) // 2 :] = BACKGROUND
    return trimap, b64encode(trimap.tobytes()).decode()  # the CT lies as the page has it


def test_orthanc_gets_what_was_accepted_as_it_was_mended_also_over_a_kill(
    pacs, node, page, tmp_path
):
    send(node, tmp_path / "out", "judged")
    assert states(node) == [DeliveryState.UNJUDGED]
    say(page, REJECTED)
    assert states(node) == [DeliveryState.WITHHELD]
    trimap, mended = without_its_upper_half(node)
    node.kill()
    say(page, {"decision": "accepted", "trimap": mended})
    assert pacs.find("SEG") == []
    node.start()
    until(
        lambda: states(node) == [DeliveryState.WITHDRAWN, DeliveryState.ACCEPTED],
        "the mended soft mask",
    )
    (found,) = pacs.find("SEG")
    seg = hd.seg.segread(pacs.save(found, tmp_path / "back"))
    assert seg.SOPClassUID == SegmentationStorage
    mask = SoftMask.load(Path(the_lesion(node).soft_mask_path))
    np.testing.assert_array_equal(mask.trimap.array, trimap)
    volume = seg.get_volume(combine_segments=False)
    ml = float(volume.array.sum()) * volume.voxel_volume / 1000
    assert ml == pytest.approx(mask.volume_ml, rel=0.01)


def test_orthanc_gets_what_was_accepted_while_the_node_runs(pacs, node, page, tmp_path):
    send(node, tmp_path / "out", "accepted")
    assert pacs.find("SEG") == []
    say(page, {"decision": "accepted"})
    until(lambda: states(node) == [DeliveryState.ACCEPTED], "delivery")
    assert len(pacs.find("SEG")) == 1
    say(page, REJECTED)  # it is there: nothing calls it back
    assert states(node) == [DeliveryState.ACCEPTED]


def test_a_verdict_goes_to_orthanc_as_a_sound_report_and_the_next_takes_its_place(pacs, tmp_path):
    need("storescu")
    node = NodeProcess(
        tmp_path / "node",
        pacs.AE_TITLE,
        pacs.dicom_port,
        destination={"verdicts": True},
        collect={"quiet_period_s": 0.5},
        publish={"gather_s": 0.2},
    )
    node.start()
    database = Database(node.settings.store.url)
    try:
        with PageServer(database) as page:
            send(node, tmp_path / "out", "told")
            until(lambda: states(node) == [DeliveryState.ACCEPTED], "the soft mask")
            say(page, REJECTED | {"words": "half of it is vessel"})
            until(lambda: states(node, "assessment") == [DeliveryState.ACCEPTED], "a report")
            say(page, {"decision": "accepted"})
            until(lambda: states(node, "assessment") == [DeliveryState.ACCEPTED] * 2, "the next")
    finally:
        database.close()
        node.stop()
    (seg,) = [pydicom.dcmread(pacs.save(one, tmp_path / "back")) for one in pacs.find("SEG")]
    found = [pydicom.dcmread(pacs.save(one, tmp_path / "back")) for one in pacs.find("SR")]
    first, second = sorted(found, key=lambda one: "PredecessorDocumentsSequence" in one)
    assert second.PredecessorDocumentsSequence[0].ReferencedSeriesSequence[0].ReferencedSOPSequence[
        0
    ].ReferencedSOPInstanceUID == first.SOPInstanceUID  # fmt: skip
    for number, (document, verdict) in enumerate(((first, "Rejected"), (second, "Accepted"))):
        (tmp_path / str(number)).mkdir()
        assert errors(document, tmp_path / str(number)) == []
        said = {
            str(item.ConceptNameCodeSequence[0].CodeMeaning): item
            for item in document.ContentSequence
        }
        assert said["Verdict"].ConceptCodeSequence[0].CodeMeaning == verdict
        named = said["Result that was judged"].ReferencedSOPSequence[0]
        assert named.ReferencedSOPInstanceUID == seg.SOPInstanceUID
        assert said["Person Observer Name"].PersonName == "reader^"
    assert "half of it is vessel" not in node.log
