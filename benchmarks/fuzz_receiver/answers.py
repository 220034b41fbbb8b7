"""Whether what the receiver answered is well-formed, told by other code than its own."""

from __future__ import annotations

import struct

_BY_ACCEPTOR = {2: None, 3: 4, 4: None, 6: 4, 7: 4}
"""PDU types that an acceptor may send (PS3.8 9.3), with their lengths where these are fixed."""


class Malformed(AssertionError):
    """An answer that breaks PS3.8 or PS3.7."""


def check_answers(answers: bytes, longest: int) -> None:
    """Look at all that was answered on one association.

    Parameters
    ----------
    answers : bytes
    longest : int
        Bytes of a P-DATA-TF that the peer takes; 0 for any.

    Raises
    ------
    Malformed
    """
    at, ended = 0, False
    command = b""
    while at < len(answers):
        if ended:
            raise Malformed("something was sent after a rejection, a release or an abort")
        if len(answers) - at < 6:
            raise Malformed(f"{len(answers) - at} bytes where a PDU should start")
        kind, length = struct.unpack_from(">BxL", answers, at)
        body = answers[at + 6 : at + 6 + length]
        if kind not in _BY_ACCEPTOR or len(body) != length:
            raise Malformed(f"a PDU of type {kind} and {length} bytes, {len(body)} are there")
        if _BY_ACCEPTOR[kind] not in (None, length):
            raise Malformed(f"a PDU of type {kind} and {length} bytes")
        if kind == 4:
            if longest and length > longest:
                raise Malformed(f"a P-DATA-TF of {length} bytes, {longest} are taken")
            pdv, _, control = struct.unpack_from(">LBB", body)
            if pdv != length - 4:
                raise Malformed(f"a PDV of {pdv} bytes in a P-DATA-TF of {length}")
            if control & 1:
                command += body[6:]
                if control & 2:
                    _check_command(command)
                    command = b""
        ended = kind in (3, 6, 7)
        at += 6 + length


def _check_command(data: bytes) -> None:
    """A command set's elements ascend, and its group length is true (PS3.7 6.3.1)."""
    at, last = 0, -1
    values = {}
    while at < len(data):
        group, element, length = struct.unpack_from("<HHL", data, at)
        if group != 0 or element <= last or length % 2:
            raise Malformed(f"({group:04X},{element:04X}) of {length} bytes in a command set")
        values[element] = data[at + 8 : at + 8 + length]
        at, last = at + 8 + length, element
    if at != len(data) or struct.unpack("<L", values[0])[0] != len(data) - 12:
        raise Malformed("a command set whose group length is not its length")
    for element in (0x0002, 0x1000):
        if len(values.get(element, b"")) > 64:
            raise Malformed(f"a UID of {len(values[element])} bytes in an answer")
