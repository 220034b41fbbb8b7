"""The header reader against pydicom, and against noise."""

from __future__ import annotations

import io
import math
import os
import struct
import warnings

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.filereader import read_dataset
from pydicom.sequence import Sequence
from pydicom.uid import JPEGLSLossless

from dicomnode.receive.encoded import MAX_DEPTH, FileBytes, InvalidInstance
from dicomnode.receive.header import read_data_set, read_header
from dicomnode.receive.part10 import file_head
from tests.dicomnode.receive.loopback import (
    COMPREHENSIVE_SR,
    CT,
    EXPLICIT,
    IMPLICIT,
    ct,
    element,
    encode,
)

SYNTAXES = st.sampled_from([IMPLICIT, EXPLICIT])
TEXTS = st.text(
    st.characters(codec="utf-8", exclude_categories=("C",), exclude_characters="\\"), max_size=20
)
NUMBERS = st.floats(-9999, 9999).map(lambda value: round(value, 4))


@st.composite
def data_sets(draw) -> Dataset:
    """Draw CTs with texts in several character sets, and sequences of both kinds of length."""
    charset, text = draw(
        st.sampled_from(
            [
                ("ISO_IR 192", TEXTS),
                (
                    "ISO_IR 100",
                    st.text(
                        st.characters(codec="latin-1", min_codepoint=32).filter(
                            lambda c: c.isprintable() and c != "\\"
                        ),
                        max_size=20,
                    ),
                ),
                ("ISO_IR 144", st.text("АБВгдеЯя 1", max_size=20)),
                ("ISO_IR 13", st.text("ｱｲｳABC", max_size=12)),
                (["", "ISO 2022 IR 87"], st.text("胸部CT", max_size=12)),
                (None, st.text("abcABC 123^_", max_size=20)),
            ]
        )
    )
    data_set = ct(
        # Fixed, since hypothesis wants the same draws to give the same data.
        SOPInstanceUID="1.2.3",
        StudyInstanceUID="1.2.4.0",
        SeriesInstanceUID="2.25.99",
        FrameOfReferenceUID="1.2.840.5",
        rows=draw(st.integers(1, 20)),
        columns=draw(st.integers(1, 20)),
        PixelData=bytes(800),
        InstanceNumber=draw(st.integers(-(2**31), 2**31 - 1)),
        ImagePositionPatient=[draw(NUMBERS) for _ in range(3)],
        PixelSpacing=[draw(NUMBERS) for _ in range(2)],
        SliceThickness=draw(NUMBERS),
        ImageType=draw(st.lists(st.sampled_from(["ORIGINAL", "PRIMARY", "AXIAL", ""]), max_size=4)),
    )
    if charset is not None:
        data_set.SpecificCharacterSet = charset
    data_set.StudyDescription = draw(text)
    data_set.SeriesDescription = draw(text)
    for keyword in ("BodyPartExamined", "SliceThickness", "FrameOfReferenceUID", "PixelSpacing"):
        if draw(st.booleans()):
            delattr(data_set, keyword)
    data_set.ReferencedImageSequence = draw(sequences(3))
    if data_set.ReferencedImageSequence:
        data_set["ReferencedImageSequence"].is_undefined_length = draw(st.booleans())
    return data_set


@st.composite
def sequences(draw, depth: int) -> Sequence:
    items = []
    for _ in range(draw(st.integers(0, 2))):
        item = Dataset()
        item.ReferencedSOPClassUID = CT
        # A nested Series Description must not be taken for the data set's own.
        item.SeriesDescription = "nested"
        item.is_undefined_length_sequence_item = draw(st.booleans())
        if depth and draw(st.booleans()):
            item.ReferencedSeriesSequence = draw(sequences(depth - 1))
            item["ReferencedSeriesSequence"].is_undefined_length = draw(st.booleans())
        items.append(item)
    return Sequence(items)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data_sets(), SYNTAXES)
def test_it_reads_what_pydicom_reads(data_set, transfer_syntax):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        data = encode(data_set, transfer_syntax)
        read = read_dataset(io.BytesIO(data), transfer_syntax == IMPLICIT, True)
        texts = [
            str(read[keyword].value or "") for keyword in ("StudyDescription", "SeriesDescription")
        ]
    header = read_data_set(
        data,
        transfer_syntax,
        sop_class_uid=data_set.SOPClassUID,
        sop_instance_uid=data_set.SOPInstanceUID,
    )
    assert header.sop_instance_uid == data_set.SOPInstanceUID
    assert header.study_instance_uid == data_set.StudyInstanceUID
    assert header.series_instance_uid == data_set.SeriesInstanceUID
    assert header.transfer_syntax_uid == transfer_syntax
    assert header.frame_of_reference_uid == data_set.get("FrameOfReferenceUID")
    assert header.modality == "CT"
    assert header.body_part == data_set.get("BodyPartExamined", "")
    assert [header.study_description, header.series_description] == [
        text.strip(" \0") for text in texts
    ]
    image_type = data_set.ImageType or ()
    image_type = (image_type,) if isinstance(image_type, str) else tuple(image_type)
    assert header.image_type == (() if image_type == ("",) else image_type)
    assert header.instance_number == data_set.InstanceNumber
    assert (header.rows, header.columns) == (data_set.Rows, data_set.Columns)
    assert header.number_of_frames is None
    assert header.image_position == pytest.approx(tuple(data_set.ImagePositionPatient))
    assert header.image_orientation == (1, 0, 0, 0, 1, 0)
    assert header.pixel_spacing == (
        tuple(data_set.PixelSpacing) if "PixelSpacing" in data_set else None
    )
    assert header.slice_thickness == data_set.get("SliceThickness")


@settings(max_examples=200, deadline=None)
@given(SYNTAXES, st.data())
def test_a_truncated_data_set_is_never_taken(transfer_syntax, data):
    whole = _REFERENCE[transfer_syntax]
    cut = data.draw(st.integers(0, len(whole) - 1))
    with pytest.raises(InvalidInstance):
        read_data_set(whole[:cut], transfer_syntax)


@settings(max_examples=500, deadline=None)
@given(
    SYNTAXES, st.lists(st.tuples(st.floats(0, 1), st.binary(min_size=1, max_size=4)), max_size=4)
)
def test_flipped_bytes_are_taken_or_refused_and_nothing_else(transfer_syntax, flips):
    data = bytearray(_REFERENCE[transfer_syntax])
    for where, value in flips:
        at = int(where * (len(data) - len(value)))
        data[at : at + len(value)] = value
    _taken_or_refused(bytes(data), transfer_syntax)


def _nested() -> Dataset:
    item = Dataset()
    item.ReferencedSOPClassUID = CT
    item.is_undefined_length_sequence_item = True
    data_set = ct(rows=3, columns=3, PixelData=bytes(18), ReferencedImageSequence=[item, item])
    data_set["ReferencedImageSequence"].is_undefined_length = True
    data_set.SpecificCharacterSet = "ISO_IR 100"
    return data_set


_REFERENCE = {syntax: encode(_nested(), syntax) for syntax in (IMPLICIT, EXPLICIT)}


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=2000), SYNTAXES)
def test_noise_is_refused(data, transfer_syntax):
    with pytest.raises(InvalidInstance):
        read_data_set(data, transfer_syntax)


def _taken_or_refused(data: bytes, transfer_syntax: str) -> None:
    refused = None
    try:
        header = read_data_set(data, transfer_syntax)
    except InvalidInstance as error:
        refused = error
    if refused is not None:
        assert refused.status in (0xA900, 0xC000)
        assert refused.reason
        assert "Nobody" not in refused.reason
    else:
        geometry = (header.image_position or ()) + (header.pixel_spacing or ())
        assert all(map(math.isfinite, geometry))


def test_nesting_is_bounded():
    def nested(depth):
        opening = b""
        for _ in range(depth):
            opening += struct.pack("<HHL", 0x0008, 0x1140, 2**32 - 1)
            opening += struct.pack("<HHL", 0xFFFE, 0xE000, 2**32 - 1)
        closing = struct.pack("<HHLHHL", 0xFFFE, 0xE00D, 0, 0xFFFE, 0xE0DD, 0)
        return opening + closing * depth

    plain = encode(ct(Modality=None), IMPLICIT)
    # (0008,1140) belongs between Series Description and Patient's Name.
    tail = plain.index(struct.pack("<HH", 0x0010, 0x0010))
    assert read_data_set(plain[:tail] + nested(MAX_DEPTH) + plain[tail:], IMPLICIT)
    for depth in (MAX_DEPTH + 1, 20_000):
        with pytest.raises(InvalidInstance, match="nested"):
            read_data_set(plain[:tail] + nested(depth) + plain[tail:], IMPLICIT)


def test_the_number_of_elements_is_bounded(monkeypatch):
    monkeypatch.setattr("dicomnode.receive.encoded.MAX_ELEMENTS", 10)
    with pytest.raises(InvalidInstance, match="more than 10 elements"):
        read_data_set(encode(ct()), EXPLICIT)


def _compressed(frames=(b"\xff\xd8\xff\xd9",)):
    data_set = ct()
    data_set.PixelData = encapsulate(list(frames))
    data_set["PixelData"].VR = "OB"
    data_set["PixelData"].is_undefined_length = True
    return encode(data_set)


def test_encapsulated_pixel_data_is_followed_to_its_end():
    data = _compressed([b"\xff\xd8" * 50, b"\xff\xd9" * 10])
    assert read_data_set(data, JPEGLSLossless).rows == 16
    for cut in range(1, 160):
        with pytest.raises(InvalidInstance):
            read_data_set(data[:-cut], JPEGLSLossless)


def test_pixel_data_is_encoded_as_the_transfer_syntax_says():
    with pytest.raises(InvalidInstance, match="transfer syntax says"):
        read_data_set(_compressed(), EXPLICIT)
    with pytest.raises(InvalidInstance, match="transfer syntax says"):
        read_data_set(encode(ct()), JPEGLSLossless)


@pytest.mark.parametrize("syntax", ["1.2.840.10008.1.2.2", "1.2.840.10008.1.2.1.99", "", "x"])
def test_other_transfer_syntaxes_are_refused(syntax):
    with pytest.raises(InvalidInstance, match="transfer syntax"):
        read_data_set(encode(ct()), syntax)


@pytest.mark.parametrize(
    ("changes", "short", "whole"),
    [
        ({}, 383, 384),
        ({"NumberOfFrames": 3}, 1151, 1152),
        ({"BitsAllocated": 1, "NumberOfFrames": 3}, 71, 72),
        ({"BitsAllocated": 1, "Rows": 3, "Columns": 3}, 1, 2),
        ({"SamplesPerPixel": 3, "BitsAllocated": 8}, 575, 576),
    ],
)
def test_pixel_data_is_as_long_as_the_image(changes, short, whole):
    # The length is odd on purpose, to meet the bound exactly.
    def encoded(length):
        data_set = ct(**changes, PixelData=None)
        return encode(data_set, IMPLICIT) + element(0x7FE00010, bytes(length))

    assert read_data_set(encoded(whole), IMPLICIT)
    with pytest.raises(InvalidInstance, match=f"expected {whole}") as caught:
        read_data_set(encoded(short), IMPLICIT)
    assert caught.value.status == 0xC000


def _without(keyword) -> bytes:
    data_set = ct()
    # pydicom asks Bits Allocated for the VR of pixel data, unless it is given.
    data_set["PixelData"].VR = "OW"
    delattr(data_set, keyword)
    return encode(data_set)


@pytest.mark.parametrize("keyword", ["Rows", "Columns", "BitsAllocated", "PixelData"])
def test_an_image_lacking_what_makes_it_one_is_refused(keyword):
    with pytest.raises(InvalidInstance) as caught:
        read_data_set(_without(keyword), EXPLICIT)
    assert caught.value.status == 0xA900


def test_a_document_needs_no_pixels_and_geometry_that_cannot_be_read_is_none():
    data_set = ct(SOPClassUID=COMPREHENSIVE_SR, PixelData=None, Rows=None)
    header = read_data_set(encode(data_set), EXPLICIT)
    assert (header.rows, header.sop_class_uid) == (None, COMPREHENSIVE_SR)
    broken = encode(data_set).replace(b"-100.5", b"-1x0.5").replace(b"1.25", b" NaN")
    header = read_data_set(broken, EXPLICIT)
    assert header.image_position is None
    assert header.slice_thickness is None
    assert header.pixel_spacing == (0.7, 0.8)


@pytest.mark.parametrize("charset", [b"NO SUCH SET ", b"ISO_IR 192\\\xff\xff", b"\\\\\\ "])
def test_a_broken_character_set_costs_letters_not_the_instance(charset):
    data_set = ct()
    data_set.SpecificCharacterSet = "ISO_IR 100"
    data_set.SeriesDescription = "K\u00f6rper"
    data = encode(data_set, IMPLICIT)
    old = element(0x00080005, b"ISO_IR 100")
    assert old in data
    header = read_data_set(data.replace(old, element(0x00080005, charset)), IMPLICIT)
    assert header.series_description.startswith("K")


@given(st.lists(st.tuples(st.integers(0, 70_000), st.integers(0, 40_000)), max_size=20))
def test_a_file_sliced_is_its_bytes_sliced(slices):
    content = bytes(range(256)) * 250
    descriptor = os.memfd_create("slices")
    try:
        os.write(descriptor, b"head" + content + b"tail")
        data = FileBytes(descriptor, 4, 4 + len(content))
        assert len(data) == len(content)
        for start, length in slices:
            assert data[start : start + length] == content[start : start + length]
    finally:
        os.close(descriptor)


def test_a_file_that_shrinks_while_it_is_read_is_refused(tmp_path):
    path = tmp_path / "shrinks"
    data = encode(ct())
    path.write_bytes(data[:200])
    with open(path, "rb") as file, pytest.raises(InvalidInstance):
        read_data_set(FileBytes(file.fileno(), 0, len(data)), EXPLICIT)


def test_read_header_of_a_part_10_file(tmp_path):
    data_set = ct()
    head = file_head(CT, data_set.SOPInstanceUID, EXPLICIT, "CALLING", "CALLED")
    path = tmp_path / "slice"
    path.write_bytes(head + encode(data_set))
    assert read_header(path) == read_data_set(encode(data_set), EXPLICIT)
    for size in (0, 100, 131, 132, 140, 144, 200, len(head), len(head) + 50):
        path.write_bytes((head + encode(data_set))[:size])
        with pytest.raises(InvalidInstance):
            read_header(path)


def test_meta_information_of_another_instance_is_refused(tmp_path):
    path = tmp_path / "slice"
    path.write_bytes(file_head(CT, "1.2.3", EXPLICIT, "A", "B") + encode(ct()))
    with pytest.raises(InvalidInstance, match="SOP Instance UID differs"):
        read_header(path)
