"""Who stated what an object holds, when, and which objects it goes back to.

Names do not leave this file: a person and a device are told apart by digests.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone

from pydicom.dataset import Dataset

from dicomnode.marks.attributes import Item, read_attribute, read_sequence, read_text, read_uid

_PERSON_NAME = "121008"
_DEVICE_UID = "121012"
"""Person Observer Name and Device Observer UID (PS3.16 TID 1003, TID 1004), both DCM."""

_NOBODY = frozenset(
    {"anon", "anonymous", "anonymized", "none", "observer", "reader", "unknown", "unspecified"}
)
"""Words that a name of nobody in particular is made of: dcmjs writes ``unknown^unknown``."""

_CONTENT = (
    ("PresentationCreationDate", "PresentationCreationTime"),  # PS3.3 C.11.10
    ("StructureSetDate", "StructureSetTime"),  # C.8.8.5
    ("ContentDate", "ContentTime"),  # C.17.2, C.8.20.2
)

_MOST_ITEMS = 200
"""Content items, predecessors and verifications that are looked at."""

_DATE = re.compile(r"(\d{4})[.]?(\d{2})[.]?(\d{2})")
_TIME = re.compile(r"(\d{2}):?(\d{2})?:?(\d{2})?(\.\d{1,6})?")
_ZONE = re.compile(r"([+-])(\d{2})(\d{2})")


@dataclass(frozen=True)
class Authorship:
    """Of one object.

    Attributes
    ----------
    stated_at : float or None
        When its content was made or last verified, whichever is later, in seconds since 1970;
        times without an offset count as UTC. Where it says neither, when it was created.
    created_at : float or None
        When the instance was created.
    person : str or None
        Digest of the names of those who drew; None where nobody in particular is named.
    device : str or None
        Digest of the device's UID, or of its manufacturer, model and serial number.
    predecessors : tuple of str
        SOP Instance UIDs of the documents whose content it holds, changed or not.
    """

    stated_at: float | None = None
    created_at: float | None = None
    person: str | None = None
    device: str | None = None
    predecessors: tuple[str, ...] = ()


def read_authorship(dataset: Dataset) -> Authorship:
    """Read who stated what an object holds, and when.

    Parameters
    ----------
    dataset : Dataset
        Of any SOP class; may break the standard. What cannot be read counts as absent.

    Notes
    -----
    Content Date and Time and Verification DateTime: PS3.3 C.17.2; Instance Creation Date and
    Time: C.12.1; Predecessor Documents Sequence: C.17.2.
    """
    content = (moment_of(dataset, date, time) for date, time in _CONTENT)
    stated = [next((moment for moment in content if moment is not None), None)]
    zone = _zone(read_text(dataset, "TimezoneOffsetFromUTC"))
    for observer in read_sequence(dataset, "VerifyingObserverSequence")[:_MOST_ITEMS]:
        stated.append(_date_time(_text(observer, "VerificationDateTime"), zone))
    stated = [moment for moment in stated if moment is not None]
    created = moment_of(dataset, "InstanceCreationDate", "InstanceCreationTime")
    return Authorship(
        stated_at=max(stated) if stated else created,
        created_at=created,
        person=_person(dataset),
        device=_device(dataset),
        predecessors=tuple(dict.fromkeys(_predecessors(dataset))),
    )


def moment_of(dataset: Dataset, date: str, time: str | None = None) -> float | None:
    """Seconds since 1970 of a date and a time, or of a date-time alone; None if it is none.

    Parameters
    ----------
    dataset : Dataset
        May say its offset from UTC (0008,0201); else the time counts as UTC.
    date, time : str
        Keywords. Without a time the day begins.
    """
    zone = _zone(read_text(dataset, "TimezoneOffsetFromUTC"))
    text = _text(dataset, date)
    if time is not None and text:
        text = text.replace(".", "") + _text(dataset, time)
    return _date_time(text, zone)


def _predecessors(dataset: Dataset) -> Iterator[str]:
    for study in read_sequence(dataset, "PredecessorDocumentsSequence")[:_MOST_ITEMS]:
        for series in read_sequence(study, "ReferencedSeriesSequence")[:_MOST_ITEMS]:
            for document in read_sequence(series, "ReferencedSOPSequence")[:_MOST_ITEMS]:
                uid = read_uid(document, "ReferencedSOPInstanceUID")
                if uid is not None:
                    yield uid


def _person(dataset: Dataset) -> str | None:
    """The first of these that names somebody: observers, creator, interpreters, operators."""
    observers = [
        _text(item, "PersonName") for item in _observer_context(dataset, _PERSON_NAME, "PNAME")
    ]
    creator = [_text(dataset, "ContentCreatorName")]
    regions = read_sequence(dataset, "RTROIObservationsSequence")[:_MOST_ITEMS]
    interpreters = [_text(region, "ROIInterpreter") for region in regions]
    operators = [_text(dataset, "OperatorsName")] if regions else []
    for names in (observers, creator, interpreters, operators):
        somebody = sorted({name for name in map(_normal, names) if name})
        if somebody:
            return _digest("person", *somebody)
    return None


def _normal(name: str) -> str:
    """A name as writers of any habit have it; empty for nobody in particular."""
    words = re.findall(r"\w+", name.split("=")[0].casefold())
    return " ".join(words) if set(words) - _NOBODY else ""


def _device(dataset: Dataset) -> str | None:
    for item in _observer_context(dataset, _DEVICE_UID, "UIDREF"):
        uid = read_uid(item, "UID")
        if uid is not None:
            return _digest("device", uid)
    words = [
        _text(dataset, keyword).casefold()
        for keyword in ("Manufacturer", "ManufacturerModelName", "DeviceSerialNumber")
    ]
    return _digest("device", *words) if any(words) else None


def _observer_context(dataset: Dataset, code: str, value_type: str) -> Iterator[Item]:
    """Items of the document's observation context (PS3.16 TID 1002)."""
    for item in read_sequence(dataset, "ContentSequence")[:_MOST_ITEMS]:
        if read_text(item, "ValueType") == value_type:
            names = read_sequence(item, "ConceptNameCodeSequence")[:1]
            if names and read_text(names[0], "CodeValue") == code:
                yield item


def _text(item: Item, keyword: str) -> str:
    value = read_attribute(item, keyword)
    try:
        return "" if value is None else str(value).strip("\0 ")
    except Exception:  # a name can be in any encoding
        return ""


def _date_time(text: str, zone: timezone) -> float | None:
    """Seconds since 1970 of a DT (PS3.5 6.2), or of a DA and a TM in one; None if it is none."""
    day = _DATE.match(text)
    if day is None:
        return None
    rest = text[day.end() :]
    clock = _TIME.match(rest)
    hour, minute, second, part = clock.groups() if clock else (None,) * 4
    suffix = _ZONE.search(rest, clock.end() if clock else 0)
    try:
        moment = datetime(
            *map(int, day.groups()),
            int(hour or 0),
            int(minute or 0),
            min(int(second or 0), 59),  # 60 is a leap second
            round(float(part or 0) * 1e6),
            tzinfo=_zone(suffix.group()) if suffix else zone,
        )
        return moment.timestamp()
    except (ValueError, OverflowError):
        return None


def _zone(text: str | None) -> timezone:
    found = _ZONE.fullmatch(text or "")
    if found is None:
        return UTC
    sign, hours, minutes = found.groups()
    offset = timedelta(hours=int(hours), minutes=int(minutes)) * (-1 if sign == "-" else 1)
    return timezone(offset) if abs(offset) < timedelta(hours=24) else UTC


def _digest(*words: str) -> str:
    return hashlib.sha256("\0".join(words).encode("utf-8", "replace")).hexdigest()
