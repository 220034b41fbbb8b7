"""The newest records of the journal, as people read them."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

from dicomnode.audit import codes
from dicomnode.audit.files import lines, segments
from dicomnode.audit.record import BadRecord, Record, decode

_OUTCOMES = {"0": "success", "4": "minor failure", "8": "serious failure"}


@dataclass(frozen=True)
class Told:
    """One message.

    Attributes
    ----------
    number : int
        Of the record.
    at : float
        In seconds since 1970.
    event : str
        What happened, as PS3.15 names it.
    outcome : str
    who : tuple of str
        Who took part, beside the node itself, with addresses.
    subjects : tuple of str
        Study Instance UIDs.
    words : str
        More, in the node's own words.
    """

    number: int
    at: float
    event: str
    outcome: str
    who: tuple[str, ...]
    subjects: tuple[str, ...]
    words: str


def newest_records(folder: Path, most: int, study: str = "", since: float = 0.0) -> list[Record]:
    """Give the newest records, the oldest of them first; what is broken is left out.

    Parameters
    ----------
    folder : Path
        The journal.
    most : int
    study : str
        Only those that name this Study Instance UID.
    since : float
        Only those of this moment, in seconds since 1970, and later.

    Raises
    ------
    OSError
    """
    found: list[Record] = []
    for segment in reversed(segments(folder)):
        here = [
            record
            for record in _whole(segment)
            if record.at >= since and (not study or f'ParticipantObjectID="{study}"' in record.xml)
        ]
        found = [*here, *found][-most:]
        if len(found) == most or _begins_before(segment, since):
            break
    return found


def told(record: Record) -> Told:
    """Read a record's message."""
    try:
        document = ElementTree.fromstring(record.xml)
    except ElementTree.ParseError:
        return Told(record.number, record.at, "no XML", "failure", (), (), "")
    event = document.find("EventIdentification")
    codes = [] if event is None else [*event.iterfind("EventID"), *event.iterfind("EventTypeCode")]
    outcome = "" if event is None else event.get("EventOutcomeIndicator", "")
    return Told(
        record.number,
        record.at,
        ", ".join(code.get("originalText", "") for code in codes),
        _OUTCOMES.get(outcome, "failure"),
        tuple(
            _who(one.attrib)
            for one in document.iterfind("ActiveParticipant")
            if one.get("UserName") != "dicomnode"
        ),
        tuple(
            one.get("ParticipantObjectID", "")
            for one in document.iterfind("ParticipantObjectIdentification")
            if _is_study(one)
        ),
        document.findtext(".//EventOutcomeDescription") or _details(document),
    )


def _whole(segment: Path) -> Iterator[Record]:
    for line, _ in lines(segment):
        if line.endswith(b"\n"):
            try:
                yield decode(line)
            except BadRecord:
                continue


def _begins_before(segment: Path, since: float) -> bool:
    """Whether those before this segment hold nothing of a moment, or later."""
    first = next(_whole(segment), None)
    return first is not None and first.at < since


def _is_study(thing: ElementTree.Element) -> bool:
    """Not so the patient of a study, nor the SOP class of a query."""
    kind = thing.find("ParticipantObjectIDTypeCode")
    return kind is not None and kind.get("csd-code") == codes.STUDY_INSTANCE_UID.value


def _who(given: dict[str, str]) -> str:
    address = given.get("NetworkAccessPointID", "")
    return given.get("UserID", "") + (f" ({address})" if address else "")


def _details(document: ElementTree.Element) -> str:
    return "\n".join(
        base64.b64decode(detail.get("value", "")).decode("utf-8", "replace")
        for detail in document.iter("ParticipantObjectDetail")
        if detail.get("type") == "Alert Description"
    )
