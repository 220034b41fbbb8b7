"""What a condition looks at: an attribute of the mark's object, of its CT, or of how it came."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from pydicom.datadict import dictionary_VR, keyword_for_tag, tag_for_keyword
from pydicom.dataset import Dataset
from pydicom.multival import MultiValue
from pydicom.sequence import Sequence as Items
from pydicom.tag import BaseTag, Tag

from dicomnode.marks.dicom_object import read_object

NODE_FACTS = ("calling_ae", "called_ae", "mark_sop_class", "priority", "time")
"""What is known of a mark beside objects: the association, the C-STORE and the clock."""

MAX_DEPTH = 8
"""Sequences that an attribute may lie in."""

MAX_VALUES = 1000
"""Values of one attribute that are looked at, over all items of its sequences."""

_TAG = re.compile(r"\(?([0-9a-fA-F]{4}),?([0-9a-fA-F]{4})\)?")
_PLAIN = frozenset({"CS", "DS", "IS", "FD", "FL", "US", "SS", "UL", "SL", "UV", "SV", "UI", "AE"})
_PLAIN_TEXT = frozenset(
    {
        "ContrastBolusAgent",
        "ConvolutionKernel",
        "Manufacturer",
        "ManufacturerModelName",
        "ProtocolName",
        "SeriesDescription",
        "SoftwareVersions",
        "StudyDescription",
    }
)


@dataclass(frozen=True)
class Attribute:
    """The name of what a condition looks at.

    Attributes
    ----------
    text : str
        As it was written.
    whose : str
        "mark", "ct" or "node".
    path : tuple of BaseTag
        Sequences from the outside in, and the attribute itself; empty for a fact of the node.
    """

    text: str
    whose: str
    path: tuple[BaseTag, ...] = ()

    @property
    def vr(self) -> str:
        """Value representation by the dictionary (PS3.6); "UN" where it is not in there."""
        try:
            return dictionary_VR(self.path[-1]) if self.path else "SH"
        except KeyError:
            return "UN"

    @property
    def may_be_shown(self) -> bool:
        """Whether values may stand in a message: codes, numbers and UIDs, not of the patient.

        Text, names and dates can identify (PS3.15 Annex E) and are compared unseen.
        """
        if not self.path:
            return True
        if any(tag.is_private or tag.group == 0x0010 for tag in self.path):
            return False
        vr = self.vr.split(" or ")[0]
        return vr in _PLAIN or keyword_for_tag(self.path[-1]) in _PLAIN_TEXT


@dataclass(frozen=True)
class Found:
    """What an object holds of an attribute.

    Attributes
    ----------
    values : tuple of str
        All of them, of all items, stripped; without empty ones.
    present : bool
        Whether there is anything, also what is no text, such as a sequence or bytes.
    """

    values: tuple[str, ...] = ()
    present: bool = False


def attribute_named(text: str) -> Attribute:
    """Read the name of an attribute.

    Parameters
    ----------
    text : str
        One of `NODE_FACTS`; or ``mark.`` or ``ct.`` and a keyword of PS3.6 or a tag such as
        ``(0018,0050)`` or ``00180050``. Sequences come first, with dots between:
        ``mark.ContentTemplateSequence.TemplateIdentifier``.

    Raises
    ------
    ValueError
        With what was found and what was expected.
    """
    if text in NODE_FACTS:
        return Attribute(text, "node")
    whose, _, rest = text.partition(".")
    if whose not in ("mark", "ct") or not rest:
        raise ValueError(
            f"found the attribute {text!r}, expected 'mark.KEYWORD', 'ct.KEYWORD', a tag in place "
            f"of the keyword, or one of {', '.join(NODE_FACTS)}"
        )
    path = tuple(_tag(part) for part in rest.split("."))
    if len(path) > MAX_DEPTH + 1:
        raise ValueError(f"{text}: found {len(path) - 1} sequences, expected at most {MAX_DEPTH}")
    for tag in path[:-1]:
        if not tag.is_private and _vr_of(tag) != "SQ":
            raise ValueError(f"{text}: {keyword_for_tag(tag) or tag} is no sequence")
    return Attribute(text, whose, path)


def _tag(part: str) -> BaseTag:
    if match := _TAG.fullmatch(part):
        return Tag(int(match[1], 16), int(match[2], 16))
    tag = tag_for_keyword(part)
    if tag is None:
        raise ValueError(f"{part!r} is neither a keyword of the standard nor a tag")
    return Tag(tag)


def _vr_of(tag: BaseTag) -> str:
    try:
        return dictionary_VR(tag)
    except KeyError:
        return "SQ"  # one that the dictionary does not have may be a sequence


class ObjectHeader:
    """What an object that is on disk holds, without its pixels; read when it is first asked.

    Parameters
    ----------
    path : path-like
        The file.
    """

    def __init__(self, path: str | Path) -> None:
        self._path = Path(path)

    def find(self, attribute: Attribute) -> Found | None:
        """All values of an attribute; None where the object cannot be decoded.

        Raises
        ------
        OSError
            If the file cannot be read.
        """
        state = self._path.stat()
        dataset = _read(self._path, state.st_mtime_ns, state.st_size)
        if dataset is None:
            return None
        values: list[str] = []
        present = False
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # pydicom's would quote values
            for value in _elements(dataset, attribute.path):
                texts = _texts(value)
                present |= bool(texts) or _is_there(value)
                values += texts
                if len(values) >= MAX_VALUES:
                    break
        return Found(tuple(values[:MAX_VALUES]), present)


@lru_cache(maxsize=8)
def _read(path: Path, changed_ns: int, size: int) -> Dataset | None:
    """The lesions of one object ask one after the other; another file has another time or size."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            with open(path, "rb") as file:
                return read_object(file, stop_before_pixels=True)
        except OSError:
            raise
        except Exception:  # pydicom raises many types
            return None


def _elements(dataset: Dataset, path: tuple[BaseTag, ...]) -> Iterator[object]:
    """Values of the attribute in all items of its sequences; what is broken counts as absent."""
    try:
        element = dataset.get(path[0])
        value = None if element is None else element.value
    except Exception:
        return
    if len(path) == 1:
        yield value
    elif isinstance(value, Items):
        for item in value:
            yield from _elements(item, path[1:])


def _texts(value: object) -> list[str]:
    if value is None or isinstance(value, (bytes, Items)):
        return []
    many = value if isinstance(value, (MultiValue, list, tuple)) else [value]
    try:
        texts = [str(one).strip(" \0") for one in many if not isinstance(one, bytes)]
    except Exception:  # a text that its character set does not have
        return []
    return [text for text in texts if text]


def _is_there(value: object) -> bool:
    """Whether something is there that is no text: bytes, or items of a sequence."""
    return isinstance(value, (bytes, Items)) and len(value) > 0
