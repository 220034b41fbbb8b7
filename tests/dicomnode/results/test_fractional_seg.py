"""What goes into a SEG comes out of it: every alpha, every position, every identifier."""

from __future__ import annotations

import copy
from dataclasses import replace

import highdicom as hd
import numpy as np
import pydicom
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian, JPEGLSLossless

from dicomnode.demo.ct_series import CtSeriesDescription, ct_series
from dicomnode.marks.recist_mark import Code
from dicomnode.results import (
    EmptyMask,
    FractionalSegSettings,
    MarkSource,
    SeriesNumbers,
    UnusableGeometry,
    derive_uid,
    fractional_seg,
    to_explicit_le,
)
from dicomnode.results.fractional_seg import fractional_seg_uids
from pipelines.soft_mask import SoftMask
from tests.dicomnode.results.lesions import (
    EQUIPMENT,
    MARK,
    SHAPE,
    differences,
    file_of,
    lesion_result,
    random_alpha,
    real_grid,
    real_series,
    soft_mask,
    volume,
    volumes,
    written,
)

SOURCE = MarkSource("1.2.840.10008.5.1.4.1.1.88.34", "1.2.5", "", "1.2.50")


@pytest.fixture
def ct() -> list[Dataset]:
    return ct_series(volume(), CtSeriesDescription("test_fractional_seg"))


@pytest.fixture
def mask() -> SoftMask:
    return soft_mask(volume(), random_alpha())


def alpha_by_slice(seg: hd.seg.Segmentation) -> dict[str, np.ndarray]:
    """Of each source slice its frame, in [0, 1]."""
    frames = np.atleast_3d(seg.pixel_array.reshape(-1, seg.Rows, seg.Columns)) / 255
    return {
        group.DerivationImageSequence[0].SourceImageSequence[0].ReferencedSOPInstanceUID: frame
        for group, frame in zip(seg.PerFrameFunctionalGroupsSequence, frames, strict=True)
    }


@given(
    ct_volume=volumes,
    seed=st.integers(0, 99),
    syntax=st.sampled_from([JPEGLSLossless, ExplicitVRLittleEndian]),
)
@settings(max_examples=30, deadline=None)
def test_alpha_and_geometry_survive(ct_volume, seed, syntax):
    ct = ct_series(ct_volume, CtSeriesDescription("round trip"))
    alpha = random_alpha(seed)
    seg = written(
        fractional_seg(
            lesion_result(soft_mask(ct_volume, alpha), ct),
            FractionalSegSettings(transfer_syntax_uid=syntax),
        )
    )
    found = seg.get_volume(combine_segments=False, rescale_fractional=True)
    # The empty first slice of the crop is left out, the empty one inside is not.
    assert found.spatial_shape[0] == 3
    off_mm, error = differences(found, alpha, ct_volume)
    assert off_mm < 0.01
    assert error <= 1 / 510 + 1e-6


def test_frames_belong_to_their_source_slices(ct, mask):
    frames = alpha_by_slice(written(fractional_seg(lesion_result(mask, ct))))
    alpha = mask.alpha.array
    assert set(frames) == {ct[i].SOPInstanceUID for i in (3, 4, 5)}
    for index in (3, 4, 5):
        crop = frames[ct[index].SOPInstanceUID][5:12, 6:15]
        np.testing.assert_allclose(crop, alpha[index - 2], atol=1 / 510 + 1e-6)


def test_every_slice_has_a_frame_where_the_destination_counts_frames(ct, mask):
    settings_ = FractionalSegSettings(omit_empty_frames=False)
    frames = alpha_by_slice(written(fractional_seg(lesion_result(mask, ct), settings_)))
    assert set(frames) == {slice_.SOPInstanceUID for slice_ in ct}
    assert {uid for uid, frame in frames.items() if frame.any()} == {
        ct[3].SOPInstanceUID,
        ct[5].SOPInstanceUID,
    }


def test_only_covered_slices_are_looked_at(ct, mask):
    for index in (0, 1, 6, 7):
        ct[index] = Dataset()
    assert fractional_seg(lesion_result(mask, ct)).NumberOfFrames == 3


def test_a_leaning_stack_keeps_its_true_positions(mask):
    leaning = {
        i: {"ImagePositionPatient": [-50, -40 + 0.7 * i, 10 + 2.0 * i]} for i in range(SHAPE[0])
    }
    ct = ct_series(volume(), CtSeriesDescription("tilt"), leaning)
    seg = written(fractional_seg(lesion_result(mask, ct)))
    for group in seg.PerFrameFunctionalGroupsSequence:
        source = group.DerivationImageSequence[0].SourceImageSequence[0].ReferencedSOPInstanceUID
        slice_ = next(s for s in ct if s.SOPInstanceUID == source)
        np.testing.assert_allclose(
            group.PlanePositionSequence[0].ImagePositionPatient, slice_.ImagePositionPatient
        )


def test_a_slight_drift_of_the_positions_is_kept_too(mask):
    drifting = {
        i: {"ImagePositionPatient": [-50, -40 + 0.015 * i, 10 + 2.0 * i]} for i in range(SHAPE[0])
    }
    ct = ct_series(volume(), CtSeriesDescription("drift"), drifting)
    seg = written(fractional_seg(lesion_result(mask, ct)))
    found = {
        tuple(group.PlanePositionSequence[0].ImagePositionPatient)
        for group in seg.PerFrameFunctionalGroupsSequence
    }
    assert found == {tuple(ct[i].ImagePositionPatient) for i in (3, 4, 5)}


def test_a_single_frame_states_the_slice_spacing_of_the_ct(ct):
    alpha = np.zeros((1, 7, 9), np.float32)
    alpha[0, 3, 3] = 1
    seg = fractional_seg(lesion_result(soft_mask(volume(), alpha), ct))
    measures = seg.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0]
    assert measures.SpacingBetweenSlices == pytest.approx(2.0)
    assert list(measures.PixelSpacing) == pytest.approx([0.6, 0.8])


def test_the_same_input_gives_the_same_uids_and_pixel_bytes(ct, mask):
    first, second = (fractional_seg(lesion_result(mask, ct, mark_sources=[SOURCE])) for _ in "12")
    assert first.PixelData == second.PixelData

    def uids(dataset):
        return [element.value for element in dataset.iterall() if element.VR == "UI"]

    assert uids(first) == uids(second)
    known = fractional_seg_uids(lesion_result(mask, ct), FractionalSegSettings())
    assert first.SOPInstanceUID == known.sop_instance_uid
    assert first.SeriesInstanceUID == known.series_instance_uid


def test_another_configuration_is_another_instance_of_the_same_series(ct, mask):
    first = fractional_seg(lesion_result(mask, ct))
    second = fractional_seg(lesion_result(mask, ct, configuration_digest="other"))
    assert first.SOPInstanceUID != second.SOPInstanceUID
    assert first.SeriesInstanceUID == second.SeriesInstanceUID
    assert first.SeriesNumber == second.SeriesNumber


def test_the_series_number_stays_in_its_range(ct, mask):
    for method in "abcdef":
        settings_ = FractionalSegSettings(series_numbers=SeriesNumbers(900, 3))
        seg = fractional_seg(lesion_result(replace(mask, method=method), ct), settings_)
        assert 900 <= seg.SeriesNumber <= 902


def test_the_segment_says_what_it_is_and_who_made_it(ct, mask):
    seg = fractional_seg(lesion_result(mask, ct))
    assert seg.SegmentationType == "FRACTIONAL"
    assert seg.SegmentationFractionalType == "OCCUPANCY"
    assert seg.MaximumFractionalValue == 255
    assert seg.ContentQualification == "RESEARCH"
    assert "not for diagnosis" in seg.ContentDescription
    assert "RESEARCH" in seg.SeriesDescription
    assert seg.SoftwareVersions == "1.2.3"
    assert any(
        item.ManufacturerModelName == EQUIPMENT.model_name
        for item in seg.ContributingEquipmentSequence
    )
    (segment,) = seg.SegmentSequence
    assert segment.SegmentAlgorithmType == "SEMIAUTOMATIC"
    assert (segment.TrackingID, segment.TrackingUID) == ("T1", "1.2.7")
    assert segment.SegmentedPropertyTypeCodeSequence[0].CodeValue == "27925004"
    assert segment.SegmentedPropertyCategoryCodeSequence[0].CodeValue == "49755003"
    assert segment.AnatomicRegionSequence[0].CodeValue == "39607008"
    algorithm = segment.SegmentationAlgorithmIdentificationSequence[0]
    assert (algorithm.AlgorithmName, algorithm.AlgorithmVersion) == ("closed_form", "1.2.3")
    assert "epsilon=1e-05" in algorithm.AlgorithmParameters
    assert "configuration=digest" in algorithm.AlgorithmParameters


def test_what_is_no_volume_is_not_called_an_occupancy(ct, mask):
    density = replace(mask, quantity="density-weighted")
    seg = fractional_seg(lesion_result(density, ct))
    assert seg.SegmentationFractionalType == "PROBABILITY"
    assert seg.SegmentSequence[0].SegmentLabel == "Lesion, density-weighted"
    long = FractionalSegSettings(segment_label="L" * 64)
    label = fractional_seg(lesion_result(density, ct), long).SegmentSequence[0].SegmentLabel
    assert len(label) == 64
    assert label.endswith(", density-weighted")


def test_patient_and_study_are_those_of_the_ct(ct, mask):
    seg = fractional_seg(lesion_result(mask, ct))
    for keyword in ("PatientID", "PatientName", "StudyInstanceUID", "FrameOfReferenceUID"):
        assert seg[keyword].value == ct[0][keyword].value


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    ("character_set", "name"),
    [
        ("ISO_IR 100", "Synthétique^Jörg"),
        (["", "ISO 2022 IR 87"], "Yamada^Tarou=山田^太郎=やまだ^たろう"),
        ("ISO_IR 192", "合成"),
    ],
)
def test_names_survive_from_any_character_set_unquoted(mask, character_set, name):
    changes = {"SpecificCharacterSet": character_set, "PatientName": name}
    ct = [
        pydicom.dcmread(file_of(slice_))
        for slice_ in ct_series(
            volume(), CtSeriesDescription("names"), dict.fromkeys(range(SHAPE[0]), changes)
        )
    ]
    seg = pydicom.dcmread(file_of(fractional_seg(lesion_result(mask, ct))))
    assert str(seg.PatientName) == name


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    "changes",
    [
        {"SpecificCharacterSet": ""},
        {"SpecificCharacterSet": "ISO-IR 100"},
        {"PatientSex": "W"},
        {"PatientBirthDate": "1950"},
        {"StudyTime": "noon"},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_what_a_sender_got_wrong_about_the_patient_is_no_obstacle(mask, changes):
    ct = ct_series(volume(), CtSeriesDescription("wrong"), dict.fromkeys(range(SHAPE[0]), changes))
    seg = written(fractional_seg(lesion_result(mask, ct)))
    assert seg.PatientID == ct[0].PatientID


def test_a_mark_without_tracking_gets_one_that_repeats(ct, mask):
    mark = replace(MARK, tracking_id=None, tracking_uid=None)
    segments = [fractional_seg(lesion_result(mask, ct, mark)).SegmentSequence[0] for _ in "12"]
    assert segments[0].TrackingUID == segments[1].TrackingUID == derive_uid("tracking", mark.key)
    assert segments[0].TrackingID == segments[1].TrackingID


def test_a_private_finding_becomes_a_lesion(ct, mask):
    mark = replace(MARK, finding=Code("X", "99EPAD", "Tumor assessment"), site=None)
    segment = fractional_seg(lesion_result(mask, ct, mark)).SegmentSequence[0]
    assert segment.SegmentedPropertyTypeCodeSequence[0].CodeValue == "52988006"
    assert "AnatomicRegionSequence" not in segment


@pytest.mark.parametrize("same_study", [True, False])
def test_the_report_that_held_the_mark_is_referenced(ct, mask, same_study):
    study = ct[0].StudyInstanceUID if same_study else "1.2.99"
    source = replace(SOURCE, study_instance_uid=study)
    seg = fractional_seg(
        lesion_result(mask, ct, mark_sources=[source]), FractionalSegSettings(references="all")
    )
    assert seg.ReferencedInstanceSequence[0].ReferencedSOPInstanceUID == "1.2.5"
    if same_study:
        series = seg.ReferencedSeriesSequence[-1]
    else:
        (other,) = seg.StudiesContainingOtherReferencedInstancesSequence
        assert other.StudyInstanceUID == "1.2.99"
        (series,) = other.ReferencedSeriesSequence
    assert series.SeriesInstanceUID == "1.2.50"
    assert series.ReferencedInstanceSequence[0].ReferencedSOPInstanceUID == "1.2.5"


def test_all_objects_that_held_the_mark_are_referenced(ct, mask):
    study = ct[0].StudyInstanceUID
    sources = [
        MarkSource("1.2.3", "1.2.5.1", study, "1.2.50"),
        MarkSource("1.2.3", "1.2.5.2", study, "1.2.50"),
        MarkSource("1.2.3", "1.2.5.3", "1.2.99", "1.2.51"),
    ]
    result = lesion_result(mask, ct, mark_sources=sources)
    seg = written(fractional_seg(result, FractionalSegSettings(references="all")))
    named = [item.ReferencedSOPInstanceUID for item in seg.ReferencedInstanceSequence]
    assert named == ["1.2.5.1", "1.2.5.2", "1.2.5.3"]
    series = seg.ReferencedSeriesSequence[-1]
    assert len(series.ReferencedInstanceSequence) == 2
    (other,) = seg.StudiesContainingOtherReferencedInstancesSequence
    assert other.ReferencedSeriesSequence[0].SeriesInstanceUID == "1.2.51"


def test_sources_may_lack_what_a_result_can_do_without(mask):
    keywords = ("StudyID", "PatientBirthDate", "PatientSex", "SliceThickness", "Manufacturer")
    lacking = {i: dict.fromkeys(keywords) for i in range(SHAPE[0])}
    ct = ct_series(volume(), CtSeriesDescription("lacking"), lacking)
    seg = written(fractional_seg(lesion_result(mask, ct)))
    assert seg.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0].SliceThickness == 2


def test_sources_are_left_as_they_were(mask):
    changes = {"ImageOrientationPatient": [1, 0, 0, 0, 1, 0.000001], "SpacingBetweenSlices": 9}
    ct = ct_series(volume(), CtSeriesDescription("kept"), {4: changes, 5: {"SliceThickness": None}})
    before = [slice_.to_json() for slice_ in ct]
    fractional_seg(lesion_result(mask, ct))
    assert [slice_.to_json() for slice_ in ct] == before


def test_an_empty_mask_is_refused(ct):
    alpha = np.full((2, 3, 3), 0.001, np.float32)
    with pytest.raises(EmptyMask):
        fractional_seg(lesion_result(soft_mask(volume(), alpha, (1, 1, 1)), ct))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"ImagePositionPatient": [-50, -40, 18.6]}, "not uniform: 1.400 to 2.600 mm"),
        ({"ImagePositionPatient": [-50, -40, 16]}, "not uniform"),
        ({"ImagePositionPatient": [-50, -39, 18]}, "shifted"),
        ({"ImageOrientationPatient": [1, 0, 0, 0, 0.999, 0.0447]}, "different orientations"),
        ({"PixelSpacing": [0.6, 0.9]}, "different pixel spacings"),
        ({"Rows": 21}, "different sizes"),
        ({"ImagePositionPatient": None}, "no ImagePositionPatient"),
        ({"FrameOfReferenceUID": "1.2.3"}, "FrameOfReferenceUID"),
        ({"SeriesInstanceUID": "1.2.3"}, "SeriesInstanceUID"),
    ],
)
def test_slices_that_form_no_stack_are_refused(mask, change, words):
    ct = ct_series(volume(), CtSeriesDescription("faulty"), {4: change})
    with pytest.raises(UnusableGeometry, match=words):
        fractional_seg(lesion_result(mask, ct))


def test_slices_in_another_order_than_the_mask_are_refused(ct, mask):
    with pytest.raises(UnusableGeometry, match="from where the mask says"):
        fractional_seg(lesion_result(mask, ct[::-1]))


@pytest.mark.parametrize("offset", [(6, 5, 6), (-1, 5, 6), (2, 15, 6), (2, 5, 20)])
def test_a_mask_that_leaves_the_volume_is_refused(ct, mask, offset):
    with pytest.raises(UnusableGeometry, match="the mask covers"):
        fractional_seg(lesion_result(replace(mask, offset=offset), ct))


@pytest.mark.parametrize("offset", [(3, 5, 6), (2, 6, 6), (2, 5, 7)])
def test_a_mask_one_voxel_off_is_refused(ct, mask, offset):
    with pytest.raises(UnusableGeometry, match="from where the mask says"):
        fractional_seg(lesion_result(replace(mask, offset=offset), ct))


def test_orientations_that_differ_in_the_last_digit_are_one_orientation(mask):
    change = {4: {"ImageOrientationPatient": [1, 0, 0, 0, 1, 0.000001]}}
    ct = ct_series(volume(), CtSeriesDescription("jitter"), change)
    assert fractional_seg(lesion_result(mask, ct)).NumberOfFrames == 3


def test_jpeg_ls_and_its_transcoding_hold_the_same_pixels(ct, mask):
    compressed = fractional_seg(lesion_result(mask, ct))
    explicit = FractionalSegSettings(transfer_syntax_uid=ExplicitVRLittleEndian)
    native = fractional_seg(lesion_result(mask, ct), explicit)
    transcoded = to_explicit_le(pydicom.dcmread(file_of(compressed)))
    assert transcoded.file_meta.TransferSyntaxUID == ExplicitVRLittleEndian
    assert transcoded.SOPInstanceUID == compressed.SOPInstanceUID
    assert compressed.file_meta.TransferSyntaxUID == JPEGLSLossless
    again = pydicom.dcmread(file_of(transcoded))
    assert bytes(again.PixelData) == bytes(native.PixelData)


def test_an_implicit_object_is_rewritten_whole(ct):
    implicit = copy.deepcopy(ct[0])
    implicit.PatientName, implicit.SpecificCharacterSet = "Synthétique^Jörg", "ISO_IR 100"
    implicit.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian
    rewritten = pydicom.dcmread(file_of(to_explicit_le(pydicom.dcmread(file_of(implicit)))))
    assert rewritten.file_meta.TransferSyntaxUID == ExplicitVRLittleEndian
    assert str(rewritten.PatientName) == "Synthétique^Jörg"
    assert rewritten.PixelData == ct[0].PixelData


def test_transcoding_needs_to_know_the_present_syntax():
    with pytest.raises(ValueError, match="no transfer syntax"):
        to_explicit_le(Dataset())


@pytest.mark.real_data
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("folder", ["ibsi_ct", "lungdx_A0002_B40f", "dicom_objects"])
def test_headers_of_real_scanners(folder):
    ct = real_series(folder)
    alpha = np.random.default_rng(0).random((2, 40, 30), dtype=np.float32)
    mask = soft_mask(real_grid(ct), alpha, (1, 50, 60))
    frames = alpha_by_slice(written(fractional_seg(lesion_result(mask, ct))))
    for index in (1, 2):
        crop = frames[ct[index].SOPInstanceUID][50:90, 60:90]
        np.testing.assert_allclose(crop, alpha[index - 1], atol=1 / 510 + 1e-6)
