"""Where frames lie is read from their functional groups, or the shared ones; nothing is made up."""

from __future__ import annotations

import contextlib
import io
import warnings

import highdicom as hd
import numpy as np
import pydicom
import pytest

from dicomnode.frames import (
    FrameFile,
    UnreadableFrames,
    UnsuitableFrame,
    check_frame,
    frame_headers,
    frame_of,
    read_frame_file,
    read_frames,
    read_headers,
    slice_name,
    split_into_stacks,
)
from tests.dicomnode.enhanced_ct import FrameOf, enhanced_ct, frames_of
from tests.dicomnode.studies import study


@pytest.fixture(scope="module")
def ct():
    return study("frames").ct


def encoded(dataset: pydicom.Dataset, **how) -> pydicom.Dataset:
    """The same as it is read from a file."""
    file = io.BytesIO()
    dataset.save_as(file, enforce_file_format=True, **how)
    file.seek(0)
    return pydicom.dcmread(file, stop_before_pixels=True)


def test_a_name_leads_back_to_image_and_frame():
    assert frame_of(slice_name("1.2.3", None)) == ("1.2.3", None)
    assert frame_of(slice_name("1.2.3", 12)) == ("1.2.3", 12)


@pytest.mark.parametrize("undefined", [False, True])
def test_frames_lie_where_the_slices_lay(ct, undefined):
    made = enhanced_ct(frames_of(ct[::-1]))
    if undefined:
        for group in made.PerFrameFunctionalGroupsSequence:
            group.is_undefined_length_sequence_item = True
    frames = read_frames(encoded(made)).frames
    assert [frame.number for frame in frames] == list(range(1, len(ct) + 1))
    for frame, image in zip(frames, ct[::-1], strict=True):
        assert frame.plane.position == pytest.approx(image.ImagePositionPatient)
        assert frame.plane.orientation == pytest.approx(image.ImageOrientationPatient)
        assert frame.plane.pixel_spacing == pytest.approx(image.PixelSpacing)
        assert (frame.plane.rows, frame.plane.columns) == (image.Rows, image.Columns)
        assert frame.plane.frame_of_reference_uid == image.FrameOfReferenceUID
        assert frame.slice_thickness == frame.plane.slice_spacing == 2.0
        assert frame.is_original
    assert [frame.in_stack_position for frame in frames] == list(range(1, len(ct) + 1))


def test_what_a_frame_says_itself_goes_before_what_all_share(ct):
    measures = pydicom.Dataset()
    measures.PixelSpacing, measures.SliceThickness = [0.5, 0.5], "4"
    own = FrameOf(ct[1], extra={"PixelMeasuresSequence": [measures]})
    shared, other = read_frames(encoded(enhanced_ct([FrameOf(ct[0]), own]))).frames
    assert shared.plane.pixel_spacing == (0.8, 0.8)
    assert other.plane.pixel_spacing == (0.5, 0.5)
    assert other.slice_thickness == 4.0


def test_highdicoms_conversion_of_single_frames_is_read(ct):
    converted = hd.legacy.LegacyConvertedEnhancedCTImage(ct, "1.2.3.4", 7, "1.2.3.4.5", 1)
    frames = read_frames(encoded(converted)).frames
    theirs = hd.Image.from_dataset(converted).get_volume()
    places = theirs.map_indices_to_reference(np.array([[i, 0, 0] for i in range(len(ct))]))
    ours = sorted(frame.plane.position for frame in frames)
    np.testing.assert_allclose(ours, sorted(map(tuple, places.tolist())), atol=1e-6)
    assert {frame.kernel for frame in frames} == {"SYNTHETIC"}


def test_a_frame_without_place_costs_that_frame(ct):
    made = enhanced_ct(frames_of(ct[:3]))
    del made.PerFrameFunctionalGroupsSequence[1].PlanePositionSequence
    planes = [frame.plane for frame in read_frames(encoded(made)).frames]
    assert [plane is None for plane in planes] == [False, True, False]


@pytest.mark.parametrize("count", [2, 5, None])
def test_frames_that_are_not_there_are_not_made_up(ct, count):
    made = enhanced_ct(frames_of(ct[:3]))
    made.NumberOfFrames = count
    with pytest.raises(UnreadableFrames, match="found 3 items"):
        read_frames(made)


def test_too_many_frames_are_refused(ct, monkeypatch, tmp_path):
    monkeypatch.setattr("dicomnode.frames.functional_groups.MAX_FRAMES", 2)
    with pytest.raises(UnreadableFrames, match="at most 2"):
        read_frames(enhanced_ct(frames_of(ct[:3])))


def test_what_would_take_too_long_is_not_parsed(ct, monkeypatch, tmp_path):
    made = enhanced_ct(frames_of(ct[:3]))
    for group in made.PerFrameFunctionalGroupsSequence:
        group.is_undefined_length_sequence_item = True
    path = tmp_path / "costly.dcm"
    made.save_as(path, enforce_file_format=True)
    assert len(read_frame_file(path).frames) == 3
    monkeypatch.setattr("dicomnode.frames.functional_groups.MAX_UNDEFINED_ITEMS", 2)
    with pytest.raises(UnreadableFrames, match="3 items of undefined length"):
        read_frame_file(path)


def test_a_concatenation_is_told(ct):
    part = read_frames(enhanced_ct(frames_of(ct[:3]), part=(2, 3))).concatenation
    assert (part.number, part.total) == (2, 3)
    assert read_frames(enhanced_ct(frames_of(ct[:3]))).concatenation is None


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"kind": ("ORIGINAL", "PRIMARY", "LOCALIZER", "NONE")}, "localizer"),
        ({"kind": ("DERIVED", "PRIMARY", "VOLUME", "MAXIMUM")}, "a MAXIMUM of CT values"),
        ({"kind": ("DERIVED", "PRIMARY", "VOLUME", "SUBTRACTION")}, "a SUBTRACTION"),
        ({"technique": "MAX_IP"}, "made by MAX_IP"),
        ({"technique": "CURVED_MPR"}, "made by CURVED_MPR"),
    ],
)
def test_what_is_no_ct_slice_is_refused(ct, changes, words):
    (frame,) = read_frames(enhanced_ct([FrameOf(ct[0], **changes)])).frames
    with pytest.raises(UnsuitableFrame, match=words):
        check_frame(frame)


@pytest.mark.parametrize("contrast", ["NONE", "MEAN", "RESAMPLED"])
def test_slices_are_suitable(ct, contrast):
    kind = ("DERIVED", "PRIMARY", "VOLUME", contrast)
    (frame,) = read_frames(enhanced_ct([FrameOf(ct[0], kind=kind)])).frames
    check_frame(frame)


def test_a_frame_reads_as_a_single_frame_image(ct, tmp_path):
    frames = [FrameOf(ct[0], slope=2.0, intercept=-1000.0), FrameOf(ct[1], intercept=-24.0)]
    path = tmp_path / "two.dcm"
    enhanced_ct(frames).save_as(path, enforce_file_format=True)
    second, first = read_headers([FrameFile(path, 2), FrameFile(path, 1)])
    assert list(second.ImagePositionPatient) == list(ct[1].ImagePositionPatient)
    assert list(first.ImagePositionPatient) == list(ct[0].ImagePositionPatient)
    assert (first.RescaleSlope, first.RescaleIntercept) == (2, -1000)
    assert (second.RescaleSlope, second.RescaleIntercept) == (1, -24)
    assert first.PixelSpacing == ct[0].PixelSpacing
    assert "NumberOfFrames" not in first
    assert "PerFrameFunctionalGroupsSequence" not in first


def test_a_place_outside_of_the_functional_groups_is_none(ct):
    made = enhanced_ct(frames_of(ct[:2]))
    made.ImagePositionPatient = [1, 2, 3]
    del made.PerFrameFunctionalGroupsSequence[0].PlanePositionSequence
    (header,) = frame_headers(made, [1])
    assert "ImagePositionPatient" not in header


@pytest.mark.parametrize("number", [0, 3])
def test_a_frame_that_is_not_there_has_no_header(ct, number):
    with pytest.raises(UnreadableFrames, match="the image has 2"):
        frame_headers(enhanced_ct(frames_of(ct[:2])), [number])


def test_a_mapping_to_hu_does_where_there_is_no_rescale(ct):
    unit = pydicom.Dataset()
    unit.CodeValue, unit.CodingSchemeDesignator = "[hnsf'U]", "UCUM"
    mapping = pydicom.Dataset()
    mapping.MeasurementUnitsCodeSequence = [unit]
    mapping.RealWorldValueSlope, mapping.RealWorldValueIntercept = 0.5, -1000.0
    frame = FrameOf(ct[0], slope=None, extra={"RealWorldValueMappingSequence": [mapping]})
    (header,) = frame_headers(enhanced_ct([frame]), [1])
    assert (header.RescaleSlope, header.RescaleIntercept) == (0.5, -1000)
    unit.CodeValue = "mg/ml"
    (header,) = frame_headers(enhanced_ct([frame]), [1])
    assert "RescaleSlope" not in header


@pytest.mark.parametrize("undefined", [False, True])
def test_a_damaged_header_is_read_or_refused(ct, tmp_path, undefined):
    made = enhanced_ct(frames_of(ct[:4]))
    if undefined:
        made["PerFrameFunctionalGroupsSequence"].is_undefined_length = True
        for group in made.PerFrameFunctionalGroupsSequence:
            group.is_undefined_length_sequence_item = True
    file = io.BytesIO()
    made.save_as(file, enforce_file_format=True)
    whole = file.getvalue()
    end = whole.rindex(b"\xe0\x7f\x10\x00")  # the pixels
    rng = np.random.default_rng(0)
    path = tmp_path / "damaged.dcm"
    read = 0
    for _ in range(200):
        damaged = bytearray(whole)
        for _ in range(rng.integers(1, 4)):
            at = rng.integers(300, end)
            if rng.random() < 0.7:
                damaged[at] = rng.integers(0, 256)
            else:
                damaged[at : at + rng.integers(1, 9)] = rng.bytes(rng.integers(0, 9))
        path.write_bytes(damaged)
        with contextlib.suppress(UnreadableFrames), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            frames = read_frame_file(path).frames
            split_into_stacks(frames)
            headers = read_headers([FrameFile(path, frame.number) for frame in frames])
            read += len(headers) > 0
    assert 0 < read < 200
