"""The structure of an encoded data set (PS3.5 7), walked once from end to end."""

from __future__ import annotations

import os
import struct
from dataclasses import dataclass
from typing import Protocol

# PS3.4 B.2.3
DOES_NOT_MATCH_SOP_CLASS = 0xA900
CANNOT_UNDERSTAND = 0xC000

# A whole-chest SEG of some thousand frames has about 10^5 elements in sequences; a data set with
# more than this is an attack on the walker's time.
MAX_ELEMENTS = 3_000_000
MAX_DEPTH = 64

_UNDEFINED = 0xFFFFFFFF
_ITEM = 0xFFFEE000
_ITEM_END = 0xFFFEE00D
_SEQUENCE_END = 0xFFFEE0DD
_PIXEL_DATA = 0x7FE00010
_FLOAT_PIXEL_DATA = (0x7FE00008, 0x7FE00009)

_SHORT_VRS = frozenset(
    b"AE AS AT CS DA DS DT FD FL IS LO LT PN SH SL SS ST TM UI UL US".split()
)  # PS3.5 Table 7.1-2
_LONG_VRS = frozenset(b"OB OD OF OL OV OW SQ SV UC UN UR UT UV".split())  # Table 7.1-1

_MAX_VALUE = 65534
_WINDOW = 8192

_IMPLICIT = struct.Struct("<HHL")
_EXPLICIT = struct.Struct("<HH2sH")
_LENGTH = struct.Struct("<L")


class InvalidInstance(ValueError):
    """A data set that the node cannot keep.

    Attributes
    ----------
    status : int
        The C-STORE status (PS3.4 B.2.3): 0xA900 or 0xC000.
    reason : str
        What was found, without patient data.
    """

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason


class Encoded(Protocol):
    """Bytes of known length that can be sliced: bytes, a memoryview, or a `FileBytes`."""

    def __len__(self) -> int: ...
    def __getitem__(self, part: slice, /) -> bytes | memoryview: ...


class FileBytes:
    """A file seen as bytes, read in blocks as slices are asked for.

    A memory map would do the same, but one that is truncated by somebody else kills the process.

    Parameters
    ----------
    descriptor : int
        Open for reading; stays the caller's.
    start, end : int
        The part of the file that is seen.
    """

    _BLOCK = 16384

    def __init__(self, descriptor: int, start: int, end: int) -> None:
        self._descriptor = descriptor
        self._start = start
        self._length = max(0, end - start)
        self._block = b""
        self._block_at = 0

    def __len__(self) -> int:
        """Return the number of bytes."""
        return self._length

    def __getitem__(self, part: slice) -> bytes:
        """Return the bytes of a slice without step."""
        start, stop, _ = part.indices(self._length)
        first = start - self._block_at
        if first >= 0 and stop - self._block_at <= len(self._block):
            return self._block[first : stop - self._block_at]
        size = max(stop - start, self._BLOCK)
        self._block = os.pread(
            self._descriptor, min(size, self._length - start), self._start + start
        )
        self._block_at = start
        return self._block[: stop - start]


@dataclass(frozen=True)
class PixelElement:
    """Where pixel data lies.

    Attributes
    ----------
    length : int
        Bytes, of the value.
    encapsulated : bool
        Whether it is in fragments (PS3.5 A.4).
    tag : int
        Of Pixel Data, Float Pixel Data or Double Float Pixel Data.
    element, value : int
        Where the element and its value begin, in bytes from the start of the data set.
    """

    length: int
    encapsulated: bool
    tag: int = _PIXEL_DATA
    element: int = 0
    value: int = 0


class DataSetWalker:
    """Walks the elements of one data set; every step moves forward and is counted.

    Parameters
    ----------
    data : Encoded
    explicit : bool
        Explicit VR, else Implicit; Little Endian both.
    wanted : frozenset of int
        Top-level tags whose values are kept.

    Attributes
    ----------
    values : dict
        Values of the wanted elements that are there.
    pixels : PixelElement or None
    """

    def __init__(self, data: Encoded, explicit: bool, wanted: frozenset[int]) -> None:
        self._data = data
        self._end = len(data)
        self._explicit = explicit
        self._wanted = wanted
        self._left = MAX_ELEMENTS
        self.values: dict[int, bytes] = {}
        self.pixels: PixelElement | None = None

    def walk(self) -> None:
        """Walk to the end.

        Raises
        ------
        InvalidInstance
            The structure breaks PS3.5 7.
        """
        data, end, explicit = self._data, self._end, self._explicit
        values, wanted = self.values, self._wanted
        unpack, short_vrs, long_vrs = _EXPLICIT.unpack_from, _SHORT_VRS, _LONG_VRS
        # Bytes of the data set, where they begin, and up to where an element's head is in them.
        window, begins, within = b"", 0, -12
        at, previous = 0, -1
        while at < end:
            begin = at
            offset = at - begins
            if offset > within:
                window, begins, offset = bytes(data[at : at + _WINDOW]), at, 0
                within = len(window) - 12
            vr = b""
            if explicit and offset <= within:
                # What nearly all elements are, without a call for each; the rest is `_element`'s.
                group, element, vr, length = unpack(window, offset)
            if vr in short_vrs:
                tag, at = group << 16 | element, at + 8
                self._left -= 1
            elif vr in long_vrs:
                tag, at = group << 16 | element, at + 12
                (length,) = _LENGTH.unpack_from(window, offset + 8)
                self._left -= 1
            else:
                tag, vr, length, at = self._element(at, end, explicit)
            if self._left < 0:
                raise _too_many()
            # PS3.5 7.1: ascending, each once. Also what tells noise from data sets early.
            if tag <= previous:
                raise broken(f"element {_name(tag)} after {_name(previous)}")
            if tag < 0x00080000 or tag >> 16 == 0xFFFE:
                raise broken(f"element {_name(tag)} in a data set")
            previous = tag
            if length == _UNDEFINED:
                start = at
                at = self._undefined(at, end, tag, vr, explicit, 1)
                if tag == _PIXEL_DATA:
                    self.pixels = PixelElement(at - start, True, tag, begin, start)
                continue
            if length > end - at:
                raise broken(f"{_name(tag)} has {length} bytes, {end - at} are left")
            if tag in wanted:
                if length > _MAX_VALUE:
                    raise broken(f"{_name(tag)} has {length} bytes")
                first = at - begins
                if first + length <= within + 12:
                    values[tag] = window[first : first + length]
                else:
                    values[tag] = bytes(data[at : at + length])
            elif tag == _PIXEL_DATA or tag in _FLOAT_PIXEL_DATA:
                self.pixels = PixelElement(length, False, tag, begin, at)
            at += length

    def _count(self) -> None:
        self._left -= 1
        if self._left < 0:
            raise _too_many()

    def _element(self, at: int, end: int, explicit: bool) -> tuple[int, bytes, int, int]:
        """Read one element's tag, VR and length (PS3.5 7.1); also where its value starts."""
        self._count()
        if end - at < 8:
            raise broken(f"{end - at} bytes left where an element should start")
        head = self._data[at : at + 8]
        if len(head) < 8:
            raise broken("the file became shorter while it was read")
        if not explicit:
            group, element, length = _IMPLICIT.unpack(head)
            return group << 16 | element, b"", length, at + 8
        group, element, vr, length = _EXPLICIT.unpack(head)
        tag = group << 16 | element
        if vr in _SHORT_VRS:
            return tag, vr, length, at + 8
        if group == 0xFFFE:  # items and delimiters have no VR (PS3.5 7.5)
            return tag, b"", _LENGTH.unpack(head[4:8])[0], at + 8
        if vr not in _LONG_VRS:
            raise broken(f"{_name(tag)} has no value representation of PS3.5 6.2")
        if end - at < 12:
            raise broken(f"{_name(tag)} is cut off in its length")
        long_length = self._data[at + 8 : at + 12]
        if len(long_length) < 4:
            raise broken("the file became shorter while it was read")
        return tag, vr, _LENGTH.unpack(long_length)[0], at + 12

    def _undefined(self, at: int, end: int, tag: int, vr: bytes, explicit: bool, depth: int) -> int:
        """Walk a value of undefined length; return where the next element starts."""
        if depth > MAX_DEPTH:
            raise broken(f"sequences nested deeper than {MAX_DEPTH}")
        if vr in (b"OB", b"OW") or tag == _PIXEL_DATA:
            return self._fragments(at, end, tag)
        # PS3.5 6.2.2: UN of undefined length is a sequence in implicit VR.
        if vr in (b"", b"SQ", b"UN"):
            return self._items(at, end, tag, explicit and vr != b"UN", depth)
        raise broken(f"{_name(tag)} of undefined length")

    def _fragments(self, at: int, end: int, tag: int) -> int:
        """Walk encapsulated pixel data to its sequence delimiter (PS3.5 A.4)."""
        while True:
            item, _, length, at = self._element(at, end, explicit=False)
            if item == _SEQUENCE_END:
                return at
            if item != _ITEM:
                raise broken(f"{_name(item)} among the fragments of {_name(tag)}")
            if length > end - at:
                raise broken(f"a fragment of {_name(tag)} has {length} bytes, {end - at} are left")
            at += length

    def _items(self, at: int, end: int, tag: int, explicit: bool, depth: int) -> int:
        """Walk a sequence of undefined length (PS3.5 7.5.2)."""
        while True:
            item, _, length, at = self._element(at, end, explicit=False)
            if item == _SEQUENCE_END:
                return at
            if item != _ITEM:
                raise broken(f"{_name(item)} among the items of {_name(tag)}")
            if length == _UNDEFINED:
                at = self._item_elements(at, end, explicit, depth)
            elif length > end - at:
                raise broken(f"an item of {_name(tag)} has {length} bytes, {end - at} are left")
            else:
                at += length

    def _item_elements(self, at: int, end: int, explicit: bool, depth: int) -> int:
        while True:
            tag, vr, length, at = self._element(at, end, explicit)
            if tag == _ITEM_END:
                return at
            if tag >> 16 == 0xFFFE:
                raise broken(f"{_name(tag)} inside an item")
            if length == _UNDEFINED:
                at = self._undefined(at, end, tag, vr, explicit, depth + 1)
            elif length > end - at:
                raise broken(f"{_name(tag)} has {length} bytes, {end - at} are left")
            else:
                at += length


def meta_values(data: bytes) -> dict[int, bytes]:
    """Return the values of encoded file meta information (PS3.10 7.1), by tag.

    Raises
    ------
    InvalidInstance
        It is cut off, or holds something else.
    """
    walker = DataSetWalker(data, explicit=True, wanted=frozenset())
    values: dict[int, bytes] = {}
    at, end = 0, len(data)
    while at < end:
        tag, _, length, at = walker._element(at, end, explicit=True)
        if tag >> 16 != 2 or length > end - at:
            raise broken(f"{_name(tag)} of {length} bytes in the file meta information")
        values[tag] = data[at : at + length]
        at += length
    return values


def broken(reason: str) -> InvalidInstance:
    """Build the error of bytes that cannot be understood."""
    return InvalidInstance(CANNOT_UNDERSTAND, reason)


def _too_many() -> InvalidInstance:
    return broken(f"more than {MAX_ELEMENTS} elements")


def _name(tag: int) -> str:
    return f"({tag >> 16:04X},{tag & 0xFFFF:04X})" if tag >= 0 else "the start"
