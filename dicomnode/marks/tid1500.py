"""RECIST marks in TID 1500 Imaging Measurement Reports: the bidirectional form.

A measurement group (PS3.16 TID 1501) holds a NUM long axis and a NUM short axis, each INFERRED
FROM a SCOORD polyline of two points, SELECTED FROM an image, or from a SCOORD3D polyline in a
frame of reference. dcmjs (OHIF), ePAD and highdicom write it so, in SNOMED CT or SNOMED RT codes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from pydicom.dataset import Dataset

from dicomnode.marks import codes
from dicomnode.marks.mark_reading import MarkReading, Refusal
from dicomnode.marks.recist_mark import Code, RecistMark
from dicomnode.marks.sr_tree import ContentItem


class _Unreadable(Exception):
    """What one item lacks to be a mark."""

    def __init__(self, item: ContentItem, reason: str) -> None:
        super().__init__(reason)
        self.refusal = Refusal(item.label, reason)


@dataclass(frozen=True, eq=False)
class _Axis:
    points: npt.NDArray[np.float64]
    sop_instance_uid: str | None
    frame: int | None
    frame_of_reference_uid: str | None
    stated_mm: float | None

    @property
    def place(self) -> tuple[int, str | None, int, str | None]:
        return (
            self.points.shape[1],
            self.sop_instance_uid,
            self.frame or 1,
            self.frame_of_reference_uid,
        )


def read_tid1500(dataset: Dataset) -> MarkReading:
    """Read all bidirectional marks of a report.

    Parameters
    ----------
    dataset : Dataset
        A structured report of any SOP class. It may break the standard.

    Returns
    -------
    MarkReading
        One mark for each group with a readable long axis. A group that holds something else, and
        an axis that cannot be read, is a refusal at its own position; the others are not touched.
        A document without measurement groups is one refusal.
    """
    root = ContentItem(dataset)
    source = _source_uid(dataset)
    if source is None:
        return MarkReading(refusals=(Refusal("1", "the report has no SOP Instance UID"),))
    marks: list[RecistMark] = []
    refusals: list[Refusal] = []
    for group in root.walk():
        if group.value_type != "CONTAINER" or not group.is_named(codes.MEASUREMENT_GROUP):
            continue
        try:
            marks.append(_read_group(group, root, source, refusals))
        except _Unreadable as problem:
            refusals.append(problem.refusal)
    if not marks and not refusals:
        refusals.append(Refusal("1", "no measurement group (125007, DCM) in this report"))
    return MarkReading(marks=tuple(marks), refusals=tuple(refusals))


def _source_uid(dataset: Dataset) -> str | None:
    try:
        return str(dataset.SOPInstanceUID) or None
    except Exception:  # absent or undecodable: see sr_tree
        return None


def _read_group(
    group: ContentItem, root: ContentItem, source: str, refusals: list[Refusal]
) -> RecistMark:
    children = group.children
    long_items = [c for c in children if c.value_type == "NUM" and c.is_named(codes.LONG_AXIS)]
    short_items = [c for c in children if c.value_type == "NUM" and c.is_named(codes.SHORT_AXIS)]
    if not long_items:
        raise _Unreadable(group, _what_it_is(children, bool(short_items)))
    if len(long_items) > 1 or len(short_items) > 1:
        raise _Unreadable(
            group,
            f"{len(long_items)} long and {len(short_items)} short axes in one group: "
            "which belong together is not stated",
        )
    long = _read_axis(long_items[0], root)
    short = None
    if short_items:
        try:
            short = _read_axis(short_items[0], root)
            if short.place != long.place:
                raise _Unreadable(
                    short_items[0], "the short axis lies on another image than the long axis"
                )
        except _Unreadable as problem:
            # The long axis is a mark by itself (PS3.16 TID 1501 asks for no pair).
            refusals.append(problem.refusal)
            short = None
    return RecistMark(
        long_axis=long.points,
        short_axis=None if short is None else short.points,
        source_sop_instance_uid=source,
        item=group.label,
        referenced_sop_instance_uid=long.sop_instance_uid,
        referenced_frame=long.frame,
        frame_of_reference_uid=long.frame_of_reference_uid,
        tracking_id=_first(group, codes.TRACKING_IDENTIFIER, "text"),
        tracking_uid=_first(group, codes.TRACKING_UNIQUE_IDENTIFIER, "uid"),
        finding=_first(group, codes.FINDING, "code"),
        site=_first(group, codes.FINDING_SITE, "code")
        or _first(long_items[0], codes.FINDING_SITE, "code"),
        stated_long_mm=long.stated_mm,
        stated_short_mm=None if short is None else short.stated_mm,
    )


def _read_axis(num: ContentItem, root: ContentItem) -> _Axis:
    coordinates = [
        target
        for target in (child.follow(root) for child in num.children)
        if target is not None and target.value_type in ("SCOORD", "SCOORD3D")
    ]
    if len(coordinates) != 1:
        raise _Unreadable(
            num, f"expected one SCOORD or SCOORD3D below the axis, found {len(coordinates)}"
        )
    (scoord,) = coordinates
    if scoord.graphic_type != "POLYLINE":
        raise _Unreadable(scoord, f"expected a POLYLINE, found {_printable(scoord.graphic_type)}")
    points = scoord.points
    if points is None:
        raise _Unreadable(scoord, "the coordinates are missing or cannot be read")
    if len(points) != 2:
        raise _Unreadable(scoord, f"expected a line of 2 points, found {len(points)} points")
    if np.array_equal(points[0], points[1]):
        raise _Unreadable(scoord, "both end points are the same, expected a line")
    stated = _stated_mm(num)
    if scoord.value_type == "SCOORD3D":
        space = scoord.frame_of_reference_uid
        if space is None:
            raise _Unreadable(scoord, "the SCOORD3D names no frame of reference")
        return _Axis(points, None, None, space, stated)
    sop_instance_uid, frame = _read_image(scoord, root)
    return _Axis(points, sop_instance_uid, frame, None, stated)


def _read_image(scoord: ContentItem, root: ContentItem) -> tuple[str, int | None]:
    images = [
        target.referenced_image
        for target in (child.follow(root) for child in scoord.children)
        if target is not None and target.value_type == "IMAGE"
    ]
    images = [image for image in images if image is not None]
    if len(images) != 1:
        raise _Unreadable(
            scoord, f"expected one image that the line was drawn on, found {len(images)}"
        )
    sop_instance_uid, frames = images[0]
    if len(frames) > 1 or any(frame < 1 for frame in frames):
        raise _Unreadable(scoord, f"expected at most one frame from 1 on, found {len(frames)}")
    return sop_instance_uid, frames[0] if frames else None


def _stated_mm(num: ContentItem) -> float | None:
    """Length that the item states; None without a value or in a unit other than mm.

    An uncalibrated image makes OHIF write pixels as unit "1".
    """
    number = num.number
    if number is None or number[0] <= 0 or not codes.MILLIMETRE.covers(number[1]):
        return None
    return number[0]


def _first(item: ContentItem, concept: codes.Concept, value: str) -> str | Code | None:
    child = item.child(concept)
    return None if child is None else getattr(child, value)


def _what_it_is(children: list[ContentItem], has_short: bool) -> str:
    """Why a group without a long axis is no bidirectional mark."""
    if has_short:
        return "a short axis without a long axis"
    for concept, form in (
        (codes.IMAGE_REGION, "an outline or point (Image Region)"),
        (codes.REFERENCED_SEGMENT, "a segment of a SEG (Referenced Segment)"),
        (codes.REFERENCED_SEGMENTATION_FRAME, "a frame of a SEG"),
    ):
        if any(child.is_named(concept) for child in children):
            return f"the group holds {form}, no long axis: this form is not read yet"
    if any(child.is_named(codes.LENGTH) and _stated_mm(child) for child in children):
        return "the group holds a single length, no long axis: this form is not read yet"
    found = [
        f"({child.name.value}, {child.name.scheme})"
        for child in children
        if child.value_type == "NUM" and child.name and child.name.scheme in codes.PUBLIC_SCHEMES
    ]
    measured = ", ".join(found[:6]) or "none in a public scheme"
    return f"no long axis (103339001, SCT) in the group; measurements found: {measured}"


def _printable(graphic_type: str | None) -> str:
    known = ("POINT", "MULTIPOINT", "POLYLINE", "POLYGON", "CIRCLE", "ELLIPSE", "ELLIPSOID")
    return graphic_type if graphic_type in known else "another graphic type or none"
