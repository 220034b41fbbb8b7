"""One broken content item costs that item, never the document."""

from __future__ import annotations

import numpy as np
import pytest
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset
from pydicom.tag import Tag

from dicomnode.marks import codes
from dicomnode.marks.recist_mark import Code
from dicomnode.marks.sr_tree import MAX_DEPTH, ContentItem


def code_item(value: str, scheme: str, meaning: str = "any", keyword: str = "CodeValue") -> Dataset:
    item = Dataset()
    setattr(item, keyword, value)
    item.CodingSchemeDesignator = scheme
    item.CodeMeaning = meaning
    return item


def content(value_type: str, name: Dataset | None = None, children: tuple = ()) -> Dataset:
    item = Dataset()
    item.ValueType = value_type
    if name is not None:
        item.ConceptNameCodeSequence = [name]
    if children:
        item.ContentSequence = list(children)
    return item


def broken(keyword: str, vr: str) -> RawDataElement:
    """An element whose value cannot be decoded."""
    return RawDataElement(Tag(keyword), vr, 3, b"\xff\xfe\xfd", 0, False, True)


def test_positions_count_from_one_in_document_order():
    tree = content(
        "CONTAINER", children=(content("TEXT"), content("CONTAINER", children=(content("NUM"),)))
    )
    assert [item.label for item in ContentItem(tree).walk()] == ["1", "1.1", "1.2", "1.2.1"]


@pytest.mark.parametrize(
    ("value", "scheme"),
    [("103339001", "SCT"), ("G-A185", "SRT"), ("G-A185", "SNM3"), ("G-A185", "99SDM")],
)
def test_a_concept_is_known_by_value_and_scheme(value, scheme):
    assert ContentItem(content("NUM", code_item(value, scheme, "spelled anyhow"))).is_named(
        codes.LONG_AXIS
    )


def test_a_concept_is_not_known_by_its_meaning():
    item = ContentItem(content("NUM", code_item("1", "99PRIVATE", "Long Axis")))
    assert not item.is_named(codes.LONG_AXIS)


@pytest.mark.parametrize("keyword", ["CodeValue", "LongCodeValue", "URNCodeValue"])
def test_code_values_of_any_length_are_read(keyword):
    item = ContentItem(content("CODE", code_item("123", "SCT", "m", keyword)))
    assert item.name == Code("123", "SCT", "m")


@pytest.mark.parametrize(
    ("keyword", "vr", "attribute"),
    [
        ("GraphicData", "FL", "points"),
        ("ReferencedFrameOfReferenceUID", "SQ", "frame_of_reference_uid"),
        ("MeasuredValueSequence", "DS", "number"),
        ("ConceptCodeSequence", "LO", "code"),
        ("ReferencedSOPSequence", "FL", "referenced_image"),
        ("TextValue", "SQ", "text"),
    ],
)
def test_a_value_that_cannot_be_decoded_reads_as_none(keyword, vr, attribute):
    item = content("SCOORD")
    item[Tag(keyword)] = broken(keyword, vr)
    assert getattr(ContentItem(item), attribute) is None


def test_a_broken_content_sequence_has_no_children():
    item = content("CONTAINER")
    item[Tag("ContentSequence")] = broken("ContentSequence", "FL")
    assert ContentItem(item).children == []


@pytest.mark.parametrize(
    "data", [[], [1.0, 2.0, 3.0], [1.0, float("nan")], [1.0, float("inf")], 4.0]
)
def test_points_that_are_no_points_read_as_none(data):
    item = content("SCOORD")
    item.GraphicData = data
    assert ContentItem(item).points is None


def test_points_are_pairs_in_a_scoord_and_triples_in_a_scoord3d():
    plane, space = content("SCOORD"), content("SCOORD3D")
    plane.GraphicData = space.GraphicData = [1, 2, 3, 4, 5, 6]
    np.testing.assert_array_equal(ContentItem(plane).points, [[1, 2], [3, 4], [5, 6]])
    np.testing.assert_array_equal(ContentItem(space).points, [[1, 2, 3], [4, 5, 6]])


def test_a_number_without_value_reads_as_none():
    item = content("NUM")
    item.MeasuredValueSequence = []
    assert ContentItem(item).number is None
    item.MeasuredValueSequence = [Dataset()]
    assert ContentItem(item).number is None


def test_the_walk_ends_at_a_bounded_depth():
    item = content("CONTAINER")
    for _ in range(3 * MAX_DEPTH):
        item = content("CONTAINER", children=(item,))
    assert max(len(found.position) for found in ContentItem(item).walk()) == MAX_DEPTH


def test_a_relationship_by_reference_is_followed_from_the_root():
    pointer = Dataset()
    pointer.RelationshipType = "INFERRED FROM"
    pointer.ReferencedContentItemIdentifier = [1, 2, 1]
    tree = ContentItem(
        content(
            "CONTAINER", children=(pointer, content("CONTAINER", children=(content("SCOORD"),)))
        )
    )
    assert tree.children[0].follow(tree).label == "1.2.1"


@pytest.mark.parametrize("target", [[1, 9], [2], [1, 0], 7])
def test_a_reference_to_nowhere_is_none(target):
    pointer = Dataset()
    pointer.ReferencedContentItemIdentifier = target
    tree = ContentItem(content("CONTAINER", children=(pointer,)))
    assert tree.children[0].follow(tree) is None
