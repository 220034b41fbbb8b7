"""Marks in structured reports of other templates: Chest CAD, AIM 3 as SR, and any container.

CAD reports (PS3.16 TID 4101 and 4104) are trees of CODE items, each a finding, with a Center
(111010, DCM) and an Outline (111041, DCM) as SCOORD. The AIM 3 toolkit wrote annotations as SR in
private codes. What holds a graphic there is its lesion.
"""

from __future__ import annotations

from dataclasses import replace

from pydicom.dataset import Dataset

from dicomnode.marks import codes
from dicomnode.marks.attributes import sop_instance_uid
from dicomnode.marks.mark_reading import MarkReading, Refusal
from dicomnode.marks.sr_graphic import Graphic, graphics_by_holder, walk_report
from dicomnode.marks.sr_group import Described, read_group
from dicomnode.marks.sr_tree import ContentItem
from dicomnode.marks.tid1500 import joined

MAX_HOLDERS = 2_000
"""Findings of one report that are read."""


def read_chest_cad(dataset: Dataset) -> MarkReading:
    """Read the graphics of a report of any template.

    Parameters
    ----------
    dataset : Dataset
        A structured report of any SOP class. It may break the standard.

    Returns
    -------
    MarkReading
        For each item that holds graphics its axes or outline. Points alone are refused, as CAD
        marks most findings: they do not say how large something is. A report without coordinates
        is one refusal.
    """
    root = ContentItem(dataset)
    source = sop_instance_uid(dataset)
    if source is None:
        return MarkReading(refusals=(Refusal("1", "the report has no SOP Instance UID"),))
    items, whole = walk_report(root)
    graphics = graphics_by_holder(items, root, _holds_graphics)
    if not graphics:
        reason = "no measurement group (125007, DCM) and no coordinates in this report"
        return joined([MarkReading(refusals=(Refusal("1", reason),))], whole=whole)
    known = {item.position: item for item in items}
    holders = sorted(graphics)[:MAX_HOLDERS]
    readings = [
        _read_holder(known[position], graphics[position], root, source) for position in holders
    ]
    if len(graphics) > MAX_HOLDERS:
        reason = f"{len(graphics)} findings, expected at most {MAX_HOLDERS}; the rest was not read"
        readings.append(MarkReading(refusals=(Refusal("1", reason),)))
    return joined(readings, whole=whole)


def _holds_graphics(item: ContentItem) -> bool:
    if item.value_type == "CODE":
        return True
    return item.value_type == "CONTAINER" and not item.is_named(codes.AIM_IMAGE_ANNOTATION)


def _read_holder(
    holder: ContentItem, graphics: list[Graphic], root: ContentItem, source: str
) -> MarkReading:
    described = Described.from_group(holder, source)
    if holder.is_named(codes.AIM_ANNOTATION):
        # The AIM toolkit puts the patient's number there.
        described = replace(described, tracking_id=None)
    return read_group(holder, graphics, root, described)
