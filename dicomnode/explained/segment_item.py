"""What is said of a segment, and of a reference to one."""

from __future__ import annotations

import numpy as np

from dicomnode.explained.ct_folder import CtFolder, CtSlice
from dicomnode.explained.described_item import NO_CT, described_item
from dicomnode.explained.item import Drawing, ExplainedItem, ItemKind
from dicomnode.marks import Segment, SegmentFrame, SegmentReference, UndecodableFrame, Unplaceable
from dicomnode.marks.quality import UnsuitableImage

MAX_DECODED_FRAMES = 300
"""Frames of one segment that are looked through for the one with the largest area."""


def segment_item(segment: Segment, ct: CtFolder | None) -> ExplainedItem:
    """Say of a segment how many frames it has, and with a CT where it is largest."""
    images = [(one.referenced_sop_instance_uid, one.referenced_frame) for one in segment.frames]
    completed, doubts, drawing = [], [], None
    if all(uid is None for uid, _ in images):
        completed.append("its frames name no image: their slices are found by position")
    if ct is not None:
        try:
            drawing, problem = _drawing(segment, ct)
        except (UnsuitableImage, Unplaceable) as unsuitable:
            problem = str(unsuitable)
        doubts += [problem] if problem else []
    return described_item(
        segment,
        ItemKind.SEGMENT,
        completed=completed,
        images=images,
        doubts=tuple(doubts),
        notes=(f"{segment.kind.value}, {len(segment.frames)} frame(s)",),
        found_image=None if drawing is None else drawing.slice.name,
        drawing=drawing,
    )


def reference_item(reference: SegmentReference) -> ExplainedItem:
    """Say which segment is meant; one of the object's own is a segment."""
    own = reference.seg_sop_instance_uid == reference.source_sop_instance_uid
    number = "" if reference.segment_number is None else f" {reference.segment_number}"
    frames = f", frames {_numbers(reference.frames)}" if reference.frames else ""
    return described_item(
        reference,
        ItemKind.SEGMENT if own else ItemKind.REFERENCE,
        notes=(f"segment{number} of {reference.seg_sop_instance_uid}{frames}",),
    )


def _drawing(segment: Segment, ct: CtFolder) -> tuple[Drawing | None, str | None]:
    placed = [
        (frame, found)
        for frame in segment.frames[:MAX_DECODED_FRAMES]
        if (found := _slice_of_frame(segment, frame, ct)) is not None
    ]
    if not placed:
        return None, NO_CT
    best, largest = None, 0.0
    for frame, found in placed:
        try:
            values = frame.values
        except UndecodableFrame as problem:
            return None, str(problem)
        if values.sum() > largest:
            best, largest = (found, values), float(values.sum())
    if best is None:
        return None, "no pixel of it is set on the slices in the folder"
    found, values = best
    if values.shape != (found.header.rows, found.header.columns):
        return None, (
            f"its frames of {values.shape[0]} x {values.shape[1]} pixels are on another grid than "
            f"the slices of {found.header.rows} x {found.header.columns}"
        )
    return Drawing(found, mask=values), None


def _slice_of_frame(segment: Segment, frame: SegmentFrame, ct: CtFolder) -> CtSlice | None:
    if frame.referenced_sop_instance_uid is not None:
        # dcmjs may name frames of an image that only a viewer had; these lie where they say.
        if frame.referenced_frame is not None or frame.position is None:
            found = ct.by_uid(frame.referenced_sop_instance_uid, frame.referenced_frame)
        else:
            found = ct.by_name(frame.referenced_sop_instance_uid)
        if found is not None:
            return found
    if frame.position is None:
        return None
    position = np.array([frame.position])
    found = ct.nearest(position, segment.frame_of_reference_uid)
    if found is None:
        return None
    plane = found.usable_plane
    return found if plane.distance_mm(position)[0] <= (plane.slice_spacing or 1.0) / 2 else None


def _numbers(numbers: tuple[int, ...]) -> str:
    shown = ", ".join(map(str, numbers[:10]))
    return shown if len(numbers) <= 10 else f"{shown} and {len(numbers) - 10} more"
