"""Undefined lengths become defined ones, and an object says the same as before."""

from __future__ import annotations

import io
import warnings

import pydicom
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from dicomnode.marks import defined_lengths, dicom_object, read_marks
from dicomnode.marks.defined_lengths import Irregular, TooManyElements, with_defined_lengths
from dicomnode.marks.dicom_object import UnreadableMarkFile, read_object
from tests.dicomnode.marks import report_items as items
from tests.dicomnode.marks.test_encoded_item import whole
from tests.dicomnode.marks.test_mutations import OBJECTS
from tests.real_data import real

SYNTAXES = {True: ImplicitVRLittleEndian, False: ExplicitVRLittleEndian}


def sequences(dataset: Dataset) -> list:
    found = []
    for element in dataset:
        if element.VR == "SQ":
            found.append(element)
            for item in element.value:
                found += [item, *sequences(item)]
    return found


def undefined(dataset: Dataset, choose=lambda _: True) -> Dataset:
    for one in sequences(dataset):
        name = (
            "is_undefined_length_sequence_item"
            if isinstance(one, Dataset)
            else "is_undefined_length"
        )
        setattr(one, name, choose(one))
    return dataset


def encoded(dataset: Dataset, syntax: str = ExplicitVRLittleEndian) -> bytes:
    file = io.BytesIO()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = syntax
    dataset.save_as(file, enforce_file_format=True)
    return file.getvalue()


def by_pydicom(content: bytes) -> Dataset:
    return pydicom.dcmread(io.BytesIO(content), force=True)


@pytest.mark.parametrize("implicit", [False, True])
@pytest.mark.parametrize("name", OBJECTS)
def test_each_object_is_the_same_and_nothing_of_it_is_decoded(name, implicit):
    content = encoded(undefined(OBJECTS[name]()), SYNTAXES[implicit])
    dataset = read_object(io.BytesIO(content))
    held = [
        dataset.get_item(element.tag)
        for element in by_pydicom(content)
        if element.VR == "SQ" and element.value
    ]
    assert held
    assert all(isinstance(element, RawDataElement) for element in held)
    assert dataset == by_pydicom(content)
    assert dataset.file_meta == by_pydicom(content).file_meta
    without = read_object(io.BytesIO(content), stop_before_pixels=True)
    assert without == pydicom.dcmread(io.BytesIO(content), stop_before_pixels=True)


@settings(deadline=None)
@given(st.data())
def test_any_mixture_of_lengths_is_the_same(data):
    report = items.report(
        items.group(items.num(items.LENGTH, 20, "mm", items.scoord(items.LONG)), items.content("A"))
    )
    content = encoded(undefined(report, lambda _: data.draw(st.booleans())))
    assert read_object(io.BytesIO(content)) == by_pydicom(content)


@pytest.mark.real_data
def test_real_objects_are_the_same():
    paths = [*real("dicom_objects").glob("*.dcm"), *real("aim_recist_pairs").rglob("aim*/*.dcm")]
    assert paths
    for path in paths:
        with open(path, "rb") as file, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            assert read_object(file) == pydicom.dcmread(path, force=True), path.name


@settings(deadline=None)
@given(st.data())
def test_a_torn_object_reads_as_with_pydicom(data):
    report = items.report(
        items.group(items.num(items.LENGTH, 20, "mm", items.scoord(items.LONG)), items.content("A"))
    )
    content = bytearray(encoded(undefined(report, lambda _: data.draw(st.booleans()))))
    at = data.draw(st.integers(340, len(content)))
    content[at : at + data.draw(st.integers(0, 8))] = data.draw(st.binary(max_size=8))
    content = bytes(content)
    try:
        expected = whole(read_marks(by_pydicom(content)))
    except Exception as problem:
        with pytest.raises(type(problem)):
            read_object(io.BytesIO(content))
    else:
        assert whole(read_marks(read_object(io.BytesIO(content)))) == expected


def test_big_endian_is_left_to_pydicom():
    content = encoded(undefined(items.report(items.group())), ExplicitVRBigEndian)
    assert read_object(io.BytesIO(content)) == by_pydicom(content)


TEXT = b"\x40\x00\x40\xa0CS\x04\x00TEXT"
SEQUENCE = b"\x40\x00\x30\xa7SQ\x00\x00"
ITEM, ITEM_END, END = b"\xfe\xff\x00\xe0", b"\xfe\xff\x0d\xe0", b"\xfe\xff\xdd\xe0"
OPEN, NONE = b"\xff\xff\xff\xff", b"\0\0\0\0"
WHOLE = SEQUENCE + OPEN + ITEM + OPEN + TEXT + ITEM_END + NONE + END + NONE


def test_lengths_are_those_of_the_values():
    found, end = with_defined_lengths(WHOLE, 0, implicit=False)
    item = ITEM + bytes([len(TEXT), 0, 0, 0]) + TEXT
    assert found == SEQUENCE + bytes([len(item), 0, 0, 0]) + item
    assert end == len(WHOLE)


@pytest.mark.parametrize(
    "data",
    [
        WHOLE[:-1],
        WHOLE[:-8],
        WHOLE[:-16] + END + NONE,
        SEQUENCE + OPEN + TEXT + END + NONE,
        SEQUENCE + OPEN + END + b"\x01\0\0\0",
        WHOLE.replace(ITEM_END + NONE, ITEM_END + b"\x01\0\0\0"),
        WHOLE.replace(b"CS", b"zz"),
        WHOLE.replace(b"SQ", b"UT"),
        SEQUENCE + OPEN + ITEM + b"\x08\0\0\0" + TEXT + END + NONE,
        ITEM + NONE,
        TEXT[:-1] + WHOLE,
    ],
)
def test_what_breaks_the_standard_is_irregular(data):
    with pytest.raises(Irregular):
        with_defined_lengths(data, 0, implicit=False)


def test_depth_is_bounded():
    nested = WHOLE
    for _ in range(defined_lengths.MAX_DEPTH):
        nested = SEQUENCE + OPEN + ITEM + OPEN + nested + ITEM_END + NONE + END + NONE
    with pytest.raises(Irregular, match="deeper"):
        with_defined_lengths(nested, 0, implicit=False)


def test_a_broken_sequence_of_known_length_costs_itself():
    broken = SEQUENCE + b"\x0c\0\0\0" + ITEM + OPEN + b"zzzz"
    found, _ = with_defined_lengths(broken + WHOLE, 0, implicit=False)
    assert found.startswith(broken)
    assert len(found) == len(broken) + len(WHOLE) - 16


def test_elements_are_bounded(monkeypatch):
    monkeypatch.setattr(defined_lengths, "MAX_ELEMENTS", 5)
    with pytest.raises(TooManyElements):
        with_defined_lengths(WHOLE * 3, 0, implicit=False)
    content = encoded(undefined(items.report(items.group(items.content("TEXT")))))
    with pytest.raises(UnreadableMarkFile, match="more than 5 elements"):
        read_object(io.BytesIO(content))


def test_a_broken_sequence_of_many_open_items_is_refused(monkeypatch):
    monkeypatch.setattr(dicom_object, "MAX_UNDEFINED_ITEMS", 3)
    broken = SEQUENCE + b"\x22\0\0\0" + (ITEM + OPEN) * 4 + b"zz"
    content = encoded(items.report()) + broken
    with pytest.raises(UnreadableMarkFile, match="4 items of undefined length"):
        read_object(io.BytesIO(content))
