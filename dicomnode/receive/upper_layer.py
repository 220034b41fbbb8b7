"""The DICOM upper layer (PS3.8) on one accepted connection, as the acceptor.

Associations are negotiated with pynetdicom (`negotiation.py`). The connection itself is read by one
blocking thread: pynetdicom's two polling threads for each association cost most of the time of a
transfer, and cost time when nothing happens; they also read whatever length a PDU announces.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
import struct
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from pynetdicom.pdu import A_ASSOCIATE_RJ
from pynetdicom.pdu_primitives import A_ASSOCIATE

from dicomnode.receive.negotiation import (
    APPLICATION_CONTEXT,
    FIXED_FIELDS,
    AssociateRequest,
    Context,
    InvalidProposal,
    Negotiator,
    accept_pdu,
)

# PS3.8 9.3: PDU types
_ASSOCIATE_RQ, _DATA_TF, _RELEASE_RQ, _ABORT = 0x01, 0x04, 0x05, 0x07
_RELEASE_RP_PDU = b"\x06\0\0\0\0\x04\0\0\0\0"

# PS3.8 Table 9-26: why the service provider aborts
UNRECOGNISED_PDU, UNEXPECTED_PDU, INVALID_PARAMETER, NOT_SPECIFIED = 1, 2, 6, 0

# 128 presentation contexts with 30 transfer syntaxes each are less than this.
_MAX_ASSOCIATE_PDU = 2**19

_PDU_HEAD = struct.Struct(">BxL")
_PDV_HEAD = struct.Struct(">LBB")
_TIMEVAL = struct.Struct("ll")


class ConnectionEnded(Exception):
    """The peer closed or aborted; there is nobody left to answer."""


class ProtocolError(Exception):
    """The peer broke PS3.8 or stalled; the connection is to be aborted.

    Attributes
    ----------
    reason : int
        PS3.8 Table 9-26.
    """

    def __init__(self, reason: int, message: str) -> None:
        super().__init__(message)
        self.reason = reason


@dataclass(frozen=True)
class Rejection:
    """A-ASSOCIATE-RJ: result, source and diagnostic of PS3.8 Table 9-21."""

    result: int
    source: int
    diagnostic: int


APPLICATION_CONTEXT_NOT_SUPPORTED = Rejection(1, 1, 2)
CALLING_AE_NOT_RECOGNISED = Rejection(1, 1, 3)
CALLED_AE_NOT_RECOGNISED = Rejection(1, 1, 7)
PROTOCOL_VERSION_NOT_SUPPORTED = Rejection(1, 2, 2)
TEMPORARY_CONGESTION = Rejection(2, 3, 1)
LOCAL_LIMIT_EXCEEDED = Rejection(2, 3, 2)


class Fragment(NamedTuple):
    """One PDV (PS3.8 9.3.5.1, Annex E); `data` is valid until the next PDU is read."""

    context_id: int
    is_command: bool
    is_last: bool
    data: memoryview


class AcceptorConnection:
    """One connection, from TCP accept to close.

    Parameters
    ----------
    connection : socket.socket
        Accepted and blocking; or an SSL socket after its handshake.
    max_pdu : int
        Longest P-DATA-TF that the peer may send, told to it in the negotiation.
    timeout_s : float
        How long the peer may be silent, and how long one PDU may take to arrive.
    """

    def __init__(self, connection: socket.socket, max_pdu: int, timeout_s: float) -> None:
        self._socket = connection
        self._max_pdu = max_pdu
        self._timeout_s = timeout_s
        self._head = memoryview(bytearray(6))
        # Made once an association is accepted: a bare connection costs no memory.
        self._buffer = memoryview(b"")
        self._peer_max_pdu = 0
        self._secured = isinstance(connection, ssl.SSLSocket)
        # TLS takes no flags, and gives a record (16 kB) a call.
        self._flags = 0 if self._secured else socket.MSG_WAITALL
        timeout = _TIMEVAL.pack(int(timeout_s), int(timeout_s % 1 * 1e6))
        try:
            if self._secured:
                # Python repeats what the kernel gave up, unless the time-out is Python's own.
                connection.settimeout(timeout_s)
            else:
                # A kernel time-out instead of settimeout(): the socket stays blocking, so that
                # MSG_WAITALL fetches a whole PDU in one call.
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, timeout)
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, timeout)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            # Each answer is one small packet that the sender waits for.
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except OSError as error:
            raise ConnectionEnded(f"connection lost ({type(error).__name__})") from error

    # -- association establishment

    def read_associate_request(self, negotiator: Negotiator) -> AssociateRequest:
        """Read the A-ASSOCIATE-RQ.

        Raises
        ------
        ProtocolError, ConnectionEnded
        """
        kind, length, deadline = self._read_head()
        if kind != _ASSOCIATE_RQ:
            raise ProtocolError(UNEXPECTED_PDU, f"PDU type 0x{kind:02X} before an association")
        if not FIXED_FIELDS <= length <= _MAX_ASSOCIATE_PDU:
            raise ProtocolError(INVALID_PARAMETER, f"A-ASSOCIATE-RQ of {length} bytes")
        body = memoryview(bytearray(length))
        self._receive(body, deadline)
        try:
            request = negotiator.read(bytes(body))
        except InvalidProposal as error:
            raise ProtocolError(INVALID_PARAMETER, str(error)) from error
        self._peer_max_pdu = request.proposal.max_pdu
        if not request.protocol_version & 1:
            self.reject(PROTOCOL_VERSION_NOT_SUPPORTED)
            raise ConnectionEnded("protocol version not supported")
        if request.proposal.application_context != APPLICATION_CONTEXT:
            self.reject(APPLICATION_CONTEXT_NOT_SUPPORTED)
            raise ConnectionEnded("application context not supported")
        return request

    def reject(self, rejection: Rejection) -> None:
        """Send A-ASSOCIATE-RJ and give the peer time to close (PS3.8 9.2.3, Sta13)."""
        answer = A_ASSOCIATE()
        answer.result = rejection.result
        answer.result_source = rejection.source
        answer.diagnostic = rejection.diagnostic
        self._send(A_ASSOCIATE_RJ(answer).encode())
        self._await_close()

    def accept(
        self, request: AssociateRequest, negotiator: Negotiator, max_pdu: int | None = None
    ) -> Mapping[int, Context]:
        """Negotiate presentation contexts and send A-ASSOCIATE-AC.

        Parameters
        ----------
        request : AssociateRequest
        negotiator : Negotiator
        max_pdu : int, optional
            Longest P-DATA-TF that this peer may send, where it is another than for all.

        Returns
        -------
        mapping
            Accepted contexts by their id.
        """
        if max_pdu is not None:
            self._max_pdu = max_pdu
        agreement = negotiator.agree(request)
        self._buffer = memoryview(bytearray(self._max_pdu))
        self._send(accept_pdu(request, agreement, self._max_pdu))
        return agreement.contexts

    # -- data transfer

    def fragments(self) -> Iterator[Fragment]:
        """Yield PDVs until the peer releases the association, which is answered.

        Raises
        ------
        ProtocolError, ConnectionEnded
        """
        buffer = self._buffer
        while True:
            kind, length, deadline = self._read_head()
            if kind == _DATA_TF:
                # PS3.8 D.1: the peer was told this limit.
                if not 6 <= length <= self._max_pdu:
                    raise ProtocolError(
                        INVALID_PARAMETER,
                        f"P-DATA-TF of {length} bytes, at most {self._max_pdu} were agreed",
                    )
                pdu = buffer[:length]
                self._receive(pdu, deadline)
                pdv, context_id, control = _PDV_HEAD.unpack_from(pdu)
                if pdv == length - 4:  # one PDV, as nearly always
                    yield Fragment(context_id, bool(control & 1), bool(control & 2), pdu[6:])
                else:
                    yield from _fragments_of(pdu)
            elif kind == _RELEASE_RQ and length == 4:
                self._receive(buffer[:4], deadline)
                return
            elif kind == _ABORT:
                raise ConnectionEnded("aborted by the peer")
            elif 1 <= kind <= 7:
                raise ProtocolError(UNEXPECTED_PDU, f"PDU type 0x{kind:02X} in an association")
            else:
                raise ProtocolError(UNRECOGNISED_PDU, f"PDU type 0x{kind:02X}")

    def confirm_release(self) -> None:
        """Answer the release and give the peer time to close."""
        self._send(_RELEASE_RP_PDU)
        self._await_close()

    def send_command(self, context_id: int, command_set: bytes) -> None:
        """Send a command set in as many P-DATA-TF as the peer's limit asks for.

        Raises
        ------
        ConnectionEnded
        """
        self._send(b"".join(self._pdus(context_id, command_set, is_command=True)))

    def send_message(self, context_id: int, command_set: bytes, data_set: bytes) -> None:
        """Send a command set and the data set that belongs to it.

        Raises
        ------
        ConnectionEnded
        """
        pdus = self._pdus(context_id, command_set, is_command=True)
        pdus += self._pdus(context_id, data_set, is_command=False)
        self._send(b"".join(pdus))

    def _pdus(self, context_id: int, data: bytes, is_command: bool) -> list[bytes]:
        room = self._peer_max_pdu - 6 if self._peer_max_pdu > 6 else len(data)
        pdus = []
        for at in range(0, len(data), room):
            part = data[at : at + room]
            control = int(is_command) | (2 if at + room >= len(data) else 0)
            pdus.append(_PDU_HEAD.pack(_DATA_TF, len(part) + 6))
            pdus.append(_PDV_HEAD.pack(len(part) + 2, context_id, control))
            pdus.append(part)
        return pdus

    def abort(self, reason: int) -> None:
        """Send A-ABORT as the service provider; the peer may be gone already."""
        pdu = b"\x07\0\0\0\0\x04\0\0\x02" + bytes([reason])
        # Must not wait for a peer that does not read.
        with contextlib.suppress(OSError, ValueError):  # ValueError: TLS has ended
            if self._secured:
                self._socket.setblocking(False)
                self._socket.send(pdu)
            else:
                self._socket.send(pdu, socket.MSG_DONTWAIT)

    # -- bytes

    def _read_head(self) -> tuple[int, int, float]:
        """Read a PDU's type and length; also by when the rest must have arrived."""
        head = self._head
        # An idle peer may be silent for the whole time-out, and then has as long again.
        self._receive(head, time.monotonic() + 2 * self._timeout_s)
        kind, length = _PDU_HEAD.unpack(head)
        return kind, length, time.monotonic() + self._timeout_s

    def _receive(self, into: memoryview, deadline: float) -> None:
        """Fill `into`.

        A peer that sends a byte now and then would never meet the kernel's time-out; the deadline
        for the whole PDU ends that.
        """
        left = into
        while left:
            try:
                count = self._socket.recv_into(left, 0, self._flags)
            except (BlockingIOError, TimeoutError):
                raise ProtocolError(
                    NOT_SPECIFIED, f"nothing received for {self._timeout_s:g} s"
                ) from None
            except OSError as error:
                raise ConnectionEnded(f"connection lost ({type(error).__name__})") from error
            if count == len(left):
                return
            if count == 0:
                raise ConnectionEnded("closed by the peer without release")
            left = left[count:]
            if time.monotonic() > deadline:
                raise ProtocolError(NOT_SPECIFIED, f"a PDU took longer than {self._timeout_s:g} s")

    def _send(self, data: bytes) -> None:
        try:
            self._socket.sendall(data)
        except OSError as error:
            raise ConnectionEnded(f"cannot send ({type(error).__name__})") from error

    def _await_close(self) -> None:
        # The requestor closes after a release or a rejection (PS3.8 9.2.3, Sta13 and ARTIM).
        with contextlib.suppress(OSError, ValueError):
            if self._secured:
                # By close_notify, which tells the peer that nothing was cut off.
                self._socket.settimeout(2)
                self._socket.unwrap()
                return
            self._socket.shutdown(socket.SHUT_WR)
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, _TIMEVAL.pack(2, 0))
            self._socket.recv(1024)


def _fragments_of(pdu: memoryview) -> Iterator[Fragment]:
    at, end = 0, len(pdu)
    while at < end:
        if end - at < 6:
            raise ProtocolError(INVALID_PARAMETER, f"{end - at} bytes where a PDV should start")
        length, context_id, control = _PDV_HEAD.unpack_from(pdu, at)
        if not 2 <= length <= end - at - 4:
            raise ProtocolError(
                INVALID_PARAMETER, f"a PDV of {length} bytes, {end - at - 4} are left"
            )
        data = pdu[at + 6 : at + 4 + length]
        yield Fragment(context_id, bool(control & 1), bool(control & 2), data)
        at += 4 + length
