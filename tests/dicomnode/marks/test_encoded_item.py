"""Items that are parted without pydicom say what pydicom says; what is unusual is left to it."""

from __future__ import annotations

import io
import struct

import numpy as np
import pydicom
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.tag import Tag

from dicomnode.marks import Contour, MarkReading, SegmentFrame, attributes, read_marks
from dicomnode.marks.attributes import read_attribute, read_code, read_sequence, read_text
from dicomnode.marks.encoded_item import (
    MAX_ELEMENTS,
    MAX_ITEMS,
    EncodedItem,
    Inherited,
    TooManyElements,
    encoded_items,
)
from dicomnode.marks.serialised import to_json
from tests.dicomnode.marks import report_items as items
from tests.dicomnode.marks.test_mutations import OBJECTS
from tests.real_data import real

SEQUENCE = Tag(0x0040A730)


def encoded(dataset: Dataset, *, implicit: bool) -> bytes:
    file = io.BytesIO()
    dataset.file_meta = FileMetaDataset()
    dataset.save_as(file, implicit_vr=implicit, little_endian=True)
    return file.getvalue()


def whole(reading: MarkReading) -> tuple:
    """What a reading says, in values that can be compared."""
    outlines = [
        (o.item, o.finding, o.site, o.frame_of_reference_uid, [_curve(c) for c in o.contours])
        for o in reading.outlines
    ]
    segments = [
        (s.item, s.kind, s.finding, s.tracking_id, [_frame(frame) for frame in s.frames])
        for s in reading.segments
    ]
    marks = [to_json(mark) for mark in reading.marks]
    return marks, outlines, segments, reading.references, reading.refusals


def _curve(curve: Contour) -> tuple:
    return curve.points.tolist(), curve.referenced_sop_instance_uid, curve.encloses_lesion


def _frame(frame: SegmentFrame) -> tuple:
    return frame.number, frame.referenced_sop_instance_uid, frame.position, frame.orientation


def read_twice(content: bytes, monkeypatch) -> tuple[tuple, tuple]:
    first = whole(read_marks(pydicom.dcmread(io.BytesIO(content), force=True)))
    with monkeypatch.context() as patch:
        patch.setattr(attributes, "encoded_items", lambda *_: None)
        second = whole(read_marks(pydicom.dcmread(io.BytesIO(content), force=True)))
    return first, second


@pytest.mark.parametrize("implicit", [False, True])
@pytest.mark.parametrize("name", OBJECTS)
def test_each_object_reads_as_with_pydicom(name, implicit, monkeypatch):
    first, second = read_twice(encoded(OBJECTS[name](), implicit=implicit), monkeypatch)
    assert first == second
    assert any(first[:4])


@pytest.mark.real_data
def test_each_real_object_reads_as_with_pydicom(monkeypatch):
    paths = [*real("dicom_objects").glob("*.dcm"), *real("aim_recist_pairs").rglob("aim*/*.dcm")]
    paths += real("ibsi_ct").glob("rtstruct/*.dcm")
    assert paths
    for path in paths:
        first, second = read_twice(path.read_bytes(), monkeypatch)
        assert first == second, path.name


def test_texts_keep_the_character_set_of_the_object():
    dataset = items.report(items.content("TEXT"))
    dataset.SpecificCharacterSet = "ISO_IR 192"
    dataset.ContentSequence[0].TextValue = "Läsion"
    dataset.ContentSequence[0].ConceptNameCodeSequence = [items.coded("1", "99Ä")]
    dataset = pydicom.dcmread(io.BytesIO(encoded(dataset, implicit=False)), force=True)
    (item,) = read_sequence(dataset, "ContentSequence")
    assert isinstance(item, EncodedItem)
    assert read_text(item, "TextValue") == "Läsion"
    assert read_code(item, "ConceptNameCodeSequence").scheme == "99Ä"
    assert "TextValue" in item
    assert "GraphicData" not in item
    assert read_attribute(item, "GraphicData") is None


def raw(value: bytes, vr: str | None = "SQ", *, implicit: bool = False, little: bool = True):
    return RawDataElement(SEQUENCE, vr, len(value), value, 0, implicit, little)


def item_of(content: bytes, length: int | None = None) -> bytes:
    return (
        b"\xfe\xff\x00\xe0"
        + struct.pack("<L", len(content) if length is None else length)
        + content
    )


SHORT = b"\x40\x00\x40\xa0CS\x04\x00TEXT"
LONG = b"\x40\x00\x60\xa1UT\0\0\x02\0\0\0ab"


@pytest.mark.parametrize(
    "value",
    [
        item_of(SHORT, 0xFFFFFFFF) + b"\xfe\xff\x0d\xe0\0\0\0\0",
        item_of(SHORT, len(SHORT) + 2),
        item_of(SHORT[:-2]),
        item_of(SHORT.replace(b"CS", b"ZZ")),
        item_of(LONG[:-6]),
        item_of(SHORT + b"\x40\x00"),
        item_of(b"\xfe\xff\x0d\xe0\0\0\0\0"),
        item_of(b"\x08\x00\x05\x00CS\x0a\x00ISO_IR 100" + SHORT),
        item_of(SHORT)[:6],
        b"\xfe\xff\xdd\xe0\0\0\0\0",
        b"text",
    ],
)
def test_what_is_unusual_is_left_to_pydicom(value):
    assert encoded_items(raw(value), Inherited("ascii")) is None


def test_another_byte_order_or_vr_is_left_to_pydicom():
    assert encoded_items(raw(item_of(SHORT)), Inherited("ascii")) is not None
    assert encoded_items(raw(item_of(SHORT), little=False), Inherited("ascii")) is None
    assert encoded_items(raw(item_of(SHORT), "UN"), Inherited("ascii")) is None
    assert encoded_items(raw(b"", "SQ"), Inherited("ascii")) == []


def test_elements_are_bounded_over_all_levels():
    inherited = Inherited("ascii")
    each = MAX_ELEMENTS // 2 // 10
    for _ in range(2):
        encoded_items(raw(item_of(SHORT * each) * 10), inherited)
    with pytest.raises(TooManyElements):
        encoded_items(raw(item_of(SHORT)), inherited)


def test_an_object_of_too_many_elements_is_one_refusal(monkeypatch):
    content = encoded(items.report(items.group(*[items.content("TEXT")] * 100)), implicit=False)
    monkeypatch.setattr("dicomnode.marks.encoded_item.MAX_ELEMENTS", 60)
    reading = read_marks(pydicom.dcmread(io.BytesIO(content), force=True))
    (refusal,) = reading.refusals
    assert "more than 60 elements" in refusal.reason
    assert not any(whole(reading)[:4])


def test_items_are_bounded():
    assert len(encoded_items(raw(item_of(b"") * (MAX_ITEMS + 5)), Inherited("ascii"))) == MAX_ITEMS


@given(st.binary(max_size=60), st.booleans(), st.integers(0, 40))
def test_no_bytes_make_it_raise(noise, implicit, at):
    value = item_of(SHORT + LONG)
    torn = value[:at] + noise + value[at:]
    for content in (noise, torn, item_of(noise)):
        found = encoded_items(raw(content, implicit=implicit), Inherited("ascii"))
        assert found is None or all(isinstance(item, EncodedItem) for item in found)


def test_numbers_are_those_that_pydicom_reads():
    dataset = items.report(items.scoord(items.LONG))
    dataset = pydicom.dcmread(io.BytesIO(encoded(dataset, implicit=True)), force=True)
    (item,) = read_sequence(dataset, "ContentSequence")
    assert item.get("GraphicData").value == list(np.ravel(items.LONG))
