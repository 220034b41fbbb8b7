"""Marks that radiologists leave in PACS objects: `read_marks` reads, `place` puts on a CT slice.

A new form of mark is one file with one reader and one line in `READERS`.
"""

from __future__ import annotations

from collections.abc import Callable

from pydicom.dataset import Dataset

from dicomnode.marks.mark_reading import MarkReading, Refusal
from dicomnode.marks.outline import Contour, Outline
from dicomnode.marks.placement import (
    ImagePlane,
    NoGeometry,
    OffPlane,
    OtherFrameOfReference,
    OutsideImage,
    Unplaceable,
    off_plane_mm,
    place,
)
from dicomnode.marks.quality import AbsurdAxis, check_quality
from dicomnode.marks.recist_mark import Code, RecistMark
from dicomnode.marks.segment import (
    Segment,
    SegmentFrame,
    SegmentKind,
    SegmentReference,
    UndecodableFrame,
)
from dicomnode.marks.tid1500 import read_tid1500

READERS: dict[str, Callable[[Dataset], MarkReading]] = {
    "1.2.840.10008.5.1.4.1.1.88.22": read_tid1500,  # Enhanced SR
    "1.2.840.10008.5.1.4.1.1.88.33": read_tid1500,  # Comprehensive SR
    "1.2.840.10008.5.1.4.1.1.88.34": read_tid1500,  # Comprehensive 3D SR
}
"""SOP Class UID to the reader of its marks."""


def read_marks(dataset: Dataset) -> MarkReading:
    """Read all marks of one object; one refusal where its SOP class has no reader yet."""
    try:
        sop_class_uid = str(dataset.SOPClassUID)
    except Exception:  # absent, or pydicom cannot decode it
        return MarkReading(refusals=(Refusal("1", "the object has no readable SOP Class UID"),))
    reader = READERS.get(sop_class_uid)
    if reader is None:
        reason = f"no reader yet for marks of SOP class {sop_class_uid}"
        return MarkReading(refusals=(Refusal("1", reason),))
    return reader(dataset)


__all__ = [
    "READERS",
    "AbsurdAxis",
    "Code",
    "Contour",
    "ImagePlane",
    "MarkReading",
    "NoGeometry",
    "OffPlane",
    "OtherFrameOfReference",
    "Outline",
    "OutsideImage",
    "RecistMark",
    "Refusal",
    "Segment",
    "SegmentFrame",
    "SegmentKind",
    "SegmentReference",
    "UndecodableFrame",
    "Unplaceable",
    "check_quality",
    "off_plane_mm",
    "place",
    "read_marks",
    "read_tid1500",
]
