"""What a reader found in one object or file."""

from __future__ import annotations

from dataclasses import dataclass

from dicomnode.marks.outline import Outline
from dicomnode.marks.recist_mark import RecistMark
from dicomnode.marks.segment import Segment, SegmentReference


@dataclass(frozen=True)
class Refusal:
    """Something that was found and cannot be used: where, and why, without patient data."""

    item: str
    reason: str


@dataclass(frozen=True)
class MarkReading:
    """All that a reader found in one object or file.

    A mark, an outline and a reference with the same `item` are one lesion in three forms.

    Attributes
    ----------
    marks : tuple of RecistMark
        One or two axes each.
    outlines : tuple of Outline
        Closed curves, one outline a lesion and reader.
    segments : tuple of Segment
        Masks.
    references : tuple of SegmentReference
        Lesions whose mask is in another object.
    refusals : tuple of Refusal
        What could not be used, item by item.
    """

    marks: tuple[RecistMark, ...] = ()
    outlines: tuple[Outline, ...] = ()
    segments: tuple[Segment, ...] = ()
    references: tuple[SegmentReference, ...] = ()
    refusals: tuple[Refusal, ...] = ()
