"""One lesion has one identity, whoever wrote it down and however often."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from dicomnode.marks import (
    Code,
    Contour,
    MarkReading,
    Outline,
    RecistMark,
    Segment,
    SegmentFrame,
    SegmentKind,
    SegmentReference,
)
from dicomnode.marks.lesion_mark import LesionMark, Opinion, lesions_of
from dicomnode.marks.serialised import from_json, to_json

NODULE = Code("27925004", "SCT", "Nodule")
CORNERS = np.array([[1.0, 1], [5, 1.5], [6, 4], [2, 7]])


def axes(item: str = "1", source: str = "1.2.1", **changes) -> RecistMark:
    values = {"referenced_sop_instance_uid": "1.2.9", "finding": NODULE}
    return RecistMark(np.array([[1.0, 1], [5, 1]]), None, source, item, **(values | changes))


def outline(points=CORNERS, item: str = "1", source: str = "1.2.1", **changes) -> Outline:
    return Outline((Contour(points, "1.2.9"),), source, item, **changes)


def reference(item: str = "1", number: int | None = 2, frames=(), **changes) -> SegmentReference:
    return SegmentReference("1.2.5", number, frames, "1.2.1", item, **changes)


def segment(number: int = 2) -> Segment:
    frame = SegmentFrame(1, 2, 2, lambda: np.ones((2, 2)), "1.2.9")
    return Segment((frame,), SegmentKind.BINARY, number, "1.2.5", f"segment {number}")


def key(form) -> str:
    name = {RecistMark: "axes", Outline: "outline", SegmentReference: "segment"}[type(form)]
    return Opinion(**{name: form}).key


@given(st.integers(0, 3), st.booleans(), arrays(float, (4, 2), elements=st.floats(-0.004, 0.004)))
def test_an_outline_is_the_same_wherever_its_writer_began(start, backwards, noise):
    points = np.roll(CORNERS, start, axis=0)
    points = (points[::-1] if backwards else points) + noise
    other = outline(points, item="7", source="1.2.2", tracking_uid="1.2.3", finding=NODULE)
    assert key(other) == key(outline())


@pytest.mark.parametrize(
    "other",
    [
        outline(CORNERS + np.array([0.5, 0])),
        outline(CORNERS[:3]),
        Outline((Contour(CORNERS, "1.2.8"),), "1.2.1", "1"),
        Outline((Contour(CORNERS, "1.2.9", 2),), "1.2.1", "1"),
        Outline((Contour(CORNERS, "1.2.9", encloses_lesion=False),), "1.2.1", "1"),
    ],
)
def test_another_outline_has_another_key(other):
    assert key(other) != key(outline())


def test_axes_alone_keep_the_key_of_their_mark():
    assert LesionMark.of(axes()).key == axes().key


def test_a_reference_to_a_segment_is_that_segment():
    (named,) = lesions_of(MarkReading(references=(reference("1.3"),)))
    (itself,) = lesions_of(MarkReading(segments=(segment(2),)))
    (another,) = lesions_of(MarkReading(segments=(segment(3),)))
    assert named.key == itself.key != another.key


def test_readers_in_any_order_have_one_key():
    opinions = [Opinion(outline=outline()), Opinion(segment=reference()), Opinion(axes=axes())]
    keys = {LesionMark(tuple(opinions[i:] + opinions[:i])).key for i in range(3)}
    assert len(keys) == 1
    assert keys.isdisjoint(opinion.key for opinion in opinions)


def test_forms_of_one_item_are_one_lesion():
    reading = MarkReading(
        marks=(axes("1"), axes("2")),
        outlines=(outline(item="2"), outline(item="3")),
        references=(reference("2"), reference("4")),
    )
    found = {mark.item: mark.opinions[0] for mark in lesions_of(reading)}
    assert {item: len(opinion.forms) for item, opinion in found.items()} == {
        "1": 1,
        "2": 3,
        "3": 1,
        "4": 1,
    }
    assert isinstance(found["2"].forms[0], SegmentReference)


def test_two_outlines_of_one_item_are_two_lesions():
    pair = (outline(item="2"), outline(CORNERS + 20, item="2"))
    found = lesions_of(MarkReading(marks=(axes("2"),), outlines=pair))
    assert [len(mark.opinions[0].forms) for mark in found] == [2, 1]


def test_frames_that_are_named_one_by_one_are_one_reference():
    named = tuple(reference("1", None, (number,)) for number in (3, 1))
    (mark,) = lesions_of(MarkReading(references=named))
    assert mark.opinions[0].segment.frames == (1, 3)


def test_a_lesion_comes_back_from_the_database_as_it_was():
    mark = LesionMark(
        (
            Opinion(axes=axes(stated_long_mm=4.0), outline=outline(structure_type="GTV")),
            Opinion(segment=reference(frames=(1, 2), tracking_uid="1.2.3"), category=NODULE),
        )
    )
    back = from_json(json.loads(json.dumps(to_json(mark))))
    assert back.key == mark.key
    assert to_json(back) == to_json(mark)
    assert back.finding == NODULE
    assert back.tracking_uid == "1.2.3"
    assert back.opinions[0].outline.structure_type == "GTV"


def test_marks_that_version_1_wrote_are_still_read():
    stored = {
        "long_axis": [[1.0, 1.0], [5.0, 1.0]],
        "short_axis": None,
        "source_sop_instance_uid": "1.2.1",
        "item": "1",
        "referenced_sop_instance_uid": "1.2.9",
        "referenced_frame": None,
        "frame_of_reference_uid": None,
        "tracking_id": None,
        "tracking_uid": None,
        "finding": {"value": "27925004", "scheme": "SCT", "meaning": "Nodule"},
        "site": None,
        "stated_long_mm": None,
        "stated_short_mm": None,
    }
    back = from_json(stored)
    assert back.key == axes().key
    assert back.finding == NODULE
