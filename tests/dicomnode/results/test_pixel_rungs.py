"""What a soft mask holds comes out of each of its pixel forms, where it lies in space."""

from __future__ import annotations

from dataclasses import replace

import highdicom as hd
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.uid import ExplicitVRLittleEndian, JPEGLSLossless

from dicomnode.collect.examine import is_result
from dicomnode.demo.ct_series import CtSeriesDescription, ct_series
from dicomnode.results import LADDER, EmptyMask, MarkSource
from dicomnode.results.alpha_bands import STANDARD_BANDS, AlphaBand, band_labels
from dicomnode.results.band_seg import BandSegSettings, band_seg
from dicomnode.results.binary_seg import BinarySegSettings, binary_seg, binary_seg_uids
from dicomnode.results.labelmap_seg import LabelmapSegSettings, labelmap_seg
from dicomnode.results.parametric_map import ParametricMapSettings, parametric_map
from tests.dicomnode.results.lesions import (
    ball_result,
    differences,
    file_of,
    lesion_result,
    random_alpha,
    soft_mask,
    volume,
    volumes,
    written,
)

NAMES = ("fractional-seg", "binary-seg", "band-seg", "labelmap-seg", "parametric-map")
SEGMENTS = ("binary-seg", "band-seg", "labelmap-seg")


def made(name, result, **changes):
    rung = LADDER[name]
    return rung.make(result, rung.settings(**changes))


def labels_of(seg) -> hd.Volume:
    return written(seg).get_volume(combine_segments=True)


def result_on(ct_volume, alpha):
    ct = ct_series(ct_volume, CtSeriesDescription("rungs"))
    return lesion_result(soft_mask(ct_volume, alpha), ct)


@given(ct_volume=volumes, seed=st.integers(0, 99), level=st.sampled_from([0.25, 0.5, 0.9]))
@settings(max_examples=10, deadline=None)
def test_the_voxels_above_a_level_survive(ct_volume, seed, level):
    alpha = random_alpha(seed)
    seg = binary_seg(result_on(ct_volume, alpha), BinarySegSettings(level=level))
    off_mm, error = differences(labels_of(seg), alpha >= level, ct_volume)
    assert off_mm < 0.01
    assert error == 0


@given(ct_volume=volumes, seed=st.integers(0, 99), form=st.sampled_from([band_seg, labelmap_seg]))
@settings(max_examples=10, deadline=None)
def test_bands_survive(ct_volume, seed, form):
    alpha = random_alpha(seed)
    expected = np.digitize(alpha, [0.25, 0.5, 0.75])
    off_mm, error = differences(labels_of(form(result_on(ct_volume, alpha))), expected, ct_volume)
    assert off_mm < 0.01
    assert error == 0


@given(ct_volume=volumes, seed=st.integers(0, 99))
@settings(max_examples=10, deadline=None)
def test_a_map_holds_alpha_itself(ct_volume, seed):
    alpha = random_alpha(seed)
    read = hd.imread(file_of(parametric_map(result_on(ct_volume, alpha))))
    off_mm, error = differences(read.get_volume(), alpha, ct_volume)
    assert off_mm < 0.01
    assert error == 0


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("columns", [17, 24])
def test_rows_need_not_fill_whole_bytes(name, columns):
    ct_volume = volume(shape=(8, 19, columns))
    alpha = np.random.default_rng(0).random((3, 7, 9)).astype(np.float32)
    result = result_on(ct_volume, alpha)
    read = hd.imread(file_of(made(name, result)))
    if name == "fractional-seg":
        found, expected = written(made(name, result)).get_volume(combine_segments=False), alpha
    elif name == "parametric-map":
        found, expected = read.get_volume(), alpha
    else:
        found = labels_of(made(name, result))
        expected = alpha >= 0.5 if name == "binary-seg" else np.digitize(alpha, [0.25, 0.5, 0.75])
    off_mm, error = differences(found, expected, ct_volume)
    assert off_mm < 0.01
    assert error <= 1 / 510 + 1e-6


@pytest.mark.parametrize("name", NAMES)
def test_a_lesion_on_one_slice(name):
    alpha = np.zeros((3, 7, 9), np.float32)
    alpha[1, 2:5, 3:6] = 0.8
    result = result_on(volume(), alpha)
    one = made(name, result)
    assert one.NumberOfFrames == 1
    measures = one.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0]
    assert measures.SpacingBetweenSlices == pytest.approx(2.0)
    shared = one.SharedFunctionalGroupsSequence[0]
    position = shared.get(
        "PlanePositionSequence", one.PerFrameFunctionalGroupsSequence[0].PlanePositionSequence
    )[0]
    assert position.ImagePositionPatient == result.slices[3].ImagePositionPatient


@pytest.mark.parametrize("name", NAMES)
def test_frames_of_a_tilted_stack_keep_their_own_positions(name):
    tilt = {i: {"ImagePositionPatient": [-50, -40 + 0.7 * i, 10 + 2.0 * i]} for i in range(6)}
    result = ball_result(overrides=tilt)
    found = {
        tuple(group.PlanePositionSequence[0].ImagePositionPatient)
        for group in made(name, result).PerFrameFunctionalGroupsSequence
    }
    assert found <= {tuple(slice_.ImagePositionPatient) for slice_ in result.slices}
    assert len(found) >= 3


@pytest.mark.parametrize("name", NAMES)
def test_every_slice_has_a_frame_where_frames_are_counted(name):
    result = ball_result()
    whole = made(name, result, omit_empty_frames=False)
    segments = 3 if name == "band-seg" else 1
    assert whole.NumberOfFrames == segments * len(result.slices)
    assert made(name, result).NumberOfFrames < whole.NumberOfFrames
    assert made(name, result).SOPInstanceUID != whole.SOPInstanceUID


@pytest.mark.parametrize("name", NAMES)
def test_a_repeat_gives_the_same_uids_and_pixels(name):
    first, second = (made(name, ball_result()) for _ in "12")
    assert [e.value for e in first.iterall() if e.VR == "UI"] == [
        e.value for e in second.iterall() if e.VR == "UI"
    ]
    keyword = "FloatPixelData" if name == "parametric-map" else "PixelData"
    assert first[keyword].value == second[keyword].value


def test_every_rung_has_its_own_uids():
    result = ball_result()
    objects = [made(name, result) for name in NAMES]
    assert len({one.SOPInstanceUID for one in objects}) == len(NAMES)
    assert len({one.SeriesInstanceUID for one in objects}) == len(NAMES)
    assert [one.SOPClassUID for one in objects] == [LADDER[name].sop_class_uid for name in NAMES]


def test_another_level_is_another_instance_in_a_series_of_its_own():
    # OHIF opens one segmentation of a series.
    result = ball_result()
    uids = [binary_seg_uids(result, BinarySegSettings(level=level)) for level in (0.5, 0.4)]
    assert uids[0].series_instance_uid != uids[1].series_instance_uid
    assert uids[0].sop_instance_uid != uids[1].sop_instance_uid


@pytest.mark.parametrize("name", NAMES)
def test_each_says_what_it_is_and_of_what(name):
    result = ball_result()
    twin = MarkSource("1.2.3", "1.2.3.4", result.study_instance_uid, "1.2.3.5")
    rung = LADDER[name]
    one = rung.make(result, rung.settings(references="all"), [twin])
    assert one.ContentQualification == "RESEARCH"
    assert "not for diagnosis" in one.ContentDescription
    assert "RESEARCH" in one.SeriesDescription
    # So that a node never takes it for a reader's mark.
    assert is_result(one)
    purposes = {
        item.ReferencedSOPInstanceUID: item.PurposeOfReferenceCodeSequence[0].CodeValue
        for item in one.ReferencedInstanceSequence
    }
    assert purposes == {"1.2.5": "121112", "1.2.3.4": "121326"}
    listed = {
        instance.ReferencedSOPInstanceUID
        for series in one.ReferencedSeriesSequence
        for instance in series.ReferencedInstanceSequence
    }
    assert {"1.2.5", "1.2.3.4"} < listed


@pytest.mark.parametrize("name", SEGMENTS)
def test_all_segments_track_the_lesion(name):
    segments = [s for s in made(name, ball_result()).SegmentSequence if s.SegmentNumber > 0]
    assert len(segments) == (1 if name == "binary-seg" else 3)
    for segment in segments:
        assert (segment.TrackingID, segment.TrackingUID) == ("T1", "1.2.7")
        assert segment.SegmentAlgorithmType == "SEMIAUTOMATIC"
        assert len(segment.RecommendedDisplayCIELabValue) == 3
    assert len({tuple(s.RecommendedDisplayCIELabValue) for s in segments}) == len(segments)
    assert len({s.SegmentLabel for s in segments}) == len(segments)


def test_a_map_names_its_quantity_and_its_lesion():
    def mapping(result):
        shared = parametric_map(result).SharedFunctionalGroupsSequence[0]
        return shared.RealWorldValueMappingSequence[0]

    result = ball_result()
    quantity, *others = mapping(result).QuantityDefinitionSequence
    assert quantity.ConceptCodeSequence[0].CodeValue == "110855"
    said = {
        item.ConceptNameCodeSequence[0].CodeValue: item.get("TextValue") or item.get("UID")
        for item in others
    }
    assert said["112039"] == "T1"
    assert said["112040"] == "1.2.7"
    assert said["111001"] == "closed_form"
    assert (mapping(result).RealWorldValueSlope, mapping(result).RealWorldValueIntercept) == (1, 0)
    density = replace(result, mask=replace(result.mask, quantity="density-weighted"))
    (quantity, *_) = mapping(density).QuantityDefinitionSequence
    assert quantity.ConceptCodeSequence[0].CodeValue == "110854"


@pytest.mark.parametrize("form", [band_seg, labelmap_seg])
def test_a_band_without_voxels_has_no_segment(form):
    alpha = np.full((1, 3, 3), 0.8, np.float32)
    alpha[0, 0] = 0.3
    seg = form(result_on(volume(), alpha))
    segments = [s for s in seg.SegmentSequence if s.SegmentNumber > 0]
    assert [s.SegmentNumber for s in segments] == [1, 2]
    assert [s.SegmentLabel for s in segments] == [
        "Lesion halo (alpha 0.25 to 0.5)",
        "Lesion core (alpha >= 0.75)",
    ]


@pytest.mark.parametrize(
    ("name", "greatest"),
    [
        ("binary-seg", 0.49),
        ("band-seg", 0.24),
        ("labelmap-seg", 0.24),
        ("parametric-map", 0.001),
    ],
)
def test_a_mask_of_which_nothing_is_left_is_refused(name, greatest):
    alpha = np.full((2, 3, 3), greatest, np.float32)
    with pytest.raises(EmptyMask):
        made(name, result_on(volume(), alpha))


@pytest.mark.parametrize("syntax", [JPEGLSLossless, ExplicitVRLittleEndian])
def test_a_label_map_in_either_syntax(syntax):
    seg = made("labelmap-seg", ball_result(), transfer_syntax_uid=syntax)
    assert seg.file_meta.TransferSyntaxUID == syntax
    expected, _ = band_labels(ball_result().mask.alpha.array, STANDARD_BANDS)
    counts = [int((written(seg).pixel_array == number).sum()) for number in (1, 2, 3)]
    assert counts == [int((expected == number).sum()) for number in (1, 2, 3)]


@given(
    st.lists(st.floats(0, 1, width=32), min_size=1, max_size=30),
    st.lists(st.floats(0.0625, 1, width=32), min_size=1, max_size=4, unique=True).map(sorted),
)
def test_each_voxel_is_in_the_innermost_band_that_it_reaches(values, lows):
    alpha = np.array(values, np.float32)
    bands = [AlphaBand(str(i), low, (0, 0, 0)) for i, low in enumerate(lows)]
    try:
        labels, present = band_labels(alpha, bands)
    except EmptyMask:
        labels, present = np.zeros(alpha.shape, int), ()
    for value, label in zip(alpha, labels, strict=True):
        reached = [band for band in bands if np.float32(band.low) <= value]
        assert (present[label - 1] if label else None) == (reached[-1] if reached else None)


@pytest.mark.parametrize("lows", [[], [0.5, 0.25], [0.5, 0.5]])
def test_bands_that_do_not_go_inwards_are_refused(lows):
    bands = tuple(AlphaBand("x", low, (0, 0, 0)) for low in lows)
    with pytest.raises(ValueError, match="ever greater"):
        band_seg(ball_result(), BandSegSettings(bands=bands))


@pytest.mark.parametrize("low", [0, -0.1, 1.1])
def test_a_level_outside_alpha_is_refused(low):
    with pytest.raises(ValueError, match="expected one in"):
        AlphaBand("x", low, (0, 0, 0))
    with pytest.raises(ValueError, match="expected one in"):
        BinarySegSettings(level=low)


def test_settings_of_all_rungs_have_defaults():
    assert {rung.name for rung in LADDER.values()} == set(LADDER)
    for rung in LADDER.values():
        assert rung.settings() == rung.settings()
    assert LabelmapSegSettings().bands == STANDARD_BANDS
    assert ParametricMapSettings().omit_empty_frames
