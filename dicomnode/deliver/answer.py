"""What a peer's answer to a C-STORE means for the delivery."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Verdict(StrEnum):
    """What follows from one attempt."""

    ACCEPTED = "accepted"
    """Success, or a warning under which the object is stored."""
    REFUSED = "refused"
    """A failure that a repeat cannot mend."""
    REPEAT = "repeat"
    """A failure that may pass; the peer does not have the object."""
    UNKNOWN = "unknown"
    """No answer came; the peer may have the object. Repeat: the UID makes it harmless."""


@dataclass(frozen=True)
class Answer:
    """The outcome of one attempt.

    Attributes
    ----------
    verdict : Verdict
    words : str
        The peer's or the network's own.
    status : int or None
        The C-STORE status, where one came.
    """

    verdict: Verdict
    words: str
    status: int | None = None


_MEANINGS = {
    0x0000: "success",
    0x0001: "warning: optional attributes not supported",
    0x0110: "processing failure",
    0x0111: "duplicate SOP instance",
    0x0117: "invalid object instance",
    0x0122: "SOP class not supported",
    0x0124: "not authorised",
    0x0213: "resource limitation",
    0xB000: "warning: coercion of data elements",
    0xB006: "warning: elements discarded",
    0xB007: "warning: data set does not match SOP class",
}


def judge(status: int, comment: str) -> Answer:
    """Judge a C-STORE status (PS3.4 table B.2-1 and PS3.7 annex C).

    Parameters
    ----------
    status : int
    comment : str
        The peer's Error Comment (0000,0902), empty where it sent none.
    """
    words = f"0x{status:04X} {_meaning(status)}"
    if comment:
        words += f": {comment}"
    return Answer(_verdict(status), words, status)


def _verdict(status: int) -> Verdict:
    if status in (0x0000, 0x0001) or 0xB000 <= status <= 0xBFFF:
        return Verdict.ACCEPTED
    if status == 0x0111:  # the peer has this very instance
        return Verdict.ACCEPTED
    if 0xA700 <= status <= 0xA7FF or status in (0x0110, 0x0213):
        return Verdict.REPEAT
    return Verdict.REFUSED


def _meaning(status: int) -> str:
    if status in _MEANINGS:
        return _MEANINGS[status]
    if 0xA700 <= status <= 0xA7FF:
        return "out of resources"
    if 0xB000 <= status <= 0xBFFF:
        return "warning"
    if 0xA900 <= status <= 0xA9FF:
        return "data set does not match SOP class"
    if 0xC000 <= status <= 0xCFFF:
        return "cannot understand"
    return "failure"
