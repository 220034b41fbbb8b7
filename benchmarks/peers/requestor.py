"""A requestor that costs next to nothing, so that what is measured is who answers."""

from __future__ import annotations

import socket
import struct
from collections.abc import Sequence
from functools import cache
from typing import Self

from pynetdicom.pdu import A_ASSOCIATE_RQ
from pynetdicom.pdu_primitives import (
    A_ASSOCIATE,
    ImplementationClassUIDNotification,
    MaximumLengthNotification,
)
from pynetdicom.presentation import build_context

EXPLICIT_VR_LE = "1.2.840.10008.1.2.1"

_RELEASE_RQ = b"\x05\0\0\0\0\x04\0\0\0\0"
_HEAD = struct.Struct(">BxL")
_ACCEPTED, _DATA, _RELEASED = 2, 4, 6
_MAX_PDU = 65536
_PATIENCE_S = 30.0


class Broken(OSError):
    """The association was not made, or ended; what was sent last may have arrived."""


@cache
def request_bytes(
    called: str, calling: str, classes: Sequence[str], syntaxes: Sequence[str]
) -> bytes:
    """A-ASSOCIATE-RQ (PS3.8 9.3.2) with one context for each SOP class, numbered from 1 in twos."""
    request = A_ASSOCIATE()
    request.application_context_name = "1.2.840.10008.3.1.1.1"
    request.calling_ae_title, request.called_ae_title = calling, called
    contexts = [build_context(uid, list(syntaxes)) for uid in classes]
    for number, context in enumerate(contexts):
        context.context_id = 2 * number + 1
    request.presentation_context_definition_list = contexts
    maximum = MaximumLengthNotification()
    maximum.maximum_length_received = _MAX_PDU
    implementation = ImplementationClassUIDNotification()
    implementation.implementation_class_uid = "1.2.3"
    request.user_information = [maximum, implementation]
    return A_ASSOCIATE_RQ(request).encode()


class Requestor:
    """One association on loopback; opened when made.

    Parameters
    ----------
    port : int
    called, calling : str
    classes : tuple of str
        SOP classes, each proposed with `syntaxes`.
    syntaxes : tuple of str

    Raises
    ------
    OSError
        Nobody listens, or the association is turned away (`Broken`).
    """

    def __init__(
        self,
        port: int,
        called: str,
        calling: str,
        classes: tuple[str, ...],
        syntaxes: tuple[str, ...] = (EXPLICIT_VR_LE,),
    ) -> None:
        self._contexts = {uid: 2 * number + 1 for number, uid in enumerate(classes)}
        self._messages = 0
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=_PATIENCE_S)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            self._socket.sendall(request_bytes(called, calling, classes, syntaxes))
            kind, content = self._read()
            if kind != _ACCEPTED:
                raise Broken(f"no association: PDU type {kind}, {content[:4].hex()}")
        except BaseException:
            self._socket.close()
            raise

    def store(self, sop_class: str, sop_instance: str, data_set: bytes) -> int:
        """Send one object by C-STORE (PS3.7 9.3.1); give the status of the answer.

        Raises
        ------
        OSError
            The association ended.
        """
        self._messages = self._messages % 65535 + 1
        command = _command(self._messages, sop_class, sop_instance)
        context = self._contexts[sop_class]
        parts = [_pdv(context, 3, command)]
        step = _MAX_PDU - 12
        for start in range(0, len(data_set), step):
            last = start + step >= len(data_set)
            parts.append(_pdv(context, 2 if last else 0, data_set[start : start + step]))
        self._socket.sendall(b"".join(parts))
        kind, content = self._read()
        if kind != _DATA:
            raise Broken(f"the association ended: PDU type {kind}")
        return _status(content[6:])

    def release(self) -> None:
        """End in order (PS3.8 9.3.6)."""
        try:
            self._socket.sendall(_RELEASE_RQ)
            kind, _ = self._read()
            if kind != _RELEASED:
                raise Broken(f"no release: PDU type {kind}")
        finally:
            self._socket.close()

    def close(self) -> None:
        """End without a word."""
        self._socket.close()

    def __enter__(self) -> Self:
        """Be there."""
        return self

    def __exit__(self, *exception: object) -> None:
        """End without a word, where it was not released."""
        self.close()

    def _read(self) -> tuple[int, bytes]:
        kind, length = _HEAD.unpack(self._exactly(6))
        return kind, self._exactly(length)

    def _exactly(self, count: int) -> bytes:
        read = bytearray()
        while len(read) < count:
            more = self._socket.recv(count - len(read))
            if not more:
                raise Broken("the peer closed the connection")
            read += more
        return bytes(read)


def _pdv(context: int, control: int, content: bytes) -> bytes:
    return (
        struct.pack(">BxLLBB", _DATA, len(content) + 6, len(content) + 2, context, control)
        + content
    )


def _command(message_id: int, sop_class: str, sop_instance: str) -> bytes:
    elements = [
        (0x0002, _uid(sop_class)),
        (0x0100, struct.pack("<H", 1)),
        (0x0110, struct.pack("<H", message_id)),
        (0x0700, struct.pack("<H", 0)),
        (0x0800, struct.pack("<H", 1)),
        (0x1000, _uid(sop_instance)),
    ]
    body = b"".join(struct.pack("<HHL", 0, tag, len(value)) + value for tag, value in elements)
    return struct.pack("<HHLL", 0, 0, 4, len(body)) + body


def _uid(uid: str) -> bytes:
    return uid.encode() + b"\0" * (len(uid) % 2)


def _status(command: bytes) -> int:
    at = 0
    while at + 8 <= len(command):
        _, tag, length = struct.unpack_from("<HHL", command, at)
        if tag == 0x0900:
            return struct.unpack_from("<H", command, at + 8)[0]
        at += 8 + length
    raise Broken("the answer has no status")
