"""One pass over an encoded data set: is it whole, and what does it say it is.

Only the structure (PS3.5 7) is walked; values are read for the few attributes that the node
routes and joins by. No pixel data is read.
"""

from __future__ import annotations

import math
import os
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from pydicom.charset import convert_encodings, decode_bytes, python_encoding
from pydicom.valuerep import TEXT_VR_DELIMS

from dicomnode.receive.sop_classes import (
    IMAGE_CLASSES,
    IMPLICIT_VR_LE,
    LOSSLESS,
    UNCOMPRESSED,
)
from dicomnode.store.files import data_set_offset
from dicomnode.store.received import InstanceHeader
from dicomnode.store.uid import is_valid_uid

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

_CHARACTER_SET = 0x00080005
_VALUES = frozenset(
    {
        _CHARACTER_SET,
        0x00080008,  # Image Type
        0x00080016,  # SOP Class UID
        0x00080018,  # SOP Instance UID
        0x00080060,  # Modality
        0x00081030,  # Study Description
        0x0008103E,  # Series Description
        0x00180015,  # Body Part Examined
        0x00180050,  # Slice Thickness
        0x0020000D,  # Study Instance UID
        0x0020000E,  # Series Instance UID
        0x00200012,  # Acquisition Number
        0x00200013,  # Instance Number
        0x00200032,  # Image Position (Patient)
        0x00200037,  # Image Orientation (Patient)
        0x00200052,  # Frame of Reference UID
        0x00280002,  # Samples per Pixel
        0x00280004,  # Photometric Interpretation
        0x00280008,  # Number of Frames
        0x00280010,  # Rows
        0x00280011,  # Columns
        0x00280030,  # Pixel Spacing
        0x00280100,  # Bits Allocated
    }
)
_MAX_VALUE = 65534
_MAX_META = 2**20

_TAG = struct.Struct("<HH")
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
class _PixelElement:
    length: int
    encapsulated: bool


class _Walker:
    """Walks the elements of one data set; every step moves forward and is counted."""

    def __init__(self, data: Encoded, explicit: bool) -> None:
        self._data = data
        self._end = len(data)
        self._explicit = explicit
        self._left = MAX_ELEMENTS
        self.values: dict[int, bytes] = {}
        self.pixels: _PixelElement | None = None

    def walk(self) -> None:
        data, end, explicit = self._data, self._end, self._explicit
        values = self.values
        at, previous = 0, -1
        while at < end:
            tag, vr, length, at = self._element(at, end, explicit)
            # PS3.5 7.1: ascending, each once. Also what tells noise from data sets early.
            if tag <= previous:
                raise _broken(f"element {_name(tag)} after {_name(previous)}")
            if tag < 0x00080000 or tag >> 16 == 0xFFFE:
                raise _broken(f"element {_name(tag)} in a data set")
            previous = tag
            if length == _UNDEFINED:
                start = at
                at = self._undefined(at, end, tag, vr, explicit, 1)
                if tag == _PIXEL_DATA:
                    self.pixels = _PixelElement(at - start, encapsulated=True)
                continue
            if length > end - at:
                raise _broken(f"{_name(tag)} has {length} bytes, {end - at} are left")
            if tag in _VALUES:
                if length > _MAX_VALUE:
                    raise _broken(f"{_name(tag)} has {length} bytes")
                values[tag] = bytes(data[at : at + length])
            elif tag == _PIXEL_DATA or tag in _FLOAT_PIXEL_DATA:
                self.pixels = _PixelElement(length, encapsulated=False)
            at += length

    def _element(self, at: int, end: int, explicit: bool) -> tuple[int, bytes, int, int]:
        """Read one element's tag, VR and length (PS3.5 7.1); also where its value starts."""
        self._left -= 1
        if self._left < 0:
            raise _broken(f"more than {MAX_ELEMENTS} elements")
        if end - at < 8:
            raise _broken(f"{end - at} bytes left where an element should start")
        head = self._data[at : at + 8]
        if len(head) < 8:
            raise _broken("the file became shorter while it was read")
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
            raise _broken(f"{_name(tag)} has no value representation of PS3.5 6.2")
        if end - at < 12:
            raise _broken(f"{_name(tag)} is cut off in its length")
        long_length = self._data[at + 8 : at + 12]
        if len(long_length) < 4:
            raise _broken("the file became shorter while it was read")
        return tag, vr, _LENGTH.unpack(long_length)[0], at + 12

    def _undefined(self, at: int, end: int, tag: int, vr: bytes, explicit: bool, depth: int) -> int:
        """Walk a value of undefined length; return where the next element starts."""
        if depth > MAX_DEPTH:
            raise _broken(f"sequences nested deeper than {MAX_DEPTH}")
        if vr in (b"OB", b"OW") or tag == _PIXEL_DATA:
            return self._fragments(at, end, tag)
        # PS3.5 6.2.2: UN of undefined length is a sequence in implicit VR.
        if vr in (b"", b"SQ", b"UN"):
            return self._items(at, end, tag, explicit and vr != b"UN", depth)
        raise _broken(f"{_name(tag)} of undefined length")

    def _fragments(self, at: int, end: int, tag: int) -> int:
        """Walk encapsulated pixel data to its sequence delimiter (PS3.5 A.4)."""
        while True:
            item, _, length, at = self._element(at, end, explicit=False)
            if item == _SEQUENCE_END:
                return at
            if item != _ITEM:
                raise _broken(f"{_name(item)} among the fragments of {_name(tag)}")
            if length > end - at:
                raise _broken(f"a fragment of {_name(tag)} has {length} bytes, {end - at} are left")
            at += length

    def _items(self, at: int, end: int, tag: int, explicit: bool, depth: int) -> int:
        """Walk a sequence of undefined length (PS3.5 7.5.2)."""
        while True:
            item, _, length, at = self._element(at, end, explicit=False)
            if item == _SEQUENCE_END:
                return at
            if item != _ITEM:
                raise _broken(f"{_name(item)} among the items of {_name(tag)}")
            if length == _UNDEFINED:
                at = self._item_elements(at, end, explicit, depth)
            elif length > end - at:
                raise _broken(f"an item of {_name(tag)} has {length} bytes, {end - at} are left")
            else:
                at += length

    def _item_elements(self, at: int, end: int, explicit: bool, depth: int) -> int:
        while True:
            tag, vr, length, at = self._element(at, end, explicit)
            if tag == _ITEM_END:
                return at
            if tag >> 16 == 0xFFFE:
                raise _broken(f"{_name(tag)} inside an item")
            if length == _UNDEFINED:
                at = self._undefined(at, end, tag, vr, explicit, depth + 1)
            elif length > end - at:
                raise _broken(f"{_name(tag)} has {length} bytes, {end - at} are left")
            else:
                at += length


def read_data_set(
    data: Encoded,
    transfer_syntax_uid: str,
    *,
    sop_class_uid: str | None = None,
    sop_instance_uid: str | None = None,
) -> InstanceHeader:
    """Validate an encoded data set and read what the node routes and joins by.

    Parameters
    ----------
    data : bytes, memoryview or FileBytes
        The data set, without preamble and file meta information.
    transfer_syntax_uid : str
        Implicit or Explicit VR Little Endian, or a lossless encapsulated one.
    sop_class_uid, sop_instance_uid : str, optional
        What the command set (PS3.7 9.1.1) or the file meta information said; the data set must
        say the same.

    Raises
    ------
    InvalidInstance
        0xC000 when the bytes cannot be understood (PS3.5 7), 0xA900 when they are not an
        instance of the SOP class, or another one than announced.
    """
    encapsulated = transfer_syntax_uid in LOSSLESS
    if not encapsulated and transfer_syntax_uid not in UNCOMPRESSED:
        raise _broken("the transfer syntax is not one that the node reads")
    if len(data) == 0:
        raise _broken("the data set is empty")
    walker = _Walker(data, explicit=transfer_syntax_uid != IMPLICIT_VR_LE)
    walker.walk()
    values = walker.values

    found_class = _required_uid(values, 0x00080016, "SOP Class UID")
    found_instance = _required_uid(values, 0x00080018, "SOP Instance UID")
    study = _required_uid(values, 0x0020000D, "Study Instance UID")
    series = _required_uid(values, 0x0020000E, "Series Instance UID")
    if sop_class_uid is not None and found_class != sop_class_uid:
        raise _mismatch("SOP Class UID differs from the announced one")
    if sop_instance_uid is not None and found_instance != sop_instance_uid:
        raise _mismatch("SOP Instance UID differs from the announced one")

    rows, columns = _unsigned(values, 0x00280010), _unsigned(values, 0x00280011)
    frames = _integer(values, 0x00280008)
    if found_class in IMAGE_CLASSES:
        _check_pixels(walker.pixels, values, rows, columns, frames, encapsulated)

    encodings = values.get(_CHARACTER_SET, b"")
    frame_of_reference = _uid(values, 0x00200052)
    return InstanceHeader(
        sop_class_uid=found_class,
        sop_instance_uid=found_instance,
        study_instance_uid=study,
        series_instance_uid=series,
        transfer_syntax_uid=transfer_syntax_uid,
        modality=_code(values, 0x00080060),
        body_part=_code(values, 0x00180015),
        study_description=_text(values.get(0x00081030, b""), encodings),
        series_description=_text(values.get(0x0008103E, b""), encodings),
        image_type=_codes(values, 0x00080008),
        instance_number=_integer(values, 0x00200013),
        acquisition_number=_integer(values, 0x00200012),
        frame_of_reference_uid=frame_of_reference if is_valid_uid(frame_of_reference) else None,
        rows=rows,
        columns=columns,
        number_of_frames=frames,
        image_position=_decimals(values, 0x00200032, 3),
        image_orientation=_decimals(values, 0x00200037, 6),
        pixel_spacing=_decimals(values, 0x00280030, 2),
        slice_thickness=(_decimals(values, 0x00180050, 1) or (None,))[0],
    )


@dataclass(frozen=True)
class Part10File:
    """What a Part 10 file says of itself.

    Attributes
    ----------
    header : InstanceHeader
    size : int
        Bytes.
    source_ae, receiving_ae : str
        (0002,0016) and (0002,0018): how the file came here, where its writer noted it.
    """

    header: InstanceHeader
    size: int
    source_ae: str
    receiving_ae: str


def read_file(path: Path) -> Part10File:
    """Validate a Part 10 file, and read its header and where it came from.

    Raises
    ------
    InvalidInstance
        It is not a Part 10 file (PS3.10 7.1), or `read_data_set` refuses its data set.
    OSError
        It cannot be read.
    """
    with open(path, "rb", buffering=0) as file:
        offset = data_set_offset(file)
        size = os.fstat(file.fileno()).st_size
        if not 0 < offset <= size:
            raise _broken("not a DICOM file (PS3.10 7.1)")
        meta = _meta_values(os.pread(file.fileno(), min(offset, _MAX_META) - 132, 132))
        header = read_data_set(
            FileBytes(file.fileno(), offset, size),
            _required_uid(meta, 0x00020010, "Transfer Syntax UID"),
            sop_class_uid=_required_uid(meta, 0x00020002, "Media Storage SOP Class UID"),
            sop_instance_uid=_required_uid(meta, 0x00020003, "Media Storage SOP Instance UID"),
        )
    return Part10File(header, size, _code(meta, 0x00020016), _code(meta, 0x00020018))


def read_header(path: Path) -> InstanceHeader:
    """Validate a Part 10 file and read what the node routes and joins by; as `read_file`."""
    return read_file(path).header


def _meta_values(data: bytes) -> dict[int, bytes]:
    walker = _Walker(data, explicit=True)
    values: dict[int, bytes] = {}
    at, end = 0, len(data)
    while at < end:
        tag, _, length, at = walker._element(at, end, explicit=True)
        if tag >> 16 != 2 or length > end - at:
            raise _broken(f"{_name(tag)} of {length} bytes in the file meta information")
        values[tag] = data[at : at + length]
        at += length
    return values


def _check_pixels(
    pixels: _PixelElement | None,
    values: dict[int, bytes],
    rows: int | None,
    columns: int | None,
    frames: int | None,
    encapsulated: bool,
) -> None:
    if pixels is None:
        raise _mismatch("an image without pixel data")
    if not rows or not columns:
        raise _mismatch("an image without rows or columns")
    if pixels.encapsulated != encapsulated:
        raise _broken("pixel data not encoded as its transfer syntax says")
    if encapsulated:
        return
    bits = _unsigned(values, 0x00280100)
    if not bits:
        raise _mismatch("an image without bits allocated")
    samples = _unsigned(values, 0x00280002) or 1
    count = rows * columns * samples * max(frames or 1, 1)
    if _code(values, 0x00280004) == "YBR_FULL_422":  # PS3.3 C.7.6.3.1.2: two pixels share chroma
        count = count * 2 // 3
    expected = (count * bits + 7) // 8
    if pixels.length < expected:
        raise _broken(f"pixel data of {pixels.length} bytes, expected {expected}")


def _broken(reason: str) -> InvalidInstance:
    return InvalidInstance(CANNOT_UNDERSTAND, reason)


def _mismatch(reason: str) -> InvalidInstance:
    return InvalidInstance(DOES_NOT_MATCH_SOP_CLASS, reason)


def _name(tag: int) -> str:
    return f"({tag >> 16:04X},{tag & 0xFFFF:04X})" if tag >= 0 else "the start"


def _uid(values: dict[int, bytes], tag: int) -> str:
    # A UID is padded with one NUL (PS3.5 9.1); some writers pad with a space.
    return values.get(tag, b"").rstrip(b"\0 ").decode("ascii", "replace")


def _required_uid(values: dict[int, bytes], tag: int, name: str) -> str:
    if tag not in values:
        raise _mismatch(f"{name} is missing")
    uid = _uid(values, tag)
    if not is_valid_uid(uid):
        raise _mismatch(f"{name} is not a UID by PS3.5 9.1")
    return uid


def _codes(values: dict[int, bytes], tag: int) -> tuple[str, ...]:
    text = values.get(tag, b"").decode("ascii", "replace")
    codes = tuple(part.strip(" \0") for part in text.split("\\"))
    return () if codes == ("",) else codes


def _code(values: dict[int, bytes], tag: int) -> str:
    return (_codes(values, tag) or ("",))[0]


def _unsigned(values: dict[int, bytes], tag: int) -> int | None:
    value = values.get(tag, b"")
    return int.from_bytes(value[:2], "little") if len(value) >= 2 else None


def _integer(values: dict[int, bytes], tag: int) -> int | None:
    text = values.get(tag, b"").split(b"\\")[0].strip(b" \0")
    digits = text[1:] if text[:1] in (b"+", b"-") else text
    # IS (PS3.5 6.2) has 12 characters at most; also keeps int() from huge numbers.
    return int(text) if digits.isdigit() and len(digits) <= 12 else None


def _decimals(values: dict[int, bytes], tag: int, count: int) -> tuple[float, ...] | None:
    parts = values.get(tag, b"").split(b"\\")
    if len(parts) != count or any(b"_" in part for part in parts):
        return None
    try:
        numbers = tuple(float(part.strip(b" \0")) for part in parts)
    except ValueError:
        return None
    return numbers if all(map(math.isfinite, numbers)) else None


def _text(value: bytes, character_set: bytes) -> str:
    """Decode an LO value by Specific Character Set (PS3.3 C.12.1.1.2)."""
    if not value:
        return ""
    terms = [term.strip(b" \0").decode("ascii", "replace") for term in character_set.split(b"\\")]
    if value.isascii() and b"\x1b" not in value and "ISO_IR 13" not in terms:
        return value.decode("ascii").strip(" \0")
    if all(term in python_encoding for term in terms):
        try:
            return decode_bytes(value, convert_encodings(terms), TEXT_VR_DELIMS).strip(" \0")
        except (LookupError, UnicodeError):
            pass
    return value.decode("latin-1").strip(" \0")
