"""The head of a Part 10 file (PS3.10 7.1), coded by hand around a data set kept as received."""

from __future__ import annotations

import struct
from functools import lru_cache

from dicomnode.version import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME

_SHORT = struct.Struct("<HH2sH")


def file_head(
    sop_class_uid: str,
    sop_instance_uid: str,
    transfer_syntax_uid: str,
    calling_ae: str,
    called_ae: str,
) -> bytes:
    """Return preamble, prefix and file meta information.

    Parameters
    ----------
    sop_class_uid, sop_instance_uid : str
        Of the data set that follows.
    transfer_syntax_uid : str
        The one it was received in.
    calling_ae, called_ae : str
        Titles of the association, kept as (0002,0016) and (0002,0018).
    """
    before, after = _constant_parts(sop_class_uid, transfer_syntax_uid, calling_ae, called_ae)
    body = before + _uid(0x0003, sop_instance_uid) + after
    return bytes(128) + b"DICM" + _element(0x0000, b"UL", struct.pack("<L", len(body))) + body


@lru_cache(maxsize=256)
def _constant_parts(
    sop_class_uid: str, transfer_syntax_uid: str, calling_ae: str, called_ae: str
) -> tuple[bytes, bytes]:
    before = (
        # OB has a length of four bytes (PS3.5 7.1.2)
        struct.pack("<HH2sxxL2s", 0x0002, 0x0001, b"OB", 2, b"\0\1") + _uid(0x0002, sop_class_uid)
    )
    after = (
        _uid(0x0010, transfer_syntax_uid)
        + _uid(0x0012, IMPLEMENTATION_CLASS_UID)
        + _text(0x0013, b"SH", IMPLEMENTATION_VERSION_NAME)
        + _text(0x0016, b"AE", calling_ae)
        + _text(0x0018, b"AE", called_ae)
    )
    return before, after


def _element(element: int, vr: bytes, value: bytes) -> bytes:
    return _SHORT.pack(0x0002, element, vr, len(value)) + value


def _uid(element: int, uid: str) -> bytes:
    value = uid.encode("ascii", "replace")
    return _element(element, b"UI", value + b"\0" * (len(value) % 2))


def _text(element: int, vr: bytes, text: str) -> bytes:
    value = text.encode("ascii", "replace")
    return _element(element, vr, value + b" " * (len(value) % 2))
