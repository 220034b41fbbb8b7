"""Marks that radiologists leave in PACS objects: `read_marks` reads, `place` puts on a CT slice."""

from __future__ import annotations

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
from dicomnode.marks.read_marks import READERS, read_marks
from dicomnode.marks.recist_mark import Code, RecistMark
from dicomnode.marks.segment import (
    Segment,
    SegmentFrame,
    SegmentKind,
    SegmentReference,
    UndecodableFrame,
)
from dicomnode.marks.tid1500 import read_tid1500

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
