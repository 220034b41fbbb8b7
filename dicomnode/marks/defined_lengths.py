"""Sequences of undefined length, given the lengths that they have.

pydicom decodes what stands in items of undefined length (PS3.5 7.5.1) as soon as it opens a file,
which takes a second for a large report; what has a length it leaves alone until it is asked for.
Both ways of encoding say the same.
"""

from __future__ import annotations

import struct

from pydicom.datadict import dictionary_VR

from dicomnode.marks.encoded_item import LONG_VRS, SHORT_VRS

MAX_ELEMENTS = 250_000
"""Elements that are walked; a SEG of 2,000 frames has 36,000."""

MAX_DEPTH = 48
"""Sequences in each other; a report of 24 levels has 24."""

_UNDEFINED = 0xFFFFFFFF
_UNDEFINED_BYTES = b"\xff\xff\xff\xff"
_ITEM, _ITEM_END, _SEQUENCE_END = 0xE000, 0xE00D, 0xE0DD
_PIXELS = 0x7FE0
_HEADER = struct.Struct("<HHL")
_EXPLICIT = struct.Struct("<HH2sH")
_LENGTH = struct.Struct("<L")


class Irregular(ValueError):
    """The data set breaks PS3.5 7, or uses a part of it that is left to pydicom."""


class TooManyElements(ValueError):
    """To walk the data set would take too long."""


def with_defined_lengths(data: bytes, start: int, *, implicit: bool) -> tuple[bytes, int]:
    """Encode a data set again, with defined lengths throughout.

    Parameters
    ----------
    data : bytes
        Little endian.
    start : int
        Where its first element, or any other of the top level, begins.
    implicit : bool
        Implicit VR, else explicit.

    Returns
    -------
    encoded : bytes
        All elements from `start` up to the pixel data. Values are the same bytes.
    end : int
        Where in `data` the pixel data begin, or else its end.

    Raises
    ------
    Irregular
        If the structure is broken, or an element other than a sequence has no length.
    TooManyElements
        If there are more than `MAX_ELEMENTS` of them.
    """
    walk = _Walk(data, implicit)
    try:
        return walk.elements(start, len(data), 0)
    except struct.error:
        raise Irregular("the data end inside an element") from None


class _Walk:
    def __init__(self, data: bytes, implicit: bool) -> None:
        self._data = data
        self._implicit = implicit
        self._left = MAX_ELEMENTS

    def elements(self, start: int, end: int | None, depth: int) -> tuple[bytes, int]:
        """Encode elements up to `end`, or the end of an item of undefined length."""
        data, implicit = self._data, self._implicit
        parts: list[bytes] = []
        at = same_from = start
        while end is None or at < end:
            self._left -= 1
            if self._left < 0:
                raise TooManyElements(f"more than {MAX_ELEMENTS} elements")
            if implicit:
                group, element, length = _HEADER.unpack_from(data, at)
                value, is_sequence = at + 8, None
            else:
                group, element, vr, length = _EXPLICIT.unpack_from(data, at)
                value, is_sequence = at + 8, vr == b"SQ"
                if vr in LONG_VRS:
                    (length,) = _LENGTH.unpack_from(data, value)
                    value += 4
                elif vr not in SHORT_VRS and group != 0xFFFE:
                    raise Irregular("an element has no VR of PS3.5 6.2")
            if group >= _PIXELS:
                if group == 0xFFFE and element == _ITEM_END and end is None:
                    if _HEADER.unpack_from(data, at)[2]:
                        raise Irregular("the end of an item has a length")
                    parts.append(data[same_from:at])
                    return b"".join(parts), at + 8
                if depth == 0 and group == _PIXELS:
                    break
                if group == 0xFFFE:
                    raise Irregular("an item outside of a sequence")
            if length == _UNDEFINED:
                if not (_is_sequence(group, element) if is_sequence is None else is_sequence):
                    raise Irregular("an element other than a sequence has no length")
                items, after = self._items(value, None, depth + 1)
            elif is_sequence is not False and self._holds_undefined(
                group, element, value, value + length
            ):
                after = value + length
                try:
                    items, _ = self._items(value, after, depth + 1)
                except (Irregular, struct.error):
                    items = data[value:after]  # it costs itself and no more
            else:
                at = value + length
                continue
            if after > (len(data) if end is None else end):
                raise Irregular("a sequence reaches beyond what holds it")
            parts += (data[same_from : value - 4], _LENGTH.pack(len(items)), items)
            at = same_from = after
        if end is not None and at > end:
            raise Irregular("an element reaches beyond its item")
        parts.append(data[same_from:at])
        return b"".join(parts), at

    def _holds_undefined(self, group: int, element: int, start: int, end: int) -> bool:
        """Whether a sequence may hold something of undefined length."""
        return self._data.find(_UNDEFINED_BYTES, start, end) >= 0 and _is_sequence(group, element)

    def _items(self, start: int, end: int | None, depth: int) -> tuple[bytes, int]:
        """Encode the items of a sequence up to `end`, or to its delimiter."""
        if depth > MAX_DEPTH:
            raise Irregular(f"sequences nested deeper than {MAX_DEPTH}")
        data = self._data
        parts: list[bytes] = []
        at = start
        while end is None or at < end:
            group, element, length = _HEADER.unpack_from(data, at)
            if group == 0xFFFE and element == _SEQUENCE_END and end is None and length == 0:
                return b"".join(parts), at + 8
            if group != 0xFFFE or element != _ITEM:
                raise Irregular("something other than an item in a sequence")
            stop = None if length == _UNDEFINED else at + 8 + length
            if end is not None and (stop or 0) > end:
                raise Irregular("an item reaches beyond its sequence")
            content, at = self.elements(at + 8, stop, depth)
            parts += (b"\xfe\xff\x00\xe0", _LENGTH.pack(len(content)), content)
        if at != end:
            raise Irregular("an item reaches beyond its sequence")
        return b"".join(parts), at


def _is_sequence(group: int, element: int) -> bool:
    """Whether the standard knows an element as a sequence."""
    try:
        return dictionary_VR(group << 16 | element) == "SQ"
    except KeyError:  # private, or none
        return False
