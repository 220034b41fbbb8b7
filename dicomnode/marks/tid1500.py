"""Marks in TID 1500 Imaging Measurement Reports, and in reports that only resemble them.

A measurement group (PS3.16 TID 1410, 1411, 1501) is one lesion. It holds a NUM long axis and a NUM
short axis, each INFERRED FROM a SCOORD polyline of two points, SELECTED FROM an image, or from a
SCOORD3D polyline in a frame of reference; or lengths under other names, an outline, a segment.
dcmjs (OHIF), ePAD, dcmqi and highdicom write such groups, in SNOMED CT or SNOMED RT codes.
"""

from __future__ import annotations

from pydicom.dataset import Dataset

from dicomnode.marks import codes
from dicomnode.marks.attributes import sop_instance_uid
from dicomnode.marks.mark_reading import MarkReading, Refusal
from dicomnode.marks.sr_graphic import graphics_by_holder, walk_report
from dicomnode.marks.sr_group import Described, read_group
from dicomnode.marks.sr_tree import MAX_ITEMS, ContentItem

NO_MEASUREMENT_GROUP = Refusal("1", "no measurement group (125007, DCM) in this report")


def read_tid1500(dataset: Dataset) -> MarkReading:
    """Read the measurement groups of a report.

    Parameters
    ----------
    dataset : Dataset
        A structured report of any SOP class. It may break the standard.

    Returns
    -------
    MarkReading
        For each group its axes, outline and segment, where it holds them. A part that cannot be
        read is a refusal at its own position; the others are not touched. A document without
        measurement groups is one refusal.
    """
    root = ContentItem(dataset)
    source = sop_instance_uid(dataset)
    if source is None:
        return MarkReading(refusals=(Refusal("1", "the report has no SOP Instance UID"),))
    items, whole = walk_report(root)
    groups = [item for item in items if is_measurement_group(item)]
    if not groups:
        return MarkReading(refusals=(NO_MEASUREMENT_GROUP,))
    graphics = graphics_by_holder(items, root, is_measurement_group)
    readings = [
        read_group(
            group, graphics.get(group.position, []), root, Described.from_group(group, source)
        )
        for group in groups
    ]
    return joined(readings, whole=whole)


def is_measurement_group(item: ContentItem) -> bool:
    """Whether an item is a Measurement Group (125007, DCM)."""
    return item.value_type == "CONTAINER" and item.is_named(codes.MEASUREMENT_GROUP)


def joined(readings: list[MarkReading], *, whole: bool) -> MarkReading:
    """What the lesions of one report come to; `whole` is False where it was not read to its end."""
    refusals = [refusal for reading in readings for refusal in reading.refusals]
    if not whole:
        reason = f"the report has more than {MAX_ITEMS} content items; the rest was not read"
        refusals.append(Refusal("1", reason))
    return MarkReading(
        marks=tuple(mark for reading in readings for mark in reading.marks),
        outlines=tuple(outline for reading in readings for outline in reading.outlines),
        references=tuple(r for reading in readings for r in reading.references),
        refusals=tuple(refusals),
    )
