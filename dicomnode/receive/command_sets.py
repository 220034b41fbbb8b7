"""Command sets of C-STORE, C-ECHO, N-ACTION and N-EVENT-REPORT, coded by hand.

PS3.7 6.3, 9.3.1, 9.3.5, 10.3.1 and 10.3.4.

pydicom takes longer to encode and decode these few elements than the disk takes to store a CT
slice.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

C_STORE_RQ = 0x0001
C_ECHO_RQ = 0x0030
N_EVENT_REPORT_RQ = 0x0100
N_ACTION_RQ = 0x0130
C_CANCEL_RQ = 0x0FFF
RESPONSE = 0x8000

SUCCESS = 0x0000
SOP_CLASS_NOT_SUPPORTED = 0x0122
UNRECOGNISED_OPERATION = 0x0211
OUT_OF_RESOURCES = 0xA700

_NO_DATA_SET = 0x0101
_PRIORITIES = {b"\0\0": "medium", b"\1\0": "high", b"\2\0": "low"}
_HEAD = struct.Struct("<HHL")
_UNSIGNED = struct.Struct("<H")


class InvalidCommandSet(ValueError):
    """Bytes that are not a command set of PS3.7."""


@dataclass(frozen=True)
class Request:
    """What a request's command set says.

    Attributes
    ----------
    command : int
        Command Field (0000,0100).
    message_id : int
    sop_class_uid, sop_instance_uid : str
        Affected UIDs, of N-ACTION the requested ones; empty where absent.
    has_data_set : bool
        Whether a data set follows.
    type_id : int or None
        Of the event (0000,1002) or the action (0000,1008).
    priority : str
        (0000,0700): "low", "medium" or "high"; empty where it is absent or none of these.
    """

    command: int
    message_id: int
    sop_class_uid: str
    sop_instance_uid: str
    has_data_set: bool
    type_id: int | None = None
    priority: str = ""


@dataclass(frozen=True)
class Response:
    """What a response's command set says.

    Attributes
    ----------
    command : int
        Command Field (0000,0100).
    message_id : int
        Of the request.
    status : int
    has_data_set : bool
        Whether a data set follows.
    """

    command: int
    message_id: int
    status: int
    has_data_set: bool


def decode(data: bytes) -> Request | Response:
    """Decode a command set, which is always Implicit VR Little Endian (PS3.7 6.3.1).

    Raises
    ------
    InvalidCommandSet
        It is cut off, or lacks a required element.
    """
    values = _values(data)
    command = _unsigned(values, 0x0100)
    has_data_set = _unsigned(values, 0x0800) != _NO_DATA_SET
    if command & RESPONSE:
        return Response(command, _unsigned(values, 0x0120), _unsigned(values, 0x0900), has_data_set)
    action = command == N_ACTION_RQ
    type_id = 0x1008 if action else 0x1002
    return Request(
        command=command,
        # C-CANCEL has no message ID of its own (PS3.7 9.3.2.3).
        message_id=0 if command == C_CANCEL_RQ else _unsigned(values, 0x0110),
        sop_class_uid=_uid(values, 0x0003 if action else 0x0002),
        sop_instance_uid=_uid(values, 0x1001 if action else 0x1000),
        has_data_set=has_data_set,
        type_id=_unsigned(values, type_id) if type_id in values else None,
        priority=_PRIORITIES.get(values.get(0x0700, b""), ""),
    )


def _values(data: bytes) -> dict[int, bytes]:
    values: dict[int, bytes] = {}
    at, end = 0, len(data)
    while at < end:
        if end - at < 8:
            raise InvalidCommandSet(f"{end - at} bytes left where an element should start")
        group, element, length = _HEAD.unpack_from(data, at)
        at += 8
        if group != 0:
            raise InvalidCommandSet(f"group {group:04X} in a command set")
        if length > end - at:
            raise InvalidCommandSet(f"(0000,{element:04X}) has {length} bytes, {end - at} are left")
        values[element] = data[at : at + length]
        at += length
    return values


def encode_event_report(
    sop_class_uid: str, sop_instance_uid: str, event_type_id: int, message_id: int
) -> bytes:
    """Encode an N-EVENT-REPORT-RQ that a data set follows (PS3.7 10.3.1.1)."""
    return _command_set(
        _element(0x0002, _padded_uid(sop_class_uid)),
        _element(0x0100, _UNSIGNED.pack(N_EVENT_REPORT_RQ)),
        _element(0x0110, _UNSIGNED.pack(message_id)),
        _element(0x0800, _UNSIGNED.pack(0x0001)),
        _element(0x1000, _padded_uid(sop_instance_uid)),
        _element(0x1002, _UNSIGNED.pack(event_type_id)),
    )


def encode_response(request: Request, status: int, comment: str = "") -> bytes:
    """Encode the response to `request`.

    Parameters
    ----------
    request : Request
    status : int
        PS3.7 Annex C, PS3.4 B.2.3.
    comment : str
        Error Comment (0000,0902), cut to the 64 characters of LO.
    """
    elements = []
    if request.sop_class_uid:
        elements.append(_element(0x0002, _padded_uid(request.sop_class_uid)))
    elements += [
        _element(0x0100, _UNSIGNED.pack(request.command | RESPONSE)),
        _element(0x0120, _UNSIGNED.pack(request.message_id)),
        _element(0x0800, _UNSIGNED.pack(_NO_DATA_SET)),
        _element(0x0900, _UNSIGNED.pack(status)),
    ]
    if comment:
        text = comment[:64].encode("ascii", "replace").replace(b"\\", b"/")
        elements.append(_element(0x0902, text + b" " * (len(text) % 2)))
    if request.sop_instance_uid:
        elements.append(_element(0x1000, _padded_uid(request.sop_instance_uid)))
    return _command_set(*elements)


def _command_set(*elements: bytes) -> bytes:
    body = b"".join(elements)
    return _element(0x0000, struct.pack("<L", len(body))) + body


def _element(element: int, value: bytes) -> bytes:
    return _HEAD.pack(0, element, len(value)) + value


def _padded_uid(uid: str) -> bytes:
    value = uid.encode("ascii", "replace")
    return value + b"\0" * (len(value) % 2)


def _unsigned(values: dict[int, bytes], element: int) -> int:
    value = values.get(element, b"")
    if len(value) != 2:
        raise InvalidCommandSet(f"(0000,{element:04X}) has {len(value)} bytes, expected 2")
    return _UNSIGNED.unpack(value)[0]


def _uid(values: dict[int, bytes], element: int) -> str:
    return values.get(element, b"").rstrip(b"\0 ").decode("ascii", "replace")[:64]
