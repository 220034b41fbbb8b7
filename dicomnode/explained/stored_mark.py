"""What is said of a lesion that the node holds, as of the items of a file."""

from __future__ import annotations

from collections.abc import Iterator

from dicomnode.explained.explain_file import explain_reading
from dicomnode.explained.item import ExplainedItem
from dicomnode.explained.report import item_lines
from dicomnode.marks import MarkReading, Outline, RecistMark, SegmentReference
from dicomnode.marks.lesion_mark import LesionMark

_KINDS = {RecistMark: "mark", Outline: "outline"}


def items_of_object(mark: LesionMark, sop_instance_uid: str) -> tuple[ExplainedItem, ...]:
    """The forms of a lesion that one object holds, each as an item; none where others hold it."""
    forms = [
        form
        for opinion in mark.opinions
        for form in opinion.forms
        if form.source_sop_instance_uid == sop_instance_uid
    ]
    return explain_reading(
        MarkReading(
            marks=tuple(form for form in forms if isinstance(form, RecistMark)),
            outlines=tuple(form for form in forms if isinstance(form, Outline)),
            references=tuple(form for form in forms if isinstance(form, SegmentReference)),
        )
    )


def told(items: tuple[ExplainedItem, ...]) -> Iterator[str]:
    """The items in plain lines, details indented."""
    for item in items:
        head, *details = (line.plain for line in item_lines(item))
        yield f"item {head}"
        yield from details


def reader_lines(mark: LesionMark) -> Iterator[str]:
    """How many readers drew a lesion, in which forms, and where each form stands."""
    count = len(mark.opinions)
    yield f"drawn by {count} reader(s)"
    for opinion in mark.opinions:
        forms = ", ".join(f"{_kind(form)} at {form.item}" for form in opinion.forms)
        yield f"  {forms}, in {opinion.source_sop_instance_uid}"


def _kind(form: RecistMark | Outline | SegmentReference) -> str:
    if isinstance(form, SegmentReference):
        own = form.seg_sop_instance_uid == form.source_sop_instance_uid
        return "segment" if own else "reference to a segment"
    return _KINDS[type(form)]
