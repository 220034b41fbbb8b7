"""What one lesion is made of: the opinions of one or several readers, each in up to three forms."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from dataclasses import dataclass

import numpy as np

from dicomnode.marks.mark_reading import MarkReading
from dicomnode.marks.outline import Contour, Outline
from dicomnode.marks.recist_mark import Code, RecistMark
from dicomnode.marks.segment import Segment, SegmentReference


@dataclass(frozen=True, eq=False)
class Opinion:
    """What one reader said of one lesion in one object.

    Attributes
    ----------
    axes : RecistMark or None
    outline : Outline or None
    segment : SegmentReference or None
        By name, for its pixels stay in the SEG.
    category : Code or None
        Of what sort the segment says it is.
    """

    axes: RecistMark | None = None
    outline: Outline | None = None
    segment: SegmentReference | None = None
    category: Code | None = None

    def __post_init__(self) -> None:
        if not self.forms:
            raise ValueError("an opinion needs axes, an outline or a segment")

    @property
    def forms(self) -> tuple[RecistMark | Outline | SegmentReference, ...]:
        """Those that are there, the one that says most first."""
        return tuple(f for f in (self.segment, self.outline, self.axes) if f is not None)

    @property
    def source_sop_instance_uid(self) -> str:
        """The object that holds it."""
        return self.forms[0].source_sop_instance_uid

    @property
    def item(self) -> str:
        """Where in that object."""
        return self.forms[0].item

    @property
    def has_mask(self) -> bool:
        """Whether it says which voxels are lesion, rather than how long the lesion is."""
        return self.segment is not None or self.outline is not None

    @property
    def key(self) -> str:
        """Identity: the same forms at the same place, to 0.01 pixel or mm, give the same key.

        A segment is the same if it is of the same SEG; two SEGs are compared voxel by voxel when
        they have met their CT. Tracking UIDs and the holding object take no part.
        """
        if not self.has_mask:
            return self.axes.key
        parts = []
        if self.axes is not None:
            parts.append(self.axes.key)
        if self.outline is not None:
            parts.append(_outline_text(self.outline))
        if self.segment is not None:
            segment = self.segment
            named = (segment.seg_sop_instance_uid, segment.segment_number, segment.frames)
            parts.append(f"segment {named}")
        return hashlib.sha256("|".join(parts).encode()).hexdigest()


@dataclass(frozen=True, eq=False)
class LesionMark:
    """All that is known of one lesion.

    Attributes
    ----------
    opinions : tuple of Opinion
        At least one, each by another reader.
    """

    opinions: tuple[Opinion, ...]

    def __post_init__(self) -> None:
        if not self.opinions:
            raise ValueError("a lesion needs an opinion")

    @classmethod
    def of(cls, mark: RecistMark) -> LesionMark:
        """A lesion with two axes, or one, and nothing else."""
        return cls((Opinion(axes=mark),))

    @property
    def key(self) -> str:
        """Identity; several opinions in another order have the same key."""
        keys = sorted(opinion.key for opinion in self.opinions)
        if len(keys) == 1:
            return keys[0]
        return hashlib.sha256("|".join(keys).encode()).hexdigest()

    @property
    def has_mask(self) -> bool:
        """Whether an opinion says which voxels are lesion."""
        return any(opinion.has_mask for opinion in self.opinions)

    @property
    def axes(self) -> RecistMark | None:
        """The first axes."""
        return self._first("axes", self.opinions)

    @property
    def source_sop_instance_uid(self) -> str:
        """The object that holds the first opinion."""
        return self.opinions[0].source_sop_instance_uid

    @property
    def objects(self) -> tuple[str, ...]:
        """All objects that hold it or a segment of it, that of the first opinion first."""
        found: dict[str, None] = {}
        for opinion in self.opinions:
            found[opinion.source_sop_instance_uid] = None
            if opinion.segment is not None:
                found[opinion.segment.seg_sop_instance_uid] = None
        return tuple(found)

    @property
    def item(self) -> str:
        """Where in that object."""
        return self.opinions[0].item

    @property
    def tracking_id(self) -> str | None:
        """The first one that a reader gave."""
        return self._first("tracking_id", self._forms)

    @property
    def tracking_uid(self) -> str | None:
        """The first one that a reader gave."""
        return self._first("tracking_uid", self._forms)

    @property
    def finding(self) -> Code | None:
        """What was marked, as the first reader who says so has it."""
        return self._first("finding", self._forms)

    @property
    def site(self) -> Code | None:
        """Where it is, as the first reader who says so has it."""
        return self._first("site", self._forms)

    @property
    def _forms(self) -> tuple[RecistMark | Outline | SegmentReference, ...]:
        return tuple(form for opinion in self.opinions for form in opinion.forms)

    @staticmethod
    def _first(name: str, things: tuple) -> object:
        return next((v for v in (getattr(t, name) for t in things) if v is not None), None)


def reference_to(segment: Segment) -> SegmentReference:
    """Name a segment, for what has no need of its pixels."""
    return SegmentReference(
        seg_sop_instance_uid=segment.source_sop_instance_uid,
        segment_number=segment.number,
        frames=(),
        source_sop_instance_uid=segment.source_sop_instance_uid,
        item=segment.item,
        tracking_id=segment.tracking_id,
        tracking_uid=segment.tracking_uid,
        finding=segment.finding,
        site=segment.site,
    )


def lesions_of(reading: MarkReading) -> tuple[LesionMark, ...]:
    """Sort what a reader found in one object into lesions.

    Axes, an outline and a reference with the same item are one lesion. Where an item holds several
    of one form, the first of each go together and every other one is a lesion of its own. Frames
    of one segment that are referred to one by one are one reference.

    Parameters
    ----------
    reading : MarkReading

    Returns
    -------
    tuple of LesionMark
        Of one opinion each: axes first, then outlines, segments, references.
    """
    axes, outlines, references = defaultdict(list), defaultdict(list), defaultdict(list)
    for mark in reading.marks:
        axes[mark.item].append(mark)
    for outline in reading.outlines:
        outlines[outline.item].append(outline)
    for reference in _whole_references(reading.references):
        references[reference.item].append(reference)
    found = []
    for item in dict.fromkeys((*axes, *outlines)):
        found.extend(_zipped(axes[item], outlines[item], references.pop(item, [])))
    for segment in reading.segments:
        found.append(Opinion(segment=reference_to(segment), category=segment.category))
    for alone in references.values():
        found.extend(Opinion(segment=reference) for reference in alone)
    return tuple(LesionMark((opinion,)) for opinion in found)


def _zipped(
    axes: list[RecistMark], outlines: list[Outline], references: list[SegmentReference]
) -> list[Opinion]:
    first = Opinion(*(forms[0] if forms else None for forms in (axes, outlines, references)))
    return [
        first,
        *(Opinion(axes=mark) for mark in axes[1:]),
        *(Opinion(outline=outline) for outline in outlines[1:]),
        *(Opinion(segment=reference) for reference in references[1:]),
    ]


def _whole_references(references: tuple[SegmentReference, ...]) -> list[SegmentReference]:
    """One reference for each item and segment, with all frames that were named; () for all."""
    frames: dict[tuple, list[tuple[int, ...]]] = defaultdict(list)
    first: dict[tuple, SegmentReference] = {}
    for reference in references:
        key = (reference.item, reference.seg_sop_instance_uid, reference.segment_number)
        first.setdefault(key, reference)
        frames[key].append(reference.frames)
    return [
        SegmentReference(
            **{
                **vars(reference),
                "frames": ()
                if () in frames[key]
                else tuple(sorted({number for numbers in frames[key] for number in numbers})),
            }
        )
        for key, reference in first.items()
    ]


def _outline_text(outline: Outline) -> str:
    contours = sorted(_contour_text(contour, outline) for contour in outline.contours)
    return "outline " + " ".join(contours)


def _contour_text(contour: Contour, outline: Outline) -> str:
    """The place and the corners, wherever the writer began and whichever way it went around."""
    place = (
        outline.frame_of_reference_uid if contour.in_space else contour.referenced_sop_instance_uid
    )
    corners = (np.round(contour.points * 100) + 0.0).astype(np.int64)
    corners = corners[np.lexsort(corners.T)]
    digest = hashlib.sha256(np.ascontiguousarray(corners).tobytes()).hexdigest()
    return f"{place}|{contour.referenced_frame or 1}|{contour.encloses_lesion}|{digest}"
