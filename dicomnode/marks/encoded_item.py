"""Items of a sequence that nothing has decoded yet, parted without decoding them.

pydicom makes a Dataset of every item, which takes most of the time that a large report or
structure set costs. Where all lengths are defined, as most writers have them (PS3.5 7.5.1), an item
can be parted into its elements by their lengths alone, and each is decoded when it is asked for.
Anything unusual is left to pydicom.
"""

from __future__ import annotations

import struct
from functools import cache, lru_cache
from typing import Any

from pydicom.datadict import dictionary_VR, tag_for_keyword
from pydicom.dataelem import DataElement, RawDataElement, convert_raw_data_element
from pydicom.tag import BaseTag

MAX_ITEMS = 20_000
"""Items of one sequence that are parted; the readers look at far fewer."""

MAX_ELEMENTS = 250_000
"""Elements of one sequence of an object, and of all below it, that are parted."""

LONG_VRS = frozenset(b"OB OD OF OL OV OW SQ SV UC UN UR UT UV".split())  # PS3.5 7.1.2
SHORT_VRS = frozenset(b"AE AS AT CS DA DS DT FD FL IS LO LT PN SH SL SS ST TM UI UL US".split())

_ITEM = b"\xfe\xff\x00\xe0"
_UNDEFINED = 0xFFFFFFFF
_CHARACTER_SET = 0x00080005
_HEADER = struct.Struct("<HHL")
_EXPLICIT = struct.Struct("<HH2sH")
_LENGTH = struct.Struct("<L")

_base_tag = lru_cache(4096)(BaseTag)
_tag_of = cache(tag_for_keyword)


class TooManyElements(Exception):
    """To part a sequence would take too long."""


class Inherited:
    """What the items of a sequence have in common with all items below them.

    Parameters
    ----------
    encoding : str or list of str
        Python's names of the character sets that texts are in.
    """

    __slots__ = ("elements_left", "encoding")

    def __init__(self, encoding: Any) -> None:
        self.encoding = encoding
        self.elements_left = MAX_ELEMENTS


class EncodedItem:
    """One item; has of a Dataset what reads single attributes.

    Parameters
    ----------
    buffer : bytes
        Holds the values.
    elements : dict of int to tuple
        By tag: VR (None where it is implicit), where in `buffer` the value starts, its length.
    inherited : Inherited
    """

    __slots__ = ("_buffer", "_elements", "inherited")

    def __init__(
        self, buffer: bytes, elements: dict[int, tuple[str | None, int, int]], inherited: Inherited
    ) -> None:
        self._buffer = buffer
        self._elements = elements
        self.inherited = inherited

    def __contains__(self, key: str | int) -> bool:
        return _as_tag(key) in self._elements

    def get_item(self, key: str | int) -> RawDataElement | None:
        """The element as it is encoded; None where it is absent."""
        tag = _as_tag(key)
        found = self._elements.get(tag)
        if found is None:
            return None
        vr, start, length = found
        value = self._buffer[start : start + length]
        return RawDataElement(_base_tag(tag), vr, length, value, start, vr is None, True)

    def get(self, key: str | int, default: Any = None) -> DataElement | Any:
        """The decoded element.

        Raises
        ------
        Exception
            Whatever pydicom raises on a broken value.
        """
        raw = self.get_item(key)
        if raw is None:
            return default
        return convert_raw_data_element(raw, encoding=self.inherited.encoding)


def _as_tag(key: str | int) -> int:
    return _tag_of(key) if isinstance(key, str) else key


def encoded_items(raw: RawDataElement, inherited: Inherited) -> list[EncodedItem] | None:
    """Part a sequence into its items.

    Parameters
    ----------
    raw : RawDataElement
        Of a sequence.
    inherited : Inherited
        From what holds it.

    Returns
    -------
    list of EncodedItem, or None
        `MAX_ITEMS` at most. None where pydicom has to read it: a length is undefined or leads out
        of its item, the byte order is big endian, a VR is none, or an item has character sets of
        its own.

    Raises
    ------
    TooManyElements
        If these items and others of the same origin hold more than `MAX_ELEMENTS`.
    """
    value = raw.value
    if not isinstance(value, bytes) or not raw.is_little_endian:
        return None
    if raw.VR != "SQ" and not (raw.VR is None and dictionary_VR(raw.tag) == "SQ"):
        return None
    items: list[EncodedItem] = []
    at, end = 0, len(value)
    while at < end and len(items) < MAX_ITEMS:
        if value[at : at + 4] != _ITEM or at + 8 > end:
            return None
        (length,) = _LENGTH.unpack_from(value, at + 4)
        at += 8
        if length == _UNDEFINED or at + length > end:
            return None
        elements = _elements(value, at, at + length, inherited, implicit=raw.is_implicit_VR)
        if elements is None or _CHARACTER_SET in elements:
            return None
        items.append(EncodedItem(value, elements, inherited))
        at += length
    return items


def _elements(
    value: bytes, at: int, end: int, inherited: Inherited, *, implicit: bool
) -> dict[int, tuple[str | None, int, int]] | None:
    found: dict[int, tuple[str | None, int, int]] = {}
    vr = None
    while at < end:
        inherited.elements_left -= 1
        if inherited.elements_left < 0:
            raise TooManyElements(f"more than {MAX_ELEMENTS} elements in a sequence")
        if at + 8 > end:
            return None
        if implicit:
            group, element, length = _HEADER.unpack_from(value, at)
            at += 8
        else:
            group, element, code, length = _EXPLICIT.unpack_from(value, at)
            at += 8
            if code in LONG_VRS:
                if at + 4 > end:
                    return None
                (length,) = _LENGTH.unpack_from(value, at)
                at += 4
            elif code not in SHORT_VRS:
                return None
            vr = code.decode("ascii")
        if length == _UNDEFINED or at + length > end or group == 0xFFFE:
            return None
        found[group << 16 | element] = vr, at, length
        at += length
    return found
