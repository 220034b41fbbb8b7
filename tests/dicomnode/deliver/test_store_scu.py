"""A delivery is called what the peer made of it, and no peer holds the sender up."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import highdicom as hd
import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.uid import (
    CTImageStorage,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEGLSLossless,
    SegmentationStorage,
)
from pynetdicom import AE, evt
from pynetdicom.association import Association

from dicomnode.deliver.answer import Answer, Contact, Verdict
from dicomnode.deliver.store_scu import Parcel, echo, send
from dicomnode.demo.ct_series import CtSeriesDescription, ct_series
from dicomnode.demo.stand_in_pacs import StandInPacs
from dicomnode.settings import DicomDestination
from tests.dicomnode.studies import save

PATIENCE_S = 240.0


@pytest.fixture(scope="module")
def parcels(tmp_path_factory) -> list[Parcel]:
    """Three fractional SEGs in JPEG-LS, each larger than a socket's buffers when unpacked."""
    affine = np.diag([2.0, 0.8, 0.8, 1.0])[[2, 1, 0, 3]]
    volume = hd.Volume(
        np.zeros((3, 256, 256), np.int16),
        affine,
        coordinate_system="PATIENT",
        frame_of_reference_uid="1.2.826.0.1.3680043.10.8",
    )
    ct = ct_series(volume, CtSeriesDescription(seed="deliver"))
    random = np.random.default_rng(0)
    made = []
    for number in range(3):
        segment = hd.seg.SegmentDescription(
            1, "Lesion", pydicom.sr.codedict.codes.SCT.MorphologicallyAbnormalStructure,
            pydicom.sr.codedict.codes.SCT.Lesion, hd.seg.SegmentAlgorithmTypeValues.MANUAL,
        )  # fmt: skip
        made.append(
            hd.seg.Segmentation(
                source_images=ct,
                pixel_array=random.random((3, 256, 256)).astype(np.float32),
                segmentation_type="FRACTIONAL",
                segment_descriptions=[segment],
                series_instance_uid="1.2.826.0.1.3680043.10.9",
                series_number=1,
                sop_instance_uid=f"1.2.826.0.1.3680043.10.9.{number}",
                instance_number=1,
                manufacturer="test",
                manufacturer_model_name="test",
                software_versions="1",
                device_serial_number="1",
                max_fractional_value=255,
                transfer_syntax_uid=JPEGLSLossless,
            )
        )
    return save(made, tmp_path_factory.mktemp("segs"))


def destination(port: int, **changes: object) -> DicomDestination:
    values = {
        "name": "peer",
        "ae_title": "PEER",
        "host": "127.0.0.1",
        "port": port,
        "connect_timeout_s": 5,
        "response_timeout_s": 20,
    }
    return DicomDestination(**(values | changes))


def deliver(parcels: list[Parcel], peer: DicomDestination) -> list[Answer]:
    """Send in a thread, so that a sender that hangs fails the test instead of holding it."""
    answers: dict[int, Answer] = {}
    done = threading.Event()

    def run() -> None:
        try:
            for parcel, answer in send(parcels, peer, "NODE"):
                answers[parcel.delivery_id] = answer
        finally:
            done.set()

    threading.Thread(target=run, daemon=True).start()
    assert done.wait(PATIENCE_S), "the sender hangs"
    assert len(answers) == len(parcels)
    return [answers[parcel.delivery_id] for parcel in parcels]


@contextlib.contextmanager
def peer(
    on_store: Callable[[evt.Event], object],
    syntaxes: tuple[str, ...] = (ExplicitVRLittleEndian, ImplicitVRLittleEndian, JPEGLSLossless),
    sop_class: str = SegmentationStorage,
    **settings: object,
) -> Iterator[int]:
    """Listen as a pynetdicom peer that answers each C-STORE by `on_store`; gives the port."""
    ae = AE(ae_title="PEER")
    for name, value in settings.items():
        setattr(ae, name, value)
    ae.add_supported_context(sop_class, list(syntaxes))
    server = ae.start_server(
        ("127.0.0.1", 0), block=False, evt_handlers=[(evt.EVT_C_STORE, on_store)]
    )
    try:
        yield server.socket.getsockname()[1]
    finally:
        server.shutdown()


class Shelf:
    """Keeps what a peer is sent, with the transfer syntax that it came in."""

    def __init__(self) -> None:
        self.kept: dict[str, Dataset] = {}

    def __call__(self, event: evt.Event) -> int:
        dataset = event.dataset
        dataset.file_meta = event.file_meta
        self.kept[str(dataset.SOPInstanceUID)] = dataset
        return 0x0000


@contextlib.contextmanager
def raw_peer(behave: Callable[[socket.socket], None]) -> Iterator[int]:
    """Listen as a bare socket and let `behave` have each connection."""
    server = socket.create_server(("127.0.0.1", 0))
    connections: list[socket.socket] = []

    def serve() -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = server.accept()
                connections.append(connection)
                threading.Thread(target=guarded, args=(connection,), daemon=True).start()

    def guarded(connection: socket.socket) -> None:
        with contextlib.suppress(OSError):
            behave(connection)

    threading.Thread(target=serve, daemon=True).start()
    try:
        yield server.getsockname()[1]
    finally:
        server.close()
        for connection in connections:
            connection.close()


def accept_association(connection: socket.socket) -> None:
    """Read an A-ASSOCIATE-RQ and accept its first context, Explicit VR LE (PS3.8 9.3.3)."""
    header = connection.recv(6, socket.MSG_WAITALL)
    body = connection.recv(int.from_bytes(header[2:], "big"), socket.MSG_WAITALL)

    def item(kind: int, content: bytes) -> bytes:
        return bytes([kind, 0]) + len(content).to_bytes(2, "big") + content

    context = item(0x21, bytes([1, 0, 0, 0]) + item(0x40, ExplicitVRLittleEndian.encode()))
    user = item(
        0x50, item(0x51, (16384).to_bytes(4, "big")) + item(0x52, b"1.2.826.0.1.3680043.10")
    )
    reply = body[:68] + item(0x10, b"1.2.840.10008.3.1.1.1") + context + user
    connection.sendall(b"\x02\x00" + len(reply).to_bytes(4, "big") + reply)


def verdicts(answers: list[Answer]) -> list[Verdict]:
    return [answer.verdict for answer in answers]


def pixels(dataset: Dataset) -> np.ndarray:
    return np.asarray(dataset.pixel_array)


def test_objects_go_as_they_lie_on_disk_where_the_peer_takes_that(parcels, tmp_path):
    with StandInPacs(tmp_path) as pacs:
        answers = deliver(parcels, destination(pacs.port, ae_title=pacs.AE_TITLE))
        assert verdicts(answers) == [Verdict.ACCEPTED] * 3
        assert [answer.status for answer in answers] == [0] * 3
        for parcel in parcels:
            kept = pydicom.dcmread(pacs.path(pydicom.dcmread(parcel.path).SOPInstanceUID))
            original = pydicom.dcmread(parcel.path)
            assert kept.file_meta.TransferSyntaxUID == JPEGLSLossless
            assert kept.PixelData == original.PixelData


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ImplicitVRLittleEndian])
def test_a_peer_that_takes_one_syntax_gets_an_equal_object_in_it(parcels, syntax):
    shelf = Shelf()
    with peer(shelf, (syntax,)) as port:
        assert verdicts(deliver(parcels, destination(port))) == [Verdict.ACCEPTED] * 3
    for parcel in parcels:
        original = pydicom.dcmread(parcel.path)
        kept = shelf.kept[original.SOPInstanceUID]
        assert kept.file_meta.TransferSyntaxUID == syntax
        np.testing.assert_array_equal(pixels(kept), pixels(original))
        for dataset in (kept, original):
            del dataset.PixelData
        # As pydicom writes both, so that numbers that are padded differently are equal.
        assert kept.to_json_dict() == original.to_json_dict()


def test_a_destination_can_be_told_never_to_get_jpeg_ls(parcels):
    shelf, offered = Shelf(), []

    def store(event: evt.Event) -> int:
        offered.extend(
            syntax
            for context in event.assoc.requestor.requested_contexts
            for syntax in context.transfer_syntax
        )
        return shelf(event)

    with peer(store) as port:
        answers = deliver(parcels[:1], destination(port, transfer_syntax="explicit-le"))
    assert verdicts(answers) == [Verdict.ACCEPTED]
    (kept,) = shelf.kept.values()
    assert kept.file_meta.TransferSyntaxUID == ExplicitVRLittleEndian
    assert set(offered) == {ExplicitVRLittleEndian, ImplicitVRLittleEndian}


@pytest.mark.parametrize(
    ("status", "verdict"),
    [
        (0xB000, Verdict.ACCEPTED),
        (0xB007, Verdict.ACCEPTED),
        (0xA700, Verdict.REPEAT),
        (0xC001, Verdict.REFUSED),
    ],
)
def test_a_status_and_its_comment_are_kept(parcels, status, verdict):
    def store(event: evt.Event) -> Dataset:
        answer = Dataset()
        answer.Status = status
        answer.ErrorComment = "the peer's own words"
        return answer

    with peer(store) as port:
        (answer,) = deliver(parcels[:1], destination(port))
    assert (answer.verdict, answer.status) == (verdict, status)
    assert f"0x{status:04X}" in answer.words
    assert answer.words.endswith("the peer's own words")


def test_nobody_there_is_a_repeat_for_every_object(parcels):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    answers = deliver(parcels, destination(port))
    assert verdicts(answers) == [Verdict.REPEAT] * 3
    assert "could not be reached" in answers[0].words
    assert f"PEER@127.0.0.1:{port}" in answers[0].words


def test_a_rejection_is_kept_in_the_words_of_the_peer(parcels):
    with peer(Shelf(), require_called_aet=True) as port:
        (answer,) = deliver(parcels[:1], destination(port, ae_title="OTHER"))
    assert "rejected the association" in answer.words
    # For good, and not of this object alone: the next would fare the same.
    assert (answer.verdict, answer.contact) == (Verdict.REFUSED, Contact.LOST)
    assert "Called AE title not recognised" in answer.words


def test_a_peer_without_the_sop_class_refuses_the_object_and_not_its_neighbours(parcels, tmp_path):
    volume = hd.Volume(np.zeros((1, 8, 8), np.int16), np.eye(4), "PATIENT")
    (ct,) = save(ct_series(volume, CtSeriesDescription(seed="class")), tmp_path)
    ct = Parcel(99, ct.sop_class_uid, ct.path)
    with peer(Shelf()) as port:
        answers = deliver([ct, *parcels[:1]], destination(port))
    assert verdicts(answers) == [Verdict.REFUSED, Verdict.ACCEPTED]
    assert CTImageStorage in answers[0].words


def test_a_peer_that_takes_none_of_the_sop_classes_refuses_and_says_which(parcels):
    with peer(Shelf(), sop_class=CTImageStorage) as port:
        answers = deliver(parcels, destination(port))
    assert verdicts(answers) == [Verdict.REFUSED] * 3
    assert f"does not accept SOP class {SegmentationStorage}" in answers[0].words


def test_a_peer_that_aborts_in_the_middle_may_have_the_object(parcels):
    def store(event: evt.Event) -> int:
        event.assoc.abort()
        return 0x0000

    with peer(store) as port:
        answers = deliver(parcels, destination(port))
    assert verdicts(answers) == [Verdict.UNKNOWN, Verdict.REPEAT, Verdict.REPEAT]
    assert "before this object's turn" in answers[1].words


def test_a_peer_that_stops_between_two_objects_gets_the_rest_later(parcels):
    shelf = Shelf()

    associations = []

    def store(event: evt.Event) -> int:
        shelf(event)
        associations.append(event.assoc)
        return 0x0000

    answers = []
    with peer(store) as port:
        for parcel, answer in send(parcels, destination(port), "NODE"):
            answers.append(answer)
            if parcel is parcels[0]:
                associations[0].abort()
                _wait_until_the_sender_knows()
    assert verdicts(answers) == [Verdict.ACCEPTED, Verdict.REPEAT, Verdict.REPEAT]
    assert len(shelf.kept) == 1


def _wait_until_the_sender_knows() -> None:
    """Wait until no association of this process that it asked for is established."""
    end = time.monotonic() + PATIENCE_S
    while any(
        isinstance(thread, Association) and thread.is_requestor and thread.is_established
        for thread in threading.enumerate()
    ):
        assert time.monotonic() < end, "the abort never came"
        time.sleep(0.02)


def test_a_peer_that_never_answers_is_given_up(parcels):
    release = threading.Event()

    def store(event: evt.Event) -> int:
        release.wait(PATIENCE_S)
        return 0x0000

    with peer(store) as port:
        answers = deliver(parcels, destination(port, response_timeout_s=0.5))
        release.set()
    assert verdicts(answers) == [Verdict.UNKNOWN, Verdict.REPEAT, Verdict.REPEAT]
    assert "no answer came" in answers[0].words


def test_a_peer_that_answers_no_association_request_is_given_up(parcels):
    with raw_peer(lambda connection: time.sleep(PATIENCE_S)) as port:
        answers = deliver(parcels[:1], destination(port, connect_timeout_s=0.5))
    assert verdicts(answers) == [Verdict.REPEAT]


def test_a_peer_that_stops_reading_does_not_hold_the_sender(parcels, tmp_path):
    """The connection lives, its buffers are full, and not one more byte is taken."""
    large = pydicom.dcmread(parcels[0].path)
    large.decompress(generate_instance_uid=False)
    large.PixelData = large.PixelData * 100
    large.NumberOfFrames = 300
    path = tmp_path / "large.dcm"
    large.save_as(path)

    def behave(connection: socket.socket) -> None:
        accept_association(connection)
        time.sleep(PATIENCE_S)

    with raw_peer(behave) as port:
        parcel = Parcel(1, SegmentationStorage, path)
        (answer,) = deliver([parcel], destination(port, response_timeout_s=0.5))
    assert answer.verdict is Verdict.UNKNOWN


def test_a_peer_that_drops_the_connection_in_the_middle_of_an_object_leaves_it_unknown(parcels):
    def behave(connection: socket.socket) -> None:
        accept_association(connection)
        connection.recv(4096)
        connection.close()

    with raw_peer(behave) as port:
        answers = deliver(parcels[:2], destination(port))
    assert verdicts(answers) == [Verdict.UNKNOWN, Verdict.REPEAT]


def test_a_peer_that_talks_something_else_is_a_repeat(parcels):
    def behave(connection: socket.socket) -> None:
        connection.recv(16)
        connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        connection.close()

    with raw_peer(behave) as port:
        answers = deliver(parcels[:1], destination(port, connect_timeout_s=1))
    assert verdicts(answers) == [Verdict.REPEAT]


def damaged(tmp_path: Path, parcel: Parcel, kind: str) -> Parcel:
    path = tmp_path / f"{kind}.dcm"
    content = parcel.path.read_bytes()
    if kind == "noise":
        path.write_bytes(b"no DICOM" * 100)
    elif kind == "empty":
        path.write_bytes(b"")
    elif kind == "cut":
        path.write_bytes(content[: len(content) // 2])
    return Parcel(90, parcel.sop_class_uid, path)


@pytest.mark.parametrize("kind", ["gone", "noise", "empty", "cut"])
def test_a_damaged_file_is_refused_and_stops_no_other(parcels, tmp_path, kind):
    shelf = Shelf()
    bad = damaged(tmp_path, parcels[0], kind)
    with peer(shelf, (ExplicitVRLittleEndian,)) as port:
        answers = deliver([bad, *parcels[:2]], destination(port))
    assert verdicts(answers) == [Verdict.REFUSED, Verdict.ACCEPTED, Verdict.ACCEPTED]
    assert len(shelf.kept) == 2


def test_nothing_but_damaged_files_needs_no_association(tmp_path):
    gone = Parcel(1, SegmentationStorage, tmp_path / "gone.dcm")
    (answer,) = deliver([gone], destination(1))
    assert answer.verdict is Verdict.REFUSED
    assert "gone" in answer.words


def test_echo_says_what_came(tmp_path):
    with StandInPacs(tmp_path) as pacs:
        port = pacs.port
        there = echo(destination(port, ae_title=pacs.AE_TITLE), "NODE")
    assert (there.verdict, there.status) == (Verdict.ACCEPTED, 0)
    assert echo(destination(port), "NODE").verdict is Verdict.REPEAT
    with peer(Shelf()) as port:  # no Verification
        assert echo(destination(port), "NODE").verdict is Verdict.REPEAT
    with raw_peer(lambda connection: accept_association(connection) or time.sleep(9)) as port:
        silent = echo(destination(port, response_timeout_s=0.5), "NODE")
    assert silent.verdict is Verdict.UNKNOWN


def test_a_host_name_that_does_not_resolve_is_an_answer_to_repeat(tmp_path):
    nowhere = DicomDestination(name="n", ae_title="N", host="no-such-host.invalid", port=104)
    assert echo(nowhere, "NODE").verdict is Verdict.REPEAT
    assert "no-such-host.invalid:104 could not be reached" in echo(nowhere, "NODE").words
