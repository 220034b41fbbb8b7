"""What is said of a mark of one or two axes."""

from __future__ import annotations

import numpy as np

from dicomnode.explained.ct_folder import CtFolder, CtSlice
from dicomnode.explained.described_item import NO_CT, described_item
from dicomnode.explained.item import Axis, Drawing, ExplainedItem, ItemKind
from dicomnode.marks import (
    AbsurdAxis,
    ImagePlane,
    RecistMark,
    Unplaceable,
    check_quality,
    place,
)
from dicomnode.marks.quality import UnsuitableImage
from pipelines.recist import RecistAxes


def mark_item(mark: RecistMark, ct: CtFolder | None) -> ExplainedItem:
    """Say of a mark what it measures, and with a CT where it lies and what the CT says of it."""
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
        if found is not None and mark.referenced_sop_instance_uid is None:
            completed.append("it names no image: its slice was found by its plane")
    if mark.short_axis is None:
        completed.append("no short axis is drawn: the long axis alone is used")
    if mark.stated_long_mm is None:
        completed.append("no length in mm is stated: its points are measured")
    if mark.uncalibrated and ct is None:
        doubts.append('a length is stated in unit "1": where it was drawn, pixels had no size')
    return described_item(
        mark,
        ItemKind.MARK,
        refused=refused,
        completed=completed,
        images=[(mark.referenced_sop_instance_uid, mark.referenced_frame)],
        doubts=tuple(doubts),
        found_image=None if found is None else found.name,
        axes=tuple(_axes(mark, axes, None if found is None else found.plane)),
        drawing=None if axes is None or found is None else _drawing(axes, found),
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
    axes = place(mark, found.usable_plane)
    return axes, list(check_quality(mark, axes, slice_thickness=found.header.slice_thickness))


def _axes(mark: RecistMark, placed: RecistAxes | None, plane: ImagePlane | None) -> list[Axis]:
    long_mm, short_mm = (None, None) if placed is None else (placed.long_mm, placed.short_mm)
    drawn = (
        ("long", mark.long_axis, mark.stated_long_mm, long_mm),
        ("short", mark.short_axis, mark.stated_short_mm, short_mm),
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


def _drawing(axes: RecistAxes, found: CtSlice) -> Drawing:
    lines = [axis for axis in (axes.long_axis, axes.short_axis) if axis is not None]
    return Drawing(found, tuple(found.usable_plane.to_pixel(line) for line in lines))
