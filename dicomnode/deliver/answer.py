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


class Contact(StrEnum):
    """What one attempt says of the destination, whatever it says of the object."""

    ANSWERED = "answered"
    """It is there and judges objects."""
    LOST = "lost"
    """There is no way to it, or it takes nothing now."""
    NONE = "none"
    """Nothing: the object did not leave the node, for a reason of the node's own."""


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
    contact : Contact
        Follows from the verdict unless given: a yes and a no come from a destination that is
        there, all else does not say so.
    """

    verdict: Verdict
    words: str
    status: int | None = None
    contact: Contact | None = None

    def __post_init__(self) -> None:
        if self.contact is None:
            final = self.verdict in (Verdict.ACCEPTED, Verdict.REFUSED)
            object.__setattr__(self, "contact", Contact.ANSWERED if final else Contact.LOST)


@dataclass(frozen=True)
class StatusMeaning:
    """What one C-STORE status, or a range of them, means.

    Attributes
    ----------
    first, last : int
        Both included.
    meaning : str
    verdict : Verdict
    source : str
        Where DICOM says so.
    """

    first: int
    last: int
    meaning: str
    verdict: Verdict
    source: str


_STORAGE = "PS3.4 B.2.3, Table B.2-1"
_GENERAL = "PS3.7 9.1.1.1.9 and Annex C"

STATUSES = (
    StatusMeaning(0x0000, 0x0000, "success", Verdict.ACCEPTED, _STORAGE),
    StatusMeaning(
        0x0001,
        0x0001,
        "warning: optional attributes not supported",
        Verdict.ACCEPTED,
        "PS3.7 Annex C; not one of C-STORE, and a warning all the same",
    ),
    StatusMeaning(0x0110, 0x0110, "processing failure", Verdict.REPEAT, _GENERAL),
    # The peer has this very instance.
    StatusMeaning(0x0111, 0x0111, "duplicate SOP instance", Verdict.ACCEPTED, _GENERAL),
    StatusMeaning(0x0117, 0x0117, "invalid object instance", Verdict.REFUSED, _GENERAL),
    StatusMeaning(0x0122, 0x0122, "SOP class not supported", Verdict.REFUSED, _GENERAL),
    StatusMeaning(0x0124, 0x0124, "not authorised", Verdict.REFUSED, _GENERAL),
    # Of the message and not of the object: the next association counts messages anew.
    StatusMeaning(0x0210, 0x0210, "duplicate invocation", Verdict.REPEAT, _GENERAL),
    StatusMeaning(0x0211, 0x0211, "unrecognised operation", Verdict.REFUSED, _GENERAL),
    StatusMeaning(0x0212, 0x0212, "mistyped argument", Verdict.REFUSED, _GENERAL),
    StatusMeaning(0x0213, 0x0213, "resource limitation", Verdict.REPEAT, _GENERAL),
    StatusMeaning(0xA700, 0xA7FF, "out of resources", Verdict.REPEAT, _STORAGE),
    StatusMeaning(0xA900, 0xA9FF, "data set does not match SOP class", Verdict.REFUSED, _STORAGE),
    StatusMeaning(0xB000, 0xB000, "warning: coercion of data elements", Verdict.ACCEPTED, _STORAGE),
    StatusMeaning(0xB006, 0xB006, "warning: elements discarded", Verdict.ACCEPTED, _STORAGE),
    StatusMeaning(
        0xB007, 0xB007, "warning: data set does not match SOP class", Verdict.ACCEPTED, _STORAGE
    ),
    StatusMeaning(0xB000, 0xBFFF, "warning", Verdict.ACCEPTED, "PS3.7 Annex C, Bxxx"),
    StatusMeaning(0xC000, 0xCFFF, "cannot understand", Verdict.REFUSED, _STORAGE),
)
"""What each status of C-STORE means; the first that fits counts."""

_OTHER = StatusMeaning(0x0000, 0xFFFF, "failure", Verdict.REFUSED, "PS3.7 Annex C")
"""A failure that no paragraph names: nothing says that a repeat would mend it."""


def meaning_of(status: int) -> StatusMeaning:
    """What a C-STORE status means."""
    return next((one for one in STATUSES if one.first <= status <= one.last), _OTHER)


def status_word(status: int | None, words: str | None) -> str:
    """One word for a status of C-STORE or HTTP, without the peer's words.

    Parameters
    ----------
    status : int or None
    words : str or None
        What came with it: those of HTTP begin with "HTTP ".

    Returns
    -------
    str
        Such as "0xA700", "http-415", or "none".
    """
    if status is None:
        return "none"
    return f"http-{status}" if (words or "").startswith("HTTP ") else f"0x{status:04X}"


def judge(status: int, comment: str) -> Answer:
    """Judge a C-STORE status (PS3.4 Table B.2-1 and PS3.7 Annex C).

    Parameters
    ----------
    status : int
    comment : str
        The peer's Error Comment (0000,0902), empty where it sent none.
    """
    found = meaning_of(status)
    words = f"0x{status:04X} {found.meaning}"
    if comment:
        words += f": {comment}"
    return Answer(found.verdict, words, status)
