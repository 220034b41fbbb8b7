"""What is verified was read back and is what was sent; what a PACS may change does not count."""

from __future__ import annotations

import shutil
from io import BytesIO
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRLittleEndian, JPEGLSLossless, RLELossless
from pynetdicom import AE, evt
from pynetdicom.sop_class import StudyRootQueryRetrieveInformationModelFind as FIND
from pynetdicom.sop_class import StudyRootQueryRetrieveInformationModelGet as GET
from pynetdicom.sop_class import Verification

from benchmarks.peers.ports import free_port
from dicomnode.deliver.confirmation import ReadBack, Reading, ToRead
from dicomnode.deliver.content_digest import NothingToCompare, content_digest
from dicomnode.deliver.read_back import read_back
from dicomnode.settings import DicomDestination, FolderDestination, StowDestination
from tests.dicomnode.deliver.results_on_disk import segs
from tests.dicomnode.deliver.stand_in_server import StandInServer
from tests.dicomnode.studies import study

SEG = "1.2.840.10008.5.1.4.1.1.66.4"


@pytest.fixture(scope="module")
def path(tmp_path_factory) -> Path:
    return segs(1, tmp_path_factory.mktemp("segs"))[0]


def to_read(path: Path) -> ToRead:
    return ToRead(1, SEG, path.stem, path)


def read(path: Path, destination) -> ReadBack:
    ((_, outcome),) = read_back([to_read(path)], destination, "NODE")
    return outcome


# -- the digest


def test_compression_and_coerced_attributes_do_not_count(path):
    sent = pydicom.dcmread(path)
    stored = pydicom.dcmread(path)
    stored.decompress(generate_instance_uid=False)
    stored.PatientName = "Coerced^Name"
    stored.AccessionNumber = "123"
    assert content_digest(stored) == content_digest(sent)
    stored.compress(RLELossless, generate_instance_uid=False)
    assert content_digest(stored) == content_digest(sent)


def test_one_pixel_counts(path):
    stored = pydicom.dcmread(path)
    stored.decompress(generate_instance_uid=False)
    pixels = np.frombuffer(stored.PixelData, np.uint8).copy()
    pixels[17] ^= 1
    stored.PixelData = pixels.tobytes()
    assert content_digest(stored) != content_digest(pydicom.dcmread(path))


def test_float_pixels_and_shape_count(path):
    floats = Dataset()
    floats.Rows, floats.Columns, floats.NumberOfFrames = 2, 3, 1
    floats.FloatPixelData = np.arange(6, dtype=np.float32).tobytes()
    before = content_digest(floats)
    assert before[0] == "pixel data"
    floats.Rows, floats.Columns = 3, 2
    assert content_digest(floats) != before


def test_of_a_report_the_content_counts():
    report = study("digest").report
    before = content_digest(report)
    assert before[0] == "content"
    report.PatientName = "Coerced^Name"
    assert content_digest(report) == before
    report.ContentSequence[0].ConceptNameCodeSequence[0].CodeValue = "other"
    assert content_digest(report) != before
    with pytest.raises(NothingToCompare):
        content_digest(Dataset())


# -- C-FIND


class Archive:
    """A pynetdicom peer that answers C-FIND."""

    def __init__(self, answers: list[Dataset], status: int = 0x0000, offers: bool = True) -> None:
        self.answers = answers
        self.status = status
        self.asked: list[Dataset] = []
        ae = AE(ae_title="PEER")
        ae.add_supported_context(FIND if offers else Verification)
        self._server = ae.start_server(
            ("127.0.0.1", 0), block=False, evt_handlers=[(evt.EVT_C_FIND, self._find)]
        )

    def _find(self, event: evt.Event):
        self.asked.append(event.identifier)
        for answer in self.answers:
            yield 0xFF00, answer
        yield self.status, None

    def __enter__(self) -> DicomDestination:
        return destination(self._server.socket.getsockname()[1])

    def __exit__(self, *exception: object) -> None:
        self._server.shutdown()


def destination(port: int, verify: str = "find") -> DicomDestination:
    return DicomDestination(
        name="pacs", ae_title="PEER", host="127.0.0.1", port=port, verify=verify
    )


def found(uid: str, sop_class: str = SEG) -> Dataset:
    answer = Dataset()
    answer.QueryRetrieveLevel = "IMAGE"
    answer.SOPInstanceUID = uid
    answer.SOPClassUID = sop_class
    return answer


def test_a_query_names_all_levels_and_finds_it(path):
    archive = Archive([found(path.stem)])
    with archive as peer:
        outcome = read(path, peer)
    assert outcome.reading is Reading.SAME
    assert "C-FIND" in outcome.words
    (asked,) = archive.asked
    sent = pydicom.dcmread(path)
    assert asked.StudyInstanceUID == sent.StudyInstanceUID
    assert asked.SeriesInstanceUID == sent.SeriesInstanceUID
    assert asked.SOPInstanceUID == sent.SOPInstanceUID


@pytest.mark.parametrize(
    ("answers", "status", "reading"),
    [
        ([], 0x0000, Reading.ABSENT),
        # A peer that does not match by UID gives all that it has.
        ([found("1.2.3"), found("1.2.4")], 0x0000, Reading.ABSENT),
        ([], 0xA700, Reading.UNREACHABLE),
        ([], 0xA900, Reading.IMPOSSIBLE),
    ],
)
def test_what_is_not_found_is_not_verified(path, answers, status, reading):
    with Archive(answers, status) as peer:
        assert read(path, peer).reading is reading


def test_another_sop_class_is_another_object(path):
    with Archive([found(path.stem, "1.2.840.10008.5.1.4.1.1.7")]) as peer:
        assert read(path, peer).reading is Reading.DIFFERENT


def test_a_peer_without_queries_or_away_is_not_mistaken_for_one_without_it(path):
    with Archive([], offers=False) as peer:
        assert read(path, peer).reading is Reading.IMPOSSIBLE
    assert read(path, destination(free_port())).reading is Reading.UNREACHABLE


# -- C-GET


class Giving:
    """A pynetdicom peer that gives what it keeps by C-GET."""

    def __init__(
        self, *kept: Dataset, status: int = 0x0000, offers: bool = True, finds: bool = True
    ) -> None:
        self.kept = kept
        self.status = status
        self.asked: list[Dataset] = []
        self.offers = offers
        self.finds = finds

    def _get(self, event: evt.Event):
        self.asked.append(event.identifier)
        if self.status != 0x0000:
            yield 1
            yield self.status, None
            return
        yield len(self.kept)
        for dataset in self.kept:
            yield 0xFF00, dataset

    def _find(self, event: evt.Event):
        if self.finds:
            yield 0xFF00, found(event.identifier.SOPInstanceUID)
        yield 0x0000, None

    def __enter__(self) -> DicomDestination:
        ae = AE(ae_title="PEER")
        ae.add_supported_context(FIND)
        if self.offers:
            ae.add_supported_context(GET)
        ae.add_supported_context(
            SEG, [JPEGLSLossless, ExplicitVRLittleEndian], scu_role=True, scp_role=True
        )
        self._server = ae.start_server(
            ("127.0.0.1", 0),
            block=False,
            evt_handlers=[(evt.EVT_C_GET, self._get), (evt.EVT_C_FIND, self._find)],
        )
        return destination(self._server.socket.getsockname()[1], "pixels")

    def __exit__(self, *exception: object) -> None:
        self._server.shutdown()


def uncompressed(path: Path) -> Dataset:
    kept = pydicom.dcmread(path)
    kept.decompress(generate_instance_uid=False)
    return kept


@pytest.mark.parametrize("kept", [pydicom.dcmread, uncompressed])
def test_without_dicomweb_pixels_come_back_by_c_get(path, kept):
    giving = Giving(kept(path))
    with giving as peer:
        outcome = read(path, peer)
    assert outcome.reading is Reading.SAME
    assert "C-GET, the same pixel data" in outcome.words
    (asked,) = giving.asked
    sent = pydicom.dcmread(path)
    assert asked.QueryRetrieveLevel == "IMAGE"
    assert asked.StudyInstanceUID == sent.StudyInstanceUID
    assert asked.SeriesInstanceUID == sent.SeriesInstanceUID
    assert asked.SOPInstanceUID == sent.SOPInstanceUID


def test_several_are_fetched_over_one_association_and_each_is_compared(tmp_path):
    paths = segs(3, tmp_path)
    changed = uncompressed(paths[1])
    changed.PixelData = bytes(len(changed.PixelData))
    giving = Giving(pydicom.dcmread(paths[0]), changed)
    # The peer gives all that it has, whatever it is asked for.
    wanted = [to_read(path) for path in paths]
    with giving as peer:
        outcomes = [read.reading for _, read in read_back(wanted, peer, "NODE")]
    assert outcomes[:2] == [Reading.SAME, Reading.DIFFERENT]
    assert outcomes[2] is not Reading.SAME
    assert len(giving.asked) == 3


def test_what_c_get_does_not_give_is_not_verified(path):
    with Giving() as peer:
        assert read(path, peer).reading is Reading.ABSENT
    with Giving(status=0xA701) as peer:
        assert read(path, peer).reading is Reading.UNREACHABLE
    # Some fail where they do not have it: a query then tells.
    with Giving(status=0xA701, finds=False) as peer:
        assert read(path, peer).reading is Reading.ABSENT
    with Giving(status=0xA900) as peer:
        assert read(path, peer).reading is Reading.IMPOSSIBLE
    with Giving(offers=False) as peer:
        assert read(path, peer) == ReadBack(Reading.IMPOSSIBLE, "the peer does not offer C-GET")
    assert read(path, destination(free_port(), "pixels")).reading is Reading.UNREACHABLE


def test_more_than_was_sent_is_not_waited_for(path):
    huge = uncompressed(path)
    huge.NumberOfFrames = 3000
    huge.PixelData = bytes(3000 * huge.Rows * huge.Columns)
    with Giving(huge) as peer:
        outcome = read(path, peer)
    assert outcome.reading is Reading.DIFFERENT
    assert "more than" in outcome.words


# -- DICOMweb


def web(server: StandInServer, verify: str) -> StowDestination:
    return StowDestination(name="web", kind="stow-rs", url=server.url, verify=verify)


def page(path: Path) -> str:
    sent = pydicom.dcmread(path, stop_before_pixels=True)
    return (
        f"/dicom-web/studies/{sent.StudyInstanceUID}/series/{sent.SeriesInstanceUID}"
        f"/instances/{path.stem}"
    )


def multipart(dataset: Dataset) -> tuple[int, bytes, str]:
    buffer = BytesIO()
    dataset.save_as(buffer, enforce_file_format=True)
    head = b"--b\r\nContent-Type: application/dicom\r\n\r\n"
    kind = 'multipart/related; type="application/dicom"; boundary=b'
    return 200, head + buffer.getvalue() + b"\r\n--b--", kind


def test_the_same_pixels_in_another_syntax_are_verified(path):
    with StandInServer() as server:
        kept = pydicom.dcmread(path)
        kept.decompress(generate_instance_uid=False)
        server.pages[page(path)] = multipart(kept)
        outcome = read(path, web(server, "pixels"))
    assert outcome.reading is Reading.SAME
    assert content_digest(kept)[1][:16] in outcome.words


def test_other_pixels_are_not(path):
    with StandInServer() as server:
        kept = pydicom.dcmread(path)
        kept.decompress(generate_instance_uid=False)
        kept.PixelData = bytes(len(kept.PixelData))
        server.pages[page(path)] = multipart(kept)
        assert read(path, web(server, "pixels")).reading is Reading.DIFFERENT
        del kept.PixelData
        server.pages[page(path)] = multipart(kept)
        assert read(path, web(server, "pixels")).reading is Reading.DIFFERENT


@pytest.mark.parametrize(
    ("status", "reading"),
    [
        (404, Reading.ABSENT),
        (403, Reading.IMPOSSIBLE),
        (500, Reading.UNREACHABLE),
        (200, Reading.UNREACHABLE),
    ],
)
def test_what_the_server_does_not_give_is_not_verified(path, status, reading):
    with StandInServer() as server:
        server.pages[page(path)] = (status, b"not what was asked for", "text/plain")
        assert read(path, web(server, "pixels")).reading is reading


def test_qido_finds_it_or_does_not(path):
    with StandInServer() as server:
        instances = page(path).rsplit("/", 1)[0]
        answer = f'[{{"00080018": {{"vr": "UI", "Value": ["{path.stem}"]}}}}]'
        server.pages[instances] = (200, answer.encode(), "application/dicom+json")
        assert read(path, web(server, "find")).reading is Reading.SAME
        server.pages[instances] = (200, b"[]", "application/dicom+json")
        assert read(path, web(server, "find")).reading is Reading.ABSENT
    assert read(path, web(server, "find")).reading is Reading.UNREACHABLE


# -- folders


@pytest.mark.parametrize("verify", ["find", "pixels"])
def test_a_file_is_looked_at(path, tmp_path, verify):
    folder = FolderDestination(name="drop", kind="folder", path=tmp_path, verify=verify)
    assert read(path, folder).reading is Reading.ABSENT
    shutil.copy(path, tmp_path / path.name)
    assert read(path, folder).reading is Reading.SAME


def test_a_result_of_the_nodes_own_that_is_gone_is_said(tmp_path):
    folder = FolderDestination(name="drop", kind="folder", path=tmp_path, verify="find")
    outcome = read(tmp_path / "1.2.3.dcm", folder)
    assert outcome.reading is Reading.IMPOSSIBLE
    assert "own file" in outcome.words
