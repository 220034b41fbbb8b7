"""From what a reader found in a file to what is said of each item."""

from __future__ import annotations

import re
from collections import defaultdict

import numpy as np

from dicomnode.explained.ct_folder import CtFolder, CtSlice
from dicomnode.explained.item import Axis, Drawing, ExplainedItem, ItemKind, Outcome
from dicomnode.marks import (
    AbsurdAxis,
    Code,
    Contour,
    ImagePlane,
    MarkReading,
    Outline,
    RecistMark,
    Refusal,
    Segment,
    SegmentFrame,
    SegmentReference,
    UndecodableFrame,
    Unplaceable,
    check_quality,
    place,
)
from dicomnode.marks.codes import PUBLIC_SCHEMES
from dicomnode.marks.quality import UnsuitableImage
from pipelines.recist import RecistAxes

MAX_DECODED_FRAMES = 300
"""Frames of one segment that are looked through for the one with the largest area."""

NO_CT = "its image is not in the folder of the CT"

_PUBLIC_CODE = re.compile(r"(?=.*[0-9])[A-Z]{0,3}-?[0-9A-F]{2,18}", re.ASCII)


def explain_reading(reading: MarkReading, ct: CtFolder | None = None) -> tuple[ExplainedItem, ...]:
    """Say of each item what became of it.

    Parameters
    ----------
    reading : MarkReading
        Of one file.
    ct : CtFolder, optional
        With it, marks are placed as the node places them: what cannot be placed is refused, and
        lengths are in mm.

    Returns
    -------
    tuple of ExplainedItem
        Marks, outlines, segments, references, then what the reader refused; each in the order of
        the file.
    """
    return (
        *(_mark(mark, ct) for mark in reading.marks),
        *(_outline(outline, ct) for outline in reading.outlines),
        *(_segment(segment, ct) for segment in reading.segments),
        *(_reference(reference) for reference in reading.references),
        *(_refusal(refusal) for refusal in reading.refusals),
    )


def _mark(mark: RecistMark, ct: CtFolder | None) -> ExplainedItem:
    completed, doubts = [], []
    found, axes, refused = None, None, []
    if ct is not None:
        try:
            found = _slice_of_mark(mark, ct)
            if found is None:
                doubts.append(NO_CT)
            else:
                axes, doubts = _placed(mark, found)
        except (UnsuitableImage, Unplaceable, AbsurdAxis) as problem:
            refused.append(str(problem))
        if found is not None and mark.referenced_sop_instance_uid is None and not refused:
            completed.append("it names no image: its slice was found by its plane")
    if mark.short_axis is None:
        completed.append("no short axis is drawn: the long axis alone is used")
    if mark.stated_long_mm is None:
        completed.append("no length in mm is stated: its points are measured")
    if mark.uncalibrated and ct is None:
        doubts.append('a length is stated in unit "1": where it was drawn, pixels had no size')
    outcome = Outcome.COMPLETED if completed else Outcome.TAKEN
    plane = None if found is None else found.plane
    return ExplainedItem(
        item=mark.item,
        kind=ItemKind.MARK,
        outcome=Outcome.REFUSED if refused else outcome,
        reasons=tuple(refused or completed),
        doubts=tuple(doubts),
        images=_image(mark.referenced_sop_instance_uid, mark.referenced_frame),
        found_image=None if found is None else found.name,
        frame_of_reference_uid=mark.frame_of_reference_uid,
        tracking_uid=mark.tracking_uid,
        finding=_shown(mark.finding),
        site=_shown(mark.site),
        axes=tuple(_axes(mark, axes, plane)),
        drawing=None if axes is None or found is None else _mark_drawing(axes, found),
    )


def _slice_of_mark(mark: RecistMark, ct: CtFolder) -> CtSlice | None:
    uid, number = mark.referenced_sop_instance_uid, mark.referenced_frame
    if uid is not None and not (number is None and mark.in_space and ct.has_frames(uid)):
        return ct.by_uid(uid, number)
    return ct.nearest(
        np.concatenate([axis for axis in (mark.long_axis, mark.short_axis) if axis is not None]),
        mark.frame_of_reference_uid,
    )


def _placed(mark: RecistMark, found: CtSlice) -> tuple[RecistAxes, list[str]]:
    found.check()
    axes = place(mark, _plane(found))
    return axes, list(check_quality(mark, axes, slice_thickness=found.header.slice_thickness))


def _plane(found: CtSlice) -> ImagePlane:
    if found.plane is None:
        raise Unplaceable("the image has no usable position, orientation, spacing or size")
    return found.plane


def _axes(mark: RecistMark, placed: RecistAxes | None, plane: ImagePlane | None) -> list[Axis]:
    drawn = (
        ("long", mark.long_axis, mark.stated_long_mm, None if placed is None else placed.long_mm),
        (
            "short",
            mark.short_axis,
            mark.stated_short_mm,
            None if placed is None else placed.short_mm,
        ),
    )
    result = []
    for name, points, stated, length_mm in drawn:
        if points is None:
            continue
        length = float(np.linalg.norm(points[1] - points[0]))
        pixels = None if mark.in_space else length
        if mark.in_space and plane is not None:
            on_plane = plane.to_pixel(points)
            pixels = float(np.linalg.norm(on_plane[1] - on_plane[0]))
        mm = length if mark.in_space else length_mm
        result.append(Axis(name, points, stated, mm, pixels))
    return result


def _mark_drawing(axes: RecistAxes, found: CtSlice) -> Drawing:
    plane = _plane(found)
    lines = [axis for axis in (axes.long_axis, axes.short_axis) if axis is not None]
    return Drawing(found, tuple(plane.to_pixel(line) for line in lines))


def _outline(outline: Outline, ct: CtFolder | None) -> ExplainedItem:
    contours = outline.contours
    holes = sum(not contour.encloses_lesion for contour in contours)
    points = sum(len(contour.points) for contour in contours)
    images = {
        (contour.referenced_sop_instance_uid, contour.referenced_frame): None
        for contour in contours
        if contour.referenced_sop_instance_uid is not None
    }
    notes = [f"{len(contours)} closed curve(s) of {points} points"]
    notes += [f"{holes} of them the edge of a hole"] if holes else []
    notes += [f"reader {outline.reader}"] if outline.reader else []
    refused, doubts, drawing = [], [], None
    if ct is not None:
        try:
            by_slice, lost = _contours_by_slice(outline, ct)
            if lost:
                doubts.append(f"{lost} of {len(contours)} curves: {NO_CT}")
            if by_slice:
                name = max(by_slice, key=lambda one: sum(map(_area, by_slice[one])))
                found = ct.by_name(name)
                found.check()
                lines = tuple(_in_pixels(contour, _plane(found)) for contour in by_slice[name])
                _check_inside(lines, found)
                drawing = Drawing(found, lines, closed=True)
                notes.append(f"on {len(by_slice)} CT slice(s)")
        except (UnsuitableImage, Unplaceable) as problem:
            refused.append(str(problem))
    return ExplainedItem(
        item=outline.item,
        kind=ItemKind.OUTLINE,
        outcome=Outcome.REFUSED if refused else Outcome.TAKEN,
        reasons=tuple(refused),
        doubts=tuple(doubts),
        notes=tuple(notes),
        images=tuple(images),
        found_image=None if drawing is None else drawing.slice.name,
        frame_of_reference_uid=outline.frame_of_reference_uid,
        tracking_uid=outline.tracking_uid,
        finding=_shown(outline.finding),
        site=_shown(outline.site),
        drawing=drawing,
    )


def _contours_by_slice(outline: Outline, ct: CtFolder) -> tuple[dict[str, list[Contour]], int]:
    """Name of a slice to the curves on it; how many are on none."""
    found: dict[str, list[Contour]] = defaultdict(list)
    lost = 0
    for contour in outline.contours:
        one = None
        if contour.referenced_sop_instance_uid is not None:
            uid, number = contour.referenced_sop_instance_uid, contour.referenced_frame
            # A curve in space that names no frame of an enhanced image finds it by its place.
            if number is not None or not contour.in_space:
                one = ct.by_uid(uid, number)
            else:
                one = ct.by_name(uid)
        if one is None and contour.in_space:
            one = ct.nearest(contour.points, outline.frame_of_reference_uid)
        if one is None:
            lost += 1
        else:
            found[one.name].append(contour)
    return found, lost


def _in_pixels(contour: Contour, plane: ImagePlane) -> np.ndarray:
    if not contour.in_space:
        return contour.points
    off = float(plane.distance_mm(contour.points).max())
    allowed = (plane.slice_spacing or 1.0) / 2
    if off > allowed * (1 + 1e-6):
        raise Unplaceable(
            f"a curve lies {off:.2f} mm off the nearest slice, expected at most {allowed:.2f} mm"
        )
    return plane.to_pixel(contour.points)


def _check_inside(lines: tuple[np.ndarray, ...], found: CtSlice) -> None:
    size = np.array([found.header.columns, found.header.rows])
    if any((line < -0.01).any() or (line > size + 0.01).any() for line in lines):
        raise Unplaceable(
            f"a curve reaches outside the image of {size[0]} columns and {size[1]} rows"
        )


def _area(contour: Contour) -> float:
    """Area of a planar polygon, in square units of its points."""
    points = contour.points - contour.points[0]
    if points.shape[1] == 2:
        points = np.column_stack([points, np.zeros(len(points))])
    return float(np.linalg.norm(np.cross(points[:-1], points[1:]).sum(axis=0)) / 2)


def _segment(segment: Segment, ct: CtFolder | None) -> ExplainedItem:
    images = {
        (frame.referenced_sop_instance_uid, frame.referenced_frame): None
        for frame in segment.frames
        if frame.referenced_sop_instance_uid is not None
    }
    notes = [f"{segment.kind.value}, {len(segment.frames)} frame(s)"]
    completed, doubts, drawing = [], [], None
    if not images:
        completed.append("its frames name no image: their slices are found by position")
    if ct is not None:
        try:
            drawing, problem = _segment_drawing(segment, ct)
        except UnsuitableImage as unsuitable:
            problem = str(unsuitable)
        doubts += [problem] if problem else []
    return ExplainedItem(
        item=segment.item,
        kind=ItemKind.SEGMENT,
        outcome=Outcome.COMPLETED if completed else Outcome.TAKEN,
        reasons=tuple(completed),
        doubts=tuple(doubts),
        notes=tuple(notes),
        images=tuple(images),
        found_image=None if drawing is None else drawing.slice.name,
        frame_of_reference_uid=segment.frame_of_reference_uid,
        tracking_uid=segment.tracking_uid,
        finding=_shown(segment.finding),
        site=_shown(segment.site),
        drawing=drawing,
    )


def _segment_drawing(segment: Segment, ct: CtFolder) -> tuple[Drawing | None, str | None]:
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
    plane = _plane(found)
    return found if plane.distance_mm(position)[0] <= (plane.slice_spacing or 1.0) / 2 else None


def _reference(reference: SegmentReference) -> ExplainedItem:
    number = "" if reference.segment_number is None else f" {reference.segment_number}"
    frames = f", frames {_numbers(reference.frames)}" if reference.frames else ""
    return ExplainedItem(
        item=reference.item,
        kind=ItemKind.REFERENCE,
        outcome=Outcome.TAKEN,
        notes=(f"segment{number} of {reference.seg_sop_instance_uid}{frames}",),
        tracking_uid=reference.tracking_uid,
        finding=_shown(reference.finding),
        site=_shown(reference.site),
    )


def _refusal(refusal: Refusal) -> ExplainedItem:
    return ExplainedItem(
        item=refusal.item, kind=ItemKind.OTHER, outcome=Outcome.REFUSED, reasons=(refusal.reason,)
    )


def _numbers(numbers: tuple[int, ...]) -> str:
    shown = ", ".join(map(str, numbers[:10]))
    return shown if len(numbers) <= 10 else f"{shown} and {len(numbers) - 10} more"


def _image(uid: str | None, frame: int | None) -> tuple[tuple[str, int | None], ...]:
    return () if uid is None else ((uid, frame),)


def _shown(code: Code | None) -> str | None:
    """A code of a public scheme; meanings and private codes may hold any text."""
    if code is None or code.scheme not in PUBLIC_SCHEMES or not _PUBLIC_CODE.fullmatch(code.value):
        return None
    return f"{code.value} ({code.scheme})"
