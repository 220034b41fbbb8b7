"""A share of the cases over real sockets, against a receiver that listens."""

from __future__ import annotations

import socket
import struct
import time
from pathlib import Path

from pydicom.dataset import Dataset

from benchmarks.fuzz_receiver.answers import Malformed, check_answers
from benchmarks.fuzz_receiver.case import Damaged, Errors, Fault, Material, Verdict
from benchmarks.fuzz_receiver.damage import pdus
from benchmarks.fuzz_receiver.whole import CALLED, RELEASE
from dicomnode.commit.information import InvalidInformation, read_outcome
from dicomnode.commit.provider import CommitmentProvider
from dicomnode.receive.commitment import INVALID_ARGUMENT
from dicomnode.receive.intake import Refused
from dicomnode.receive.scp import StorageSCP
from dicomnode.receive.settings import ReceiverSettings
from dicomnode.receive.sop_classes import CT_CLASSES
from dicomnode.settings import NodeSettings
from dicomnode.store.database import Database
from dicomnode.store.files import FileStore
from dicomnode.store.instances import InstanceIndex
from dicomnode.timing import CallScheduler

_PATIENCE_S = 10.0


class ListeningReceiver:
    """The receiving half of a node on loopback: files, index and storage commitment.

    Parameters
    ----------
    root : Path
        Gets a store.
    errors : Errors
        Hears what the node logs.
    """

    def __init__(self, root: Path, errors: Errors) -> None:
        self._errors = errors
        self._store = FileStore(root, 0)
        self._database = Database(f"sqlite:///{root / 'node.sqlite'}")
        self._database.upgrade()
        settings = NodeSettings(store={"path": root, "reserve_mb": 0})
        provider = CommitmentProvider(self._database, CallScheduler(), settings, _take_report)
        self.scp = StorageSCP(
            ReceiverSettings(
                host="127.0.0.1",
                port=0,
                ae_title=CALLED,
                require_called_aet=False,
                network_timeout_s=5.0,
                max_object_bytes=2**20,
            ),
            self._store,
            InstanceIndex(self._database, CT_CLASSES),
            None,
            provider,
        )

    def __enter__(self) -> ListeningReceiver:
        self.scp.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self.scp.stop(grace_s=2.0)
        self._database.close()

    def judge(self, number: int, damaged: Damaged, greeting: bytes) -> Verdict | Fault:
        """Send a case and read until the receiver closes."""
        content = damaged.content
        if damaged.kind != "association":
            content = greeting + content
        # Each peer has an address of its own, for there are only so many ports on one.
        source = f"127.{1 + number // 60000 % 250}.{1 + number // 250 % 240}.{2 + number % 250}"
        try:
            with socket.create_connection(
                ("127.0.0.1", self.scp.port), _PATIENCE_S, (source, 0)
            ) as peer:
                answers = _converse(peer, content)
        except TimeoutError:
            return Fault(number, damaged.kind, Verdict.HANG, f"silent for {_PATIENCE_S:g} s")
        try:
            check_answers(answers, 0)
        except Malformed as error:
            return Fault(number, damaged.kind, Verdict.MALFORMED, str(error))
        if logged := self._errors.take():
            return Fault(number, damaged.kind, Verdict.CRASH, "; ".join(logged))
        return Verdict.TAKEN if answers[-10:-9] == b"\x06" else Verdict.REFUSED

    def settled(self) -> list[str]:
        """What is left when nobody is connected any more: associations, files, a deaf receiver."""
        end = time.monotonic() + _PATIENCE_S
        while self.scp.associations and time.monotonic() < end:
            time.sleep(0.01)
        left = [f"{self.scp.associations} associations"] if self.scp.associations else []
        left += sorted(path.name for path in self._store.incoming.iterdir())
        return left if self._answers_an_echo() else [*left, "C-ECHO was not answered"]

    def _answers_an_echo(self) -> bool:
        material = Material(0)
        content = material.requests[0] + b"".join(pdus(material.messages[0], 16000)) + RELEASE
        with socket.create_connection(("127.0.0.1", self.scp.port), _PATIENCE_S) as peer:
            answers = _converse(peer, content)
        success = struct.pack("<HHLH", 0, 0x0900, 2, 0)
        return success in answers and answers[-10:-9] == b"\x06"


def _converse(peer: socket.socket, content: bytes) -> bytes:
    """Send all that the receiver takes, then read to the end."""
    answers = bytearray()
    try:
        peer.sendall(content)
        peer.shutdown(socket.SHUT_WR)
        while part := peer.recv(65536):
            answers += part
    except TimeoutError:
        raise
    except OSError:
        # The receiver has closed while more was on its way; what it said before may be lost.
        return b""
    return bytes(answers)


def _take_report(calling_ae: str, event_type: int | None, information: Dataset) -> None:
    try:
        read_outcome(information)
    except InvalidInformation as error:
        raise Refused(INVALID_ARGUMENT, str(error)) from None
