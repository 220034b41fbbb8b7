"""Is an encoded data set whole, and what does it say it is.

Values are read of the few attributes that the node routes and joins by; no pixel data is read.
"""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from pydicom.charset import convert_encodings, decode_bytes, python_encoding
from pydicom.valuerep import TEXT_VR_DELIMS

from dicomnode.receive.encoded import (
    DOES_NOT_MATCH_SOP_CLASS,
    DataSetWalker,
    Encoded,
    FileBytes,
    InvalidInstance,
    PixelElement,
    broken,
    meta_values,
)
from dicomnode.receive.sop_classes import (
    IMAGE_CLASSES,
    IMPLICIT_VR_LE,
    LOSSLESS,
    UNCOMPRESSED,
)
from dicomnode.store.part_file import data_set_offset
from dicomnode.store.received import InstanceHeader
from dicomnode.store.uid import is_valid_uid

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
        0x00200242,  # SOP Instance UID of Concatenation Source
        0x00280002,  # Samples per Pixel
        0x00280004,  # Photometric Interpretation
        0x00280008,  # Number of Frames
        0x00280010,  # Rows
        0x00280011,  # Columns
        0x00280030,  # Pixel Spacing
        0x00280100,  # Bits Allocated
    }
)
_MAX_META = 2**20


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
        raise broken("the transfer syntax is not one that the node reads")
    if len(data) == 0:
        raise broken("the data set is empty")
    walker = DataSetWalker(data, transfer_syntax_uid != IMPLICIT_VR_LE, _VALUES)
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
    concatenated = _uid(values, 0x00200242)
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
        frame_of_reference_uid=frame_of_reference if is_valid_uid(frame_of_reference) else None,
        rows=rows,
        columns=columns,
        number_of_frames=frames,
        image_position=_decimals(values, 0x00200032, 3),
        image_orientation=_decimals(values, 0x00200037, 6),
        pixel_spacing=_decimals(values, 0x00280030, 2),
        slice_thickness=(_decimals(values, 0x00180050, 1) or (None,))[0],
        concatenation_source_uid=concatenated if is_valid_uid(concatenated) else None,
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
            raise broken("not a DICOM file (PS3.10 7.1)")
        meta = meta_values(os.pread(file.fileno(), min(offset, _MAX_META) - 132, 132))
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


def _check_pixels(
    pixels: PixelElement | None,
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
        raise broken("pixel data not encoded as its transfer syntax says")
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
        raise broken(f"pixel data of {pixels.length} bytes, expected {expected}")


def _mismatch(reason: str) -> InvalidInstance:
    return InvalidInstance(DOES_NOT_MATCH_SOP_CLASS, reason)


def _uid(values: dict[int, bytes], tag: int) -> str:
    value = values.get(tag, b"")
    return _known_uid(value) if len(value) <= _SHORT else _uid_of(value)


def _uid_of(value: bytes) -> str:
    # A UID is padded with one NUL (PS3.5 9.1); some writers pad with a space.
    return value.rstrip(b"\0 ").decode("ascii", "replace")


def _required_uid(values: dict[int, bytes], tag: int, name: str) -> str:
    if tag not in values:
        raise _mismatch(f"{name} is missing")
    uid = _uid(values, tag)
    if not is_valid_uid(uid):
        raise _mismatch(f"{name} is not a UID by PS3.5 9.1")
    return uid


def _codes(values: dict[int, bytes], tag: int) -> tuple[str, ...]:
    value = values.get(tag, b"")
    return _known_codes(value) if len(value) <= _SHORT else _codes_of(value)


def _codes_of(value: bytes) -> tuple[str, ...]:
    codes = tuple(part.strip(" \0") for part in value.decode("ascii", "replace").split("\\"))
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
    value = values.get(tag, b"")
    return _known_decimals(value, count) if len(value) <= _SHORT else _decimals_of(value, count)


def _decimals_of(value: bytes, count: int) -> tuple[float, ...] | None:
    parts = value.split(b"\\")
    if len(parts) != count or b"_" in value:
        return None
    try:
        numbers = tuple([float(part.strip(b" \0")) for part in parts])
    except ValueError:
        return None
    return numbers if all(map(math.isfinite, numbers)) else None


# Most of what a slice says the one before it said, too. Six DS with their padding are the longest
# value that is read so; anything longer is hostile, or not worth keeping.
_SHORT = 128
_known_uid = lru_cache(maxsize=256)(_uid_of)
_known_codes = lru_cache(maxsize=256)(_codes_of)
_known_decimals = lru_cache(maxsize=256)(_decimals_of)


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
