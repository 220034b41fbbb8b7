"""Read the marks of any file: its form is found by its content, never by its name."""

from __future__ import annotations

import io
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from pydicom.dataset import Dataset

from dicomnode.faults import describe_fault
from dicomnode.marks import safe_xml
from dicomnode.marks.aim import read_aim
from dicomnode.marks.attributes import read_uid
from dicomnode.marks.deeplesion import MAX_BYTES as MAX_CSV_BYTES
from dicomnode.marks.deeplesion import read_deeplesion
from dicomnode.marks.dicom_object import UnreadableMarkFile, read_object
from dicomnode.marks.lidc_xml import read_lidc_xml
from dicomnode.marks.mark_reading import MarkReading
from dicomnode.marks.read_marks import read_marks

MAX_DICOM_BYTES = 2 * 1024**3
"""Greatest DICOM file that is read: a SEG of 2,000 frames of 1024 x 1024 bytes."""

_HEAD = 4096
_PREAMBLE = 128
_XML_STARTS = (b"<", b"\xef\xbb\xbf<", b"\xff\xfe<\0", b"\xfe\xff\0<")
_CSV_COLUMNS = (b"File_name", b"Measurement_coordinates")


class MarkForm(Enum):
    """How a file holds its marks."""

    DICOM = "DICOM object"
    AIM = "AIM XML"
    LIDC = "LIDC XML"
    DEEPLESION = "DeepLesion table"


@dataclass(frozen=True, eq=False)
class MarkFile:
    """What a file is and what was read of it.

    Attributes
    ----------
    form : MarkForm
    reading : MarkReading
    sop_class_uid : str or None
        Of a DICOM object.
    sop_instance_uid : str or None
        The same.
    dataset : Dataset or None
        The DICOM object itself.
    """

    form: MarkForm
    reading: MarkReading
    sop_class_uid: str | None = None
    sop_instance_uid: str | None = None
    dataset: Dataset | None = None


def read_mark_file(path: Path) -> MarkFile:
    """Find out the form of a file and read its marks.

    Parameters
    ----------
    path : Path
        A DICOM object (with or without preamble and file meta information, PS3.10 7.1), AIM 3 or
        4 XML, LIDC XML or a DeepLesion table.

    Returns
    -------
    MarkFile
        What cannot be used of a file in one of these forms is a refusal in its reading.

    Raises
    ------
    UnreadableMarkFile
        If the file is in none of these forms, is too large, or cannot be parsed at all. The
        message holds nothing of its content.
    OSError
        If it cannot be opened.
    """
    path = Path(path)
    size = path.stat().st_size
    with open(path, "rb") as file:
        head = file.read(_HEAD)
        if _is_dicom(head):
            if size > MAX_DICOM_BYTES:
                raise UnreadableMarkFile(
                    f"found a DICOM file of {size} bytes, expected at most {MAX_DICOM_BYTES}"
                )
            file.seek(0)
            return _read_dicom(file)
        content = head + file.read(max(MAX_CSV_BYTES, safe_xml.MAX_BYTES) + 1 - len(head))
    return read_mark_bytes(content)


def read_mark_bytes(content: bytes) -> MarkFile:
    """As `read_mark_file`, for a file that is in memory."""
    head = content[:_HEAD]
    if _is_dicom(head):
        return _read_dicom(io.BytesIO(content))
    if head.lstrip(b" \t\r\n").startswith(_XML_STARTS):
        return _read_xml(content)
    header = head.splitlines()[0] if head.strip() else b""
    if all(name in header for name in _CSV_COLUMNS):
        return MarkFile(MarkForm.DEEPLESION, read_deeplesion(content))
    raise UnreadableMarkFile(
        "neither a DICOM object nor AIM XML, LIDC XML or a DeepLesion table, by its first bytes"
    )


def _is_dicom(head: bytes) -> bool:
    """Whether a file starts as PS3.10 7.1 says, or with an element of group 0002 or 0008."""
    if head[_PREAMBLE : _PREAMBLE + 4] == b"DICM":
        return True
    return len(head) > 8 and head[:2] in (b"\x02\0", b"\x08\0") and head[3] == 0


def _read_dicom(file: io.BufferedIOBase) -> MarkFile:
    try:
        dataset = read_object(file)
        found = read_uid(dataset, "SOPClassUID"), read_uid(dataset, "SOPInstanceUID")
    except UnreadableMarkFile:
        raise
    except Exception as error:  # pydicom raises many types, and quotes what it found
        raise UnreadableMarkFile(
            f"begins as DICOM, but cannot be parsed: {describe_fault(error)}"
        ) from None
    if found == (None, None):
        raise UnreadableMarkFile("begins as DICOM, but has neither SOP Class nor Instance UID")
    return MarkFile(MarkForm.DICOM, read_marks(dataset), *found, dataset)


def _read_xml(content: bytes) -> MarkFile:
    try:
        root = safe_xml.parse(content)
    except safe_xml.UnsafeXml as problem:
        raise UnreadableMarkFile(str(problem)) from None
    if root.tag == "LidcReadMessage":
        return MarkFile(MarkForm.LIDC, read_lidc_xml(content, root))
    if root.tag in ("ImageAnnotationCollection", "ImageAnnotation") or (
        next(root.iter("ImageAnnotation"), None) is not None
    ):
        return MarkFile(MarkForm.AIM, read_aim(content, root))
    if root.tag == "annotation" and next(root.iter("bndbox"), None) is not None:
        raise UnreadableMarkFile("Pascal VOC boxes: a box holds a lesion, it does not outline it")
    raise UnreadableMarkFile("XML, but neither AIM (ImageAnnotation) nor LIDC (LidcReadMessage)")
