"""Attributes of objects that may break the standard: each reads as None where it cannot be read.

pydicom decodes on access, and a broken value raises whatever its converter raises (ValueError,
KeyError, struct.error, NotImplementedError, RecursionError among them). Nothing of that may cost
more than the one attribute.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from pydicom.datadict import dictionary_VR
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset

from dicomnode.marks.recist_mark import Code
from dicomnode.store.uid import is_valid_uid

_PLAIN_TEXT = frozenset({"CS", "LO", "SH", "UC", "UI", "UR"})


def read_attribute(dataset: Dataset, keyword: str) -> Any:
    """Value of an attribute; None where it is absent, empty or cannot be decoded."""
    try:
        value = dataset.get(keyword)
    except Exception:  # see above
        return None
    return None if value is None or value == "" else value


def read_sequence(dataset: Dataset, keyword: str) -> list[Dataset]:
    """Items of a sequence; empty where there are none or they cannot be read."""
    value = read_attribute(dataset, keyword)
    try:
        return [item for item in value if isinstance(item, Dataset)]
    except Exception:
        return []


def read_text(dataset: Dataset, keyword: str) -> str | None:
    """A single text without its padding; None where there is none.

    Plain ASCII that nothing has decoded yet is taken as it stands: it is the same in every
    character set, and pydicom takes ten times as long.
    """
    try:
        raw = dataset.get_item(keyword)
        value = raw.value if isinstance(raw, RawDataElement) else None
        plain = isinstance(value, bytes) and (raw.VR or dictionary_VR(keyword)) in _PLAIN_TEXT
        if plain and value.isascii() and b"\x1b" not in value and b"\\" not in value:
            return value.decode("ascii").strip("\0 ") or None
    except Exception:  # see above
        return None
    value = read_attribute(dataset, keyword)
    if value is None or not isinstance(value, str):
        return None
    return value.strip("\0 ") or None


def read_uid(dataset: Dataset, keyword: str) -> str | None:
    """A UID that is one: anything else would travel into logs, file names and results."""
    uid = read_text(dataset, keyword)
    return uid if uid is not None and is_valid_uid(uid) else None


def _clean(text: str) -> bool:
    """Whether a text is a single value without control characters."""
    return text.isprintable() and "\\" not in text


def read_code(dataset: Dataset, keyword: str) -> Code | None:
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


def read_integers(dataset: Dataset, keyword: str) -> tuple[int, ...] | None:
    """Whole numbers of an attribute; empty where it is absent, None where it cannot be read."""
    try:
        value = dataset.get(keyword)
        if value is None or value == "":
            return ()
        numbers = np.atleast_1d(np.asarray(value))
        whole = tuple(int(number) for number in numbers)
        return whole if all(a == b for a, b in zip(whole, numbers, strict=True)) else None
    except Exception:  # see above
        return None


def read_numbers(dataset: Dataset, keyword: str) -> npt.NDArray[np.float64] | None:
    """Finite numbers of an attribute, shape (n,), n > 0; None where they cannot be read.

    Text (VR DS) that nothing has decoded yet is parsed at once: pydicom takes seconds for the
    contours of a large structure set.
    """
    try:
        raw = dataset.get_item(keyword)
        value = raw.value if isinstance(raw, RawDataElement) else None
        is_text = raw.VR in (None, "DS") and dictionary_VR(keyword) == "DS"
        if isinstance(value, bytes) and is_text:
            numbers = np.array(value.strip(b"\0 ").split(b"\\"), dtype=np.float64)
        else:
            numbers = np.atleast_1d(np.asarray(read_attribute(dataset, keyword), dtype=np.float64))
    except Exception:  # see above
        return None
    usable = numbers.ndim == 1 and numbers.size > 0 and np.isfinite(numbers).all()
    return numbers if usable else None


def sop_instance_uid(dataset: Dataset) -> str | None:
    """SOP Instance UID of the object, None if it has none or it is no UID."""
    return read_uid(dataset, "SOPInstanceUID")
