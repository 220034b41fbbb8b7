"""A node listening on loopback, objects to send it, and a peer that can misbehave."""

from __future__ import annotations

import socket
import struct
import time
from dataclasses import replace
from pathlib import Path

from pydicom.dataset import Dataset
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_dataset
from pydicom.uid import generate_uid
from pynetdicom.pdu import A_ASSOCIATE_RQ
from pynetdicom.pdu_primitives import (
    A_ASSOCIATE,
    ImplementationClassUIDNotification,
    MaximumLengthNotification,
)
from pynetdicom.presentation import build_context

from dicomnode.receive.scp import StorageSCP
from dicomnode.receive.settings import ReceiverSettings
from dicomnode.store.files import FileStore

CT = "1.2.840.10008.5.1.4.1.1.2"
COMPREHENSIVE_SR = "1.2.840.10008.5.1.4.1.1.88.33"
VERIFICATION = "1.2.840.10008.1.1"
IMPLICIT = "1.2.840.10008.1.2"
EXPLICIT = "1.2.840.10008.1.2.1"


def ct(rows: int = 16, columns: int = 12, **changes: object) -> Dataset:
    """Return a CT slice of zeros; `changes` set attributes, None removes them."""
    data_set = Dataset()
    data_set.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    data_set.SOPClassUID = CT
    data_set.SOPInstanceUID = generate_uid()
    data_set.Modality = "CT"
    data_set.SeriesDescription = "Thorax 1.0"
    data_set.PatientName = "Nobody^Known"
    data_set.BodyPartExamined = "CHEST"
    data_set.SliceThickness = "1.25"
    data_set.StudyInstanceUID = generate_uid()
    data_set.SeriesInstanceUID = generate_uid()
    data_set.InstanceNumber = 7
    data_set.ImagePositionPatient = [-100.5, 20, 3.25]
    data_set.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    data_set.FrameOfReferenceUID = generate_uid()
    data_set.SamplesPerPixel = 1
    data_set.PhotometricInterpretation = "MONOCHROME2"
    data_set.Rows = rows
    data_set.Columns = columns
    data_set.PixelSpacing = [0.7, 0.8]
    data_set.BitsAllocated = 16
    data_set.BitsStored = 16
    data_set.HighBit = 15
    data_set.PixelRepresentation = 1
    data_set.PixelData = bytes(rows * columns * 2)
    for keyword, value in changes.items():
        if value is None:
            delattr(data_set, keyword)
        else:
            setattr(data_set, keyword, value)
    return data_set


def encode(data_set: Dataset, transfer_syntax: str = EXPLICIT) -> bytes:
    """Encode by pydicom."""
    file = DicomBytesIO()
    file.is_little_endian = True
    file.is_implicit_VR = transfer_syntax == IMPLICIT
    write_dataset(file, data_set)
    return file.getvalue()


def element(tag: int, value: bytes) -> bytes:
    """Encode one element in Implicit VR."""
    return struct.pack("<HHL", tag >> 16, tag & 0xFFFF, len(value)) + value


def store_request(sop_class: str, sop_instance: str, message_id: int = 1) -> bytes:
    """Encode the command set of a C-STORE-RQ."""

    def uid(text: str) -> bytes:
        return text.encode() + b"\0" * (len(text) % 2)

    body = (
        element(0x00000002, uid(sop_class))
        + element(0x00000100, b"\x01\0")
        + element(0x00000110, struct.pack("<H", message_id))
        + element(0x00000700, b"\0\0")
        + element(0x00000800, b"\0\0")
        + element(0x00001000, uid(sop_instance))
    )
    return element(0, struct.pack("<L", len(body))) + body


class Peer:
    """A requestor that sends exactly the bytes it is told to."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=20)
        self.contexts: dict[int, str] = {}

    def associate(
        self,
        *classes: str,
        syntaxes: tuple[str, ...] = (EXPLICIT,),
        calling: str = "PEER",
        called: str = "NODE",
    ) -> int:
        """Ask for an association with contexts 1, 3, ...; return the answer's PDU type."""
        request = A_ASSOCIATE()
        request.application_context_name = "1.2.840.10008.3.1.1.1"
        request.calling_ae_title = calling
        request.called_ae_title = called
        contexts = [build_context(uid, list(syntaxes)) for uid in classes or (CT,)]
        for number, context in enumerate(contexts):
            context.context_id = 2 * number + 1
        request.presentation_context_definition_list = contexts
        maximum = MaximumLengthNotification()
        maximum.maximum_length_received = 16384
        implementation = ImplementationClassUIDNotification()
        implementation.implementation_class_uid = "1.2.3"
        request.user_information = [maximum, implementation]
        self.request = A_ASSOCIATE_RQ(request).encode()
        self.socket.sendall(self.request)
        kind, self.answer = self.read_pdu()
        return kind

    def read_pdu(self) -> tuple[int, bytes]:
        """Return the next PDU's type and body; type 0 when the node closed."""
        try:
            head = self._read(6)
            kind, length = struct.unpack(">BxL", head)
            return kind, self._read(length)
        except (EOFError, ConnectionError):
            return 0, b""

    def _read(self, count: int) -> bytes:
        data = b""
        while len(data) < count:
            part = self.socket.recv(count - len(data))
            if not part:
                raise EOFError
            data += part
        return data

    def send_pdv(
        self, data: bytes, command: bool, last: bool = True, context: int = 1, size: int = 60000
    ) -> None:
        """Send `data` in P-DATA-TFs of at most `size` bytes."""
        parts = [data[at : at + size] for at in range(0, len(data), size)] or [b""]
        for number, part in enumerate(parts):
            control = int(command) | (2 if last and number == len(parts) - 1 else 0)
            self.socket.sendall(
                struct.pack(">BxLLBB", 4, len(part) + 6, len(part) + 2, context, control) + part
            )

    def store(self, data: bytes, sop_class: str, sop_instance: str, context: int = 1) -> int:
        """Send a C-STORE and return its status; -1 when the association ended."""
        self.send_pdv(store_request(sop_class, sop_instance), command=True, context=context)
        self.send_pdv(data, command=False, context=context)
        return self.read_status()

    def read_status(self) -> int:
        """Return the status of the next response; -1 when the association ended."""
        kind, body = self.read_pdu()
        if kind != 4:
            return -1
        self.response = {}
        at, data = 0, body[6:]
        while at < len(data):
            _, tag, length = struct.unpack_from("<HHL", data, at)
            self.response[tag] = data[at + 8 : at + 8 + length]
            at += 8 + length
        return struct.unpack("<H", self.response[0x0900])[0]

    def close(self) -> None:
        """Close without a word."""
        self.socket.close()


class MemoryIndex:
    """An index in memory that can be told to fail."""

    def __init__(self) -> None:
        self.received: dict[str, object] = {}
        self.added = 0
        self.fails: Exception | None = None

    def add(self, received) -> None:
        """Record."""
        if self.fails is not None:
            raise self.fails
        self.added += 1
        self.received[received.header.sop_instance_uid] = received

    def held(self, sop_instance_uid: str) -> Path | None:
        """Return the file."""
        received = self.received.get(sop_instance_uid)
        return received and received.path

    def put(self, received, instead_of: Path | None) -> bool:
        """Record, unless another file is recorded by now."""
        if self.held(received.header.sop_instance_uid) != instead_of:
            return False
        self.add(received)
        return True

    def paths(self) -> set[Path]:
        """Return all files."""
        return {received.path for received in self.received.values()}

    def paths_of_series(self, series_instance_uid: str) -> set[str]:
        """Return the files of a series."""
        return {
            str(received.path)
            for received in self.received.values()
            if received.header.series_instance_uid == series_instance_uid
        }


class Node:
    """A `StorageSCP` on a free port with its store and index."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.index = MemoryIndex()
        self.stored = []
        self.free_bytes = 2**40
        self.store = FileStore(root, reserve_bytes=1000, free_bytes=lambda _: self.free_bytes)
        self.settings = ReceiverSettings(
            host="127.0.0.1", port=0, ae_title="NODE", network_timeout_s=5.0
        )
        self.scp: StorageSCP | None = None
        self._peers: list[Peer] = []

    def start(self, **settings: object) -> Node:
        """Listen."""
        self.scp = StorageSCP(
            replace(self.settings, **settings), self.store, self.index, self.stored.append
        )
        self.scp.start()
        return self

    def peer(self) -> Peer:
        """Connect."""
        self._peers.append(Peer(self.scp.port))
        return self._peers[-1]

    def associated(self, *classes: str, **arguments: object) -> Peer:
        """Connect and associate."""
        peer = self.peer()
        assert peer.associate(*classes, **arguments) == 2
        return peer

    def files(self) -> list[Path]:
        """Return every file under the root, kept or not."""
        return sorted(path for path in self.root.rglob("*") if path.is_file())

    def wait_for(self, condition) -> None:
        """Wait until `condition()` holds."""
        end = time.monotonic() + 20
        while not condition():
            assert time.monotonic() < end, "waited in vain"
            time.sleep(0.005)

    def close(self) -> None:
        """Stop."""
        for peer in self._peers:
            peer.close()
        if self.scp is not None:
            self.scp.stop(grace_s=1.0)


def send(peer: Peer, data_set: Dataset, transfer_syntax: str = EXPLICIT) -> int:
    """Send a data set by C-STORE and return the status."""
    return peer.store(
        encode(data_set, transfer_syntax), data_set.SOPClassUID, data_set.SOPInstanceUID
    )
