"""Of what the node holds the same is said as of a file: each form, each reader, each place."""

from __future__ import annotations

import numpy as np

from dicomnode.explained.stored_mark import items_of_object, reader_lines, told
from dicomnode.marks import Contour, Outline, RecistMark, SegmentReference
from dicomnode.marks.lesion_mark import LesionMark, Opinion
from dicomnode.marks.serialised import from_json, to_json

AXES = RecistMark(
    long_axis=np.array([[10.0, 12.5], [30.0, 12.5]]),
    short_axis=None,
    source_sop_instance_uid="1.2.1",
    item="1.5",
    referenced_sop_instance_uid="1.2.9",
    tracking_uid="1.2.77",
)
OUTLINE = Outline(
    (Contour(np.array([[1.0, 1], [9, 1], [5, 8]]), "1.2.9"),), "1.2.1", "1.5", reader="2"
)
SEGMENT = SegmentReference("1.2.4", 2, (), source_sop_instance_uid="1.2.4", item="segment 2")
REFERENCE = SegmentReference("1.2.4", 2, (), source_sop_instance_uid="1.2.1", item="1.6")


def stored(*opinions: Opinion) -> LesionMark:
    return from_json(to_json(LesionMark(opinions)))


def test_each_form_that_an_object_holds_is_told_as_of_a_file():
    mark = stored(Opinion(axes=AXES, outline=OUTLINE), Opinion(segment=SEGMENT))
    text = "\n".join(told(items_of_object(mark, "1.2.1")))
    assert "item 1.5: mark, completed: no short axis is drawn" in text
    assert "long axis: 20.0 pixels; no length stated; (10.00, 12.50) to (30.00, 12.50)" in text
    assert "item 1.5: outline, taken" in text
    assert "1 closed curve(s) of 3 points" in text
    assert "tracking UID 1.2.77" in text
    assert "segment" not in text
    assert next(told(items_of_object(mark, "1.2.4"))) == "item segment 2: segment, taken"
    assert items_of_object(mark, "1.2.5") == ()


def test_a_segment_of_another_object_is_a_reference():
    text = "\n".join(told(items_of_object(stored(Opinion(segment=REFERENCE)), "1.2.1")))
    assert "item 1.6: reference to a segment, taken" in text
    assert "segment 2 of 1.2.4" in text


def test_readers_are_counted_and_their_forms_named():
    mark = stored(Opinion(axes=AXES, outline=OUTLINE), Opinion(segment=SEGMENT))
    assert list(reader_lines(mark)) == [
        "drawn by 2 reader(s)",
        "  outline at 1.5, mark at 1.5, in 1.2.1",
        "  segment at segment 2, in 1.2.4",
    ]
