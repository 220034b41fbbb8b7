"""Attributes of objects that may break the standard: each reads as None where it cannot be read.

pydicom decodes on access, and a broken value raises whatever its converter raises (ValueError,
KeyError, struct.error, NotImplementedError, RecursionError among them). Nothing of that may cost
more than the one attribute.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
from pydicom.datadict import dictionary_VR
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset
from pydicom.tag import BaseTag, Tag

from dicomnode.marks.encoded_item import (
    EncodedItem,
    Inherited,
    TooManyElements,
    encoded_items,
)
from dicomnode.marks.recist_mark import Code
from dicomnode.store.uid import is_valid_uid

Item = Dataset | EncodedItem
"""A data set, or an item of one that is still encoded."""

MAX_BYTES = 8 * 2**20
"""Bytes of one list of numbers that are parsed."""

_PLAIN_TEXT = frozenset({"CS", "LO", "SH", "UC", "UI", "UR"})


def read_attribute(dataset: Item, keyword: str) -> Any:
    """Value of an attribute; None where it is absent, empty or cannot be decoded."""
    try:
        value = _value(dataset, keyword)
    except Exception:  # see above
        return None
    return None if isinstance(value, str) and value == "" else value


@cache
def _tag(keyword: str) -> BaseTag:
    """Tag of a keyword; pydicom looks it up anew at each access."""
    return Tag(keyword)


@cache
def _vr(keyword: str) -> str:
    """VR that the standard gives an attribute; pydicom looks it up anew as well."""
    return dictionary_VR(keyword)


def _encoded(dataset: Item, keyword: str) -> Any:
    """The element as it is held: a RawDataElement until something has decoded it."""
    if type(dataset) is EncodedItem:
        return dataset.get_item(keyword)
    return dataset.get_item(_tag(keyword))


def _value(dataset: Item, keyword: str) -> Any:
    element = dataset.get(keyword if type(dataset) is EncodedItem else _tag(keyword))
    return None if element is None else element.value


def read_sequence(dataset: Item, keyword: str) -> list[Item]:
    """Items of a sequence; empty where there are none or they cannot be read.

    Raises
    ------
    TooManyElements
        If it is too large to be looked at; see `encoded_items`.
    """
    try:
        raw = _encoded(dataset, keyword)
        if isinstance(raw, RawDataElement):
            items = encoded_items(raw, _inherited(dataset))
            if items is not None:
                return items
    except TooManyElements:
        raise
    except Exception:  # see above
        return []
    value = read_attribute(dataset, keyword)
    try:
        return [item for item in value if isinstance(item, Dataset)]
    except Exception:
        return []


def _inherited(dataset: Item) -> Inherited:
    """What the items of its sequences have from a data set or an item."""
    if isinstance(dataset, EncodedItem):
        return dataset.inherited
    return Inherited(dataset.original_character_set or dataset._character_set)


def read_text(dataset: Item, keyword: str) -> str | None:
    """A single text without its padding; None where there is none.

    Plain ASCII that nothing has decoded yet is taken as it stands: it is the same in every
    character set, and pydicom takes ten times as long.
    """
    try:
        raw = _encoded(dataset, keyword)
        value = raw.value if isinstance(raw, RawDataElement) else None
        plain = isinstance(value, bytes) and (raw.VR or _vr(keyword)) in _PLAIN_TEXT
        if plain and value.isascii() and b"\x1b" not in value and b"\\" not in value:
            return value.decode("ascii").strip("\0 ") or None
    except Exception:  # see above
        return None
    value = read_attribute(dataset, keyword)
    if value is None or not isinstance(value, str):
        return None
    return value.strip("\0 ") or None


def read_uid(dataset: Item, keyword: str) -> str | None:
    """A UID that is one: anything else would travel into logs, file names and results."""
    uid = read_text(dataset, keyword)
    return uid if uid is not None and is_valid_uid(uid) else None


def _clean(text: str) -> bool:
    """Whether a text is a single value without control characters."""
    return text.isprintable() and "\\" not in text


def read_code(dataset: Item, keyword: str) -> Code | None:
    """First code of a sequence: code value, long code value or URN (PS3.3 8.8)."""
    for item in read_sequence(dataset, keyword)[:1]:
        value = next(
            filter(
                None, (read_text(item, k) for k in ("CodeValue", "LongCodeValue", "URNCodeValue"))
            ),
            None,
        )
        if value is not None:
            scheme = read_text(item, "CodingSchemeDesignator") or ""
            meaning = read_text(item, "CodeMeaning") or ""
            return Code(value, scheme, meaning) if _clean(value + scheme + meaning) else None
    return None


def read_integers(dataset: Item, keyword: str) -> tuple[int, ...] | None:
    """Whole numbers of an attribute; empty where it is absent, None where it cannot be read."""
    try:
        raw = _encoded(dataset, keyword)
        if raw is None:
            return ()
        if (
            isinstance(raw, RawDataElement)
            and (plain := _plain_integer(raw, _vr(keyword))) is not None
        ):
            return (plain,)
        value = _value(dataset, keyword)
        if value is None or value == "":
            return ()
        numbers = np.atleast_1d(np.asarray(value))
        whole = tuple(int(number) for number in numbers)
        return whole if all(a == b for a, b in zip(whole, numbers, strict=True)) else None
    except Exception:  # see above
        return None


def _plain_integer(raw: RawDataElement, vr: str) -> int | None:
    """The number of an element that holds one, IS or US, and that nothing has decoded yet."""
    value = raw.value
    if not isinstance(value, bytes) or raw.VR not in (None, vr):
        return None
    if vr == "US" and len(value) == 2:
        return int.from_bytes(value, "little" if raw.is_little_endian else "big")
    if vr == "IS" and len(value) <= 12 and value.strip(b" ").isdigit():  # PS3.5 6.2
        return int(value)
    return None


def read_numbers(dataset: Item, keyword: str) -> npt.NDArray[np.float64] | None:
    """Finite numbers of an attribute, shape (n,), n > 0; None where they cannot be read.

    Coordinates (VR DS and FL) that nothing has decoded yet are parsed at once: pydicom takes
    seconds for the contours of a large structure set.
    """
    try:
        raw = _encoded(dataset, keyword)
        if isinstance(raw, RawDataElement) and isinstance(raw.value, bytes):
            if len(raw.value) > MAX_BYTES:
                return None
            numbers = _parse(raw, _vr(keyword))
        else:
            numbers = read_attribute(dataset, keyword)
        numbers = np.atleast_1d(np.asarray(numbers, dtype=np.float64))
    except Exception:  # see above
        return None
    usable = numbers.ndim == 1 and numbers.size > 0 and np.isfinite(numbers).all()
    return numbers if usable else None


def _parse(raw: RawDataElement, vr: str) -> npt.ArrayLike:
    """Numbers of an element that is still bytes."""
    if raw.VR not in (None, vr):
        raise ValueError(f"found VR {raw.VR}, expected {vr}")
    if vr == "DS":
        return np.array(raw.value.strip(b"\0 ").split(b"\\"), dtype=np.float64)
    if vr == "FL":
        return np.frombuffer(raw.value, "<f4" if raw.is_little_endian else ">f4")
    raise ValueError(f"no numbers of VR {vr}")


def sop_instance_uid(dataset: Dataset) -> str | None:
    """SOP Instance UID of the object, None if it has none or it is no UID."""
    return read_uid(dataset, "SOPInstanceUID")
