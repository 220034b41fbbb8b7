"""Short names of transfer syntaxes, for tables that name many."""

from __future__ import annotations

from pydicom.uid import (
    UID,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    RLELossless,
)

_SHORT = {
    ExplicitVRLittleEndian: "Explicit LE",
    ImplicitVRLittleEndian: "Implicit LE",
    JPEGLSLossless: "JPEG-LS",
    JPEGLosslessSV1: "JPEG lossless SV1",
    JPEGLossless: "JPEG lossless",
    JPEG2000Lossless: "JPEG 2000 lossless",
    RLELossless: "RLE",
}


def short_name(uid: str) -> str:
    """Name of a transfer syntax as the tables have it."""
    return _SHORT.get(UID(uid), UID(uid).name)
