"""What a source's DIMSE statuses mean (PS3.7 Annex C; PS3.4 C.4.1.1.4, C.4.2.1.5, C.4.3.1.4)."""

from __future__ import annotations

from pydicom.dataset import Dataset

from dicomnode.retrieve.source import Failed

PENDING = (0xFF00, 0xFF01)

_MEANINGS = {
    0x0110: "processing failure",
    0x0122: "SOP class not supported",
    0x0124: "not authorised",
    0x0211: "unrecognised operation",
    0xA700: "out of resources",
    0xA701: "out of resources: cannot count the matches",
    0xA702: "out of resources: cannot send",
    0xA801: "move destination unknown: this node is not among the source's AE titles",
    0xA900: "identifier does not match SOP class",
    0xB000: "some images could not be sent",
    0xFE00: "cancelled",
}

_FINAL = (0x0122, 0x0124, 0x0211, 0xA801, 0xA900)
"""What asking again cannot mend. 0xCxxx is not among them: some answer so whatever went wrong."""


def meaning_of(code: int) -> str:
    """Say a status in words."""
    return _MEANINGS.get(code, "unable to process" if 0xC000 <= code <= 0xCFFF else "failure")


def is_final(code: int) -> bool:
    """Whether asking again cannot mend a status."""
    return code in _FINAL


def failed_by(status: Dataset) -> Failed:
    """Put the last answer to a C-FIND, C-MOVE or C-GET that failed in the retriever's terms."""
    code = int(status.Status)
    words = f"0x{code:04X} {meaning_of(code)}"
    failed = status.get("NumberOfFailedSuboperations")
    if failed:
        words += f", {failed} failed"
    comment = str(status.get("ErrorComment", "") or "")
    if comment:
        words += f": {comment}"
    return Failed(words, code, final=is_final(code))
