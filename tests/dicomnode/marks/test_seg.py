"""Segments of any kind of SEG, complete or not, decode to what their writer put in."""

from __future__ import annotations

import copy

import highdicom as hd
import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.filebase import DicomBytesIO
from pydicom.sr.codedict import codes
from pydicom.uid import ExplicitVRLittleEndian, JPEGLSLossless, RLELossless

from dicomnode.demo.ct_series import CtSeriesDescription, ct_series
from dicomnode.marks import UndecodableFrame, read_marks
from dicomnode.marks.seg import MAX_FRAMES, read_seg
from dicomnode.marks.segment import SegmentKind
from tests.real_data import real

SHAPE = (3, 34, 37)  # columns no multiple of 8: frames do not begin at a byte


@pytest.fixture(scope="module")
def ct() -> list[Dataset]:
    affine = np.array([[0, 0, 0.8, -50], [0, 0.6, 0, -40], [2.0, 0, 0, 10], [0, 0, 0, 1]])
    volume = hd.Volume(np.zeros(SHAPE, np.int16), affine, coordinate_system="PATIENT")
    return ct_series(volume, CtSeriesDescription("test_seg"))


@pytest.fixture(scope="module")
def labels() -> np.ndarray:
    mask = np.zeros(SHAPE, np.uint8)
    mask[:, 5:20, 7:19] = 1
    mask[1:, 22:27, 30:36] = 2
    return mask


@pytest.fixture(scope="module")
def alpha(labels) -> np.ndarray:
    ramp = np.linspace(0, 1, labels.size, dtype=np.float32).reshape(SHAPE)
    return np.round(np.where(labels == 1, ramp, 0) * 200) / 200


def write(ct, pixels, kind: str, segments: int, syntax=ExplicitVRLittleEndian, **kwargs) -> Dataset:
    """A SEG that went through a file."""
    descriptions = [
        hd.seg.SegmentDescription(
            number,
            f"DOE JANE {number}",
            codes.SCT.MorphologicallyAbnormalStructure,
            codes.SCT.Nodule,
            "MANUAL",
            tracking_uid=f"1.2.7{number}",
            tracking_id=f"T{number}",
            anatomic_regions=[codes.SCT.Lung],
        )
        for number in range(1, segments + 1)
    ]
    seg = hd.seg.Segmentation(
        ct,
        pixels,
        kind,
        descriptions,
        series_instance_uid="1.2.50",
        series_number=5,
        sop_instance_uid="1.2.51",
        instance_number=1,
        manufacturer="m",
        manufacturer_model_name="m",
        software_versions="1",
        device_serial_number="1",
        transfer_syntax_uid=syntax,
        **kwargs,
    )
    stream = DicomBytesIO()
    seg.save_as(stream)
    stream.seek(0)
    return pydicom.dcmread(stream)


def by_image(segment) -> dict[str, np.ndarray]:
    return {frame.referenced_sop_instance_uid: frame.values for frame in segment.frames}


def assert_holds(segment, ct, expected: np.ndarray, atol: float = 0) -> None:
    found = by_image(segment)
    for image, plane in zip(ct, expected, strict=True):
        values = found.pop(image.SOPInstanceUID, np.zeros(SHAPE[1:], np.float32))
        assert values.dtype == np.float32
        np.testing.assert_allclose(values, plane, atol=atol)
    assert not found


@pytest.mark.parametrize("kind", ["BINARY", "LABELMAP"])
def test_masks_come_back_segment_by_segment(ct, labels, kind):
    reading = read_marks(write(ct, labels, kind, 2))
    assert reading.refusals == ()
    assert [segment.number for segment in reading.segments] == [1, 2]
    for segment in reading.segments:
        assert segment.kind is SegmentKind[kind]
        assert_holds(segment, ct, labels == segment.number)
        assert (segment.tracking_id, segment.tracking_uid) == (
            f"T{segment.number}",
            f"1.2.7{segment.number}",
        )
        assert segment.finding.value == codes.SCT.Nodule.value
        assert segment.site.value == codes.SCT.Lung.value
        assert segment.frame_of_reference_uid == ct[0].FrameOfReferenceUID
    assert "DOE" not in repr(reading)


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, RLELossless, JPEGLSLossless])
def test_fractions_are_proportions_of_the_full_scale(ct, alpha, syntax):
    seg = write(ct, alpha, "FRACTIONAL", 1, syntax, max_fractional_value=200)
    (segment,) = read_seg(seg).segments
    assert segment.kind is SegmentKind.FRACTIONAL
    assert_holds(segment, ct, alpha, atol=1e-6)


def test_frames_lie_where_their_slices_lie(ct, labels):
    for frame in read_seg(write(ct, labels, "BINARY", 2)).segments[0].frames:
        (image,) = [i for i in ct if i.SOPInstanceUID == frame.referenced_sop_instance_uid]
        np.testing.assert_allclose(frame.position, image.ImagePositionPatient)
        np.testing.assert_allclose(frame.orientation, image.ImageOrientationPatient)
        np.testing.assert_allclose(frame.pixel_spacing, image.PixelSpacing)


def test_highdicom_decodes_the_same(ct, labels):
    seg = write(ct, labels, "BINARY", 2)
    theirs = hd.seg.Segmentation.from_dataset(seg).get_pixels_by_source_instance(
        [image.SOPInstanceUID for image in ct]
    )
    for index, segment in enumerate(read_seg(seg).segments):
        assert_holds(segment, ct, theirs[..., index])


def test_pixels_are_decoded_only_when_they_are_asked_for(ct, labels):
    seg = write(ct, labels, "BINARY", 2)
    del seg.PixelData
    reading = read_seg(seg)
    assert len(reading.segments) == 2
    with pytest.raises(UndecodableFrame, match="without its pixels"):
        _ = reading.segments[0].frames[0].values


def test_pixels_that_are_cut_short_are_a_typed_error(ct, alpha):
    seg = write(ct, alpha, "FRACTIONAL", 1)
    seg.PixelData = seg.PixelData[:-40]
    frames = read_seg(seg).segments[0].frames
    with pytest.raises(UndecodableFrame):
        _ = frames[-1].values


def test_without_derivation_a_frame_has_its_position_only(ct, labels):
    seg = write(ct, labels, "BINARY", 2)
    for groups in seg.PerFrameFunctionalGroupsSequence:
        del groups.DerivationImageSequence
    reading = read_seg(seg)
    assert reading.refusals == ()
    frames = reading.segments[0].frames
    assert {frame.referenced_sop_instance_uid for frame in frames} == {None}
    found = {frame.position[2] for frame in frames}
    assert found == {float(image.ImagePositionPatient[2]) for image in ct}


def test_without_a_position_a_frame_has_its_image_only(ct, labels):
    seg = write(ct, labels, "BINARY", 2)
    for groups in seg.PerFrameFunctionalGroupsSequence:
        del groups.PlanePositionSequence
    frames = read_seg(seg).segments[0].frames
    assert {frame.position for frame in frames} == {None}
    assert None not in {frame.referenced_sop_instance_uid for frame in frames}


def test_a_frame_that_lies_nowhere_is_refused_alone(ct, labels):
    seg = write(ct, labels, "BINARY", 1 + 1)
    count = len(seg.PerFrameFunctionalGroupsSequence)
    del seg.PerFrameFunctionalGroupsSequence[0].PlanePositionSequence
    del seg.PerFrameFunctionalGroupsSequence[0].DerivationImageSequence
    reading = read_seg(seg)
    assert sum(len(segment.frames) for segment in reading.segments) == count - 1
    (refusal,) = reading.refusals
    assert refusal.item == "frame 1"
    assert "nowhere" in refusal.reason


def test_a_frame_of_no_segment_is_refused_unless_there_is_only_one(ct, labels):
    seg = write(ct, labels, "BINARY", 2)
    del seg.PerFrameFunctionalGroupsSequence[0].SegmentIdentificationSequence
    assert "names no segment" in read_seg(seg).refusals[0].reason
    one = write(ct, (labels == 1).astype(np.uint8), "BINARY", 1)
    for groups in (*one.SharedFunctionalGroupsSequence, *one.PerFrameFunctionalGroupsSequence):
        groups.pop("SegmentIdentificationSequence", None)
    (segment,) = read_seg(one).segments
    assert_holds(segment, ct, labels == 1)


def test_a_segment_that_is_not_described_is_still_one(ct, labels):
    seg = write(ct, labels, "BINARY", 2)
    del seg.SegmentSequence
    first, _ = read_seg(seg).segments
    assert_holds(first, ct, labels == 1)
    assert (first.finding, first.tracking_uid) == (None, None)


@pytest.mark.parametrize(
    ("keyword", "value", "reason"),
    [
        ("Rows", None, "rows"),
        ("Columns", 0, "rows"),
        ("Rows", 65535, "expected at most"),
        ("NumberOfFrames", MAX_FRAMES + 1, "frames"),
        ("SegmentationType", "VOXELS", "type"),
        ("MaximumFractionalValue", None, "full pixel"),
        ("SOPInstanceUID", None, "SOP Instance UID"),
    ],
)
def test_what_cannot_be_decoded_is_one_refusal(ct, alpha, keyword, value, reason):
    seg = write(ct, alpha, "FRACTIONAL", 1)
    if keyword == "Rows" and value:
        seg.Columns = value
    setattr(seg, keyword, value)
    reading = read_seg(seg)
    assert reading.segments == ()
    (refusal,) = reading.refusals
    assert reason in refusal.reason


def test_fewer_described_frames_than_announced_are_said_so(ct, labels):
    seg = write(ct, labels, "BINARY", 2)
    seg.PerFrameFunctionalGroupsSequence.pop()
    reading = read_seg(seg)
    assert reading.segments
    assert "announced" in reading.refusals[0].reason


def test_a_frame_of_a_multi_frame_image_is_named(ct, labels):
    seg = copy.deepcopy(write(ct, labels, "BINARY", 2))
    for groups in seg.PerFrameFunctionalGroupsSequence:
        source = groups.DerivationImageSequence[0].SourceImageSequence[0]
        source.ReferencedFrameNumber = 4
    assert {f.referenced_frame for s in read_seg(seg).segments for f in s.frames} == {4}


@pytest.mark.real_data
@pytest.mark.parametrize(
    ("name", "kind", "frames", "voxels"),
    [
        ("seg_binary_dcmqi_liver.dcm", "BINARY", [3], 107098),
        ("seg_binary_dcmqi_partial_overlaps.dcm", "BINARY", [1, 1, 3, 1, 1], 43639),
        ("seg_binary_epad.dcm", "BINARY", [3], 2492),
        ("seg_fractional_highdicom.dcm", "FRACTIONAL", [3], 326.02),
    ],
)
def test_segmentations_of_other_programs(name, kind, frames, voxels):
    dataset = pydicom.dcmread(real(f"dicom_objects/{name}"))
    reading = read_marks(dataset)
    assert reading.refusals == ()
    assert {segment.kind.name for segment in reading.segments} == {kind}
    assert [len(segment.frames) for segment in reading.segments] == frames
    found = [f.values for segment in reading.segments for f in segment.frames]
    assert sum(values.sum() for values in found) == pytest.approx(voxels, abs=0.01)
    assert np.count_nonzero(found) == np.count_nonzero(dataset.pixel_array)


@pytest.mark.real_data
def test_a_liver_lies_on_its_slices():
    slices = {
        image.SOPInstanceUID: image
        for number in (1, 2, 3)
        for image in [
            pydicom.dcmread(real(f"dicom_objects/ct_liver_0{number}.dcm"), stop_before_pixels=True)
        ]
    }
    path = real("dicom_objects/seg_binary_dcmqi_liver.dcm")
    (segment,) = read_seg(pydicom.dcmread(path)).segments
    assert {frame.referenced_sop_instance_uid for frame in segment.frames} == set(slices)
    for frame in segment.frames:
        image = slices[frame.referenced_sop_instance_uid]
        np.testing.assert_allclose(frame.position, image.ImagePositionPatient, atol=1e-3)
