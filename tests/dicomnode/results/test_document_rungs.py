"""Reports, contours and pointers say of a lesion what was measured, and lie where it lies."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import highdicom as hd
import numpy as np
import pydicom
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.dataset import Dataset
from scipy.spatial.transform import Rotation

from dicomnode.collect.examine import is_result
from dicomnode.demo.ct_series import CtSeriesDescription, ct_series
from dicomnode.marks import ImagePlane, read_marks
from dicomnode.marks.mark_reading import Refusal
from dicomnode.marks.rasterise import ImageSlice, rasterise
from dicomnode.results import LADDER, MarkSource
from dicomnode.results.document_uids import MixedSeries, NothingToReport
from dicomnode.results.iso_contours import IsoContourSettings, MixedRescale, iso_contours
from dicomnode.results.iso_curves import iso_curves
from dicomnode.results.key_object import key_object, key_object_uids
from dicomnode.results.not_processed import MAX_REFUSALS, not_processed
from dicomnode.results.ohif_report import TRACKING_IDENTIFIER, ohif_report
from dicomnode.results.report import report, report_uids
from dicomnode.results.report_codes import SCHEME
from dicomnode.results.rtstruct import RtstructSettings, rtstruct
from pipelines.measure import measure
from tests.dicomnode.results.lesions import (
    EQUIPMENT,
    MARK,
    ball_alpha,
    ball_result,
    file_of,
    lesion_result,
    random_alpha,
    real_result,
    soft_mask,
    volume,
    volumes,
)

DOCUMENTS = ("report", "ohif-report", "iso-contours", "rtstruct", "key-object")
WRITTEN_WHEN = ("Date", "Time")
OBLIQUE = Rotation.from_euler("xyz", (0.1, 0.2, 0.3))
SEG = "1.2.840.10008.5.1.4.1.1.66.4"
SR = "1.2.840.10008.5.1.4.1.1.88.34"


def twins_of(result) -> list[MarkSource]:
    study = result.study_instance_uid
    return [
        MarkSource(SR, "1.2.81.1", study, "1.2.81"),
        MarkSource(SEG, "1.2.80.1", study, "1.2.80"),
    ]


def made(name, result, twins=(), **changes) -> Dataset:
    """What a rung makes of one lesion."""
    rung = LADDER[name]
    if rung.of == "series":
        return rung.make([result], rung.settings(**changes), twins=[list(twins)])
    return rung.make(result, rung.settings(**changes), twins=list(twins))


def saved(dataset: Dataset) -> Dataset:
    return pydicom.dcmread(file_of(dataset))


def groups_of(document: Dataset) -> tuple[list, list]:
    content = hd.sr.srread(file_of(document)).content
    return content.get_planar_roi_measurement_groups(), (
        content.get_volumetric_roi_measurement_groups()
    )


def values_of(group) -> dict[str, float]:
    return {m.name.value: m.value for m in group.get_measurements()}


def comment_of(group) -> str:
    (text,) = [
        item.TextValue
        for item in group[0].ContentSequence
        if item.ConceptNameCodeSequence[0].CodeValue == "121106"
    ]
    return text


def result_on(ct_volume, alpha, **changes):
    ct = ct_series(ct_volume, CtSeriesDescription("documents"))
    return lesion_result(soft_mask(ct_volume, alpha), ct, **changes)


def images_of(result) -> list[ImageSlice]:
    return [ImageSlice(s.SOPInstanceUID, ImagePlane.from_dataset(s)) for s in result.slices]


def filled(outline, result) -> np.ndarray:
    """The voxels within an outline, as our own reader of marks has them, on the whole CT."""
    return rasterise(outline, images_of(result))


def above(result, level) -> np.ndarray:
    first = result.slices[0]
    mask = np.zeros((len(result.slices), first.Rows, first.Columns), bool)
    alpha, offset = result.mask.alpha.array, result.mask.offset
    box = tuple(slice(o, o + n) for o, n in zip(offset, alpha.shape, strict=True))
    mask[box] = alpha >= level
    return mask


# All of them


@pytest.mark.parametrize("name", DOCUMENTS)
def test_a_document_says_whose_what_and_what_for_it_is(name):
    result = ball_result(OBLIQUE)
    document = saved(made(name, result, twins_of(result)))
    assert document.SOPClassUID == LADDER[name].sop_class_uid
    for keyword in ("PatientID", "PatientName", "StudyInstanceUID", "StudyID"):
        assert document[keyword].value == result.slices[0][keyword].value
    assert "RESEARCH" in document.SeriesDescription
    assert "not for diagnosis" in str(document)
    assert document.SoftwareVersions == EQUIPMENT.software_version
    made_by = {item.ManufacturerModelName for item in document.ContributingEquipmentSequence}
    assert "softmask-node" in made_by
    assert is_result(document)


@pytest.mark.parametrize("name", DOCUMENTS)
def test_the_same_input_gives_the_same_document(name):
    def everything(dataset):
        return [
            (element.tag, element.VR, str(element.value))
            for element in dataset.iterall()
            if element.VR != "SQ" and not element.keyword.endswith(WRITTEN_WHEN)
        ]

    one, two = (made(name, ball_result(), twins_of(ball_result())) for _ in "12")
    assert everything(one) == everything(two)
    other = made(
        name, replace(ball_result(), configuration_digest="other"), twins_of(ball_result())
    )
    assert other.SOPInstanceUID != one.SOPInstanceUID
    assert other.SeriesInstanceUID == one.SeriesInstanceUID


@pytest.mark.parametrize("name", DOCUMENTS)
@pytest.mark.filterwarnings("error")
def test_names_in_other_alphabets_survive_unquoted(name):
    changes = {"SpecificCharacterSet": "ISO_IR 100", "PatientName": "Synthétique^Jörg"}
    result = ball_result(overrides=dict.fromkeys(range(6), changes))
    document = made(name, result, twins_of(result))
    assert str(saved(document).PatientName) == "Synthétique^Jörg"


def test_lesions_of_two_series_make_no_document():
    results = [ball_result(), ball_result(seed="another")]
    for name in set(DOCUMENTS) - {"iso-contours"}:
        with pytest.raises(MixedSeries, match="2 CT series"):
            LADDER[name].make(results, LADDER[name].settings(), twins=[twins_of(results[0])] * 2)


# The report


@pytest.mark.parametrize("rotation", [None, OBLIQUE])
def test_each_lesion_has_two_groups_with_one_tracking_uid(rotation):
    result = ball_result(rotation)
    (planar,), (volumetric,) = groups_of(report([result], twins=[twins_of(result)]))
    assert planar.tracking_uid == volumetric.tracking_uid == result.tracking_uid
    assert planar.tracking_identifier == volumetric.tracking_identifier == result.tracking_id
    assert planar.finding_type.value == volumetric.finding_type.value == "27925004"
    assert planar.method.value == "126081"
    sizes = result.measurements
    found = values_of(planar)
    assert found["103339001"] == pytest.approx(sizes.long_mm, abs=6e-4)
    assert found["103340004"] == pytest.approx(sizes.short_mm, abs=6e-4)
    found = values_of(volumetric)
    assert found["118565006"] == pytest.approx(sizes.soft_volume_ml, abs=6e-4)
    assert found["1003"] == pytest.approx(sizes.core_volume_ml, abs=6e-4)
    assert found["YEKZ"] == pytest.approx(sizes.volume_ml, abs=6e-4)
    assert found["1004"] == pytest.approx(sizes.outer_volume_ml, abs=6e-4)
    assert found["L0JK"] == pytest.approx(sizes.diameter_3d_mm, abs=6e-4)
    assert found["1005"] == pytest.approx(sizes.band_width_mm, abs=6e-4)
    assert found["1003"] < found["YEKZ"] < found["1004"]


def test_density_and_mass_are_there_where_the_hu_were_known():
    result = ball_result()
    hu = result.mask.alpha.with_array(np.full(result.mask.alpha.shape, 40, np.int16))
    result = replace(result, measurements=measure(result.mask, hu))
    _, (volumetric,) = groups_of(report([result], twins=[twins_of(result)]))
    found = {m.name.value: m for m in volumetric.get_measurements()}
    assert found["112031"].value == pytest.approx(40)
    assert found["112031"].derivation.value == "373098007"
    mass = result.measurements.soft_volume_ml * 1040
    assert found["118538004"].value == pytest.approx(mass, abs=6e-4)


def test_the_volumetric_group_names_a_segment_and_no_frame():
    result = ball_result()
    document = saved(report([result], twins=[twins_of(result)]))
    _, (volumetric,) = groups_of(document)
    (segment,) = [i for i in volumetric[0].ContentSequence if i.ValueType == "IMAGE"]
    (reference,) = segment.ReferencedSOPSequence
    assert reference.ReferencedSOPInstanceUID == "1.2.80.1"
    assert reference.ReferencedSegmentNumber == 1
    assert "ReferencedFrameNumber" not in reference
    named = str(document.CurrentRequestedProcedureEvidenceSequence)
    for uid in ("1.2.80.1", "1.2.81.1", result.mark_sources[0].sop_instance_uid):
        assert uid in named


def test_without_a_segment_the_outlines_stand_for_it():
    result = ball_result()
    (_,), (volumetric,) = groups_of(report([result]))
    regions = [i for i in volumetric[0].ContentSequence if i.ValueType == "SCOORD"]
    assert len(regions) == len(iso_curves(result, 0.5))
    assert values_of(volumetric)["118565006"] > 0


def test_the_readers_own_axes_stand_beside_ours():
    result = ball_result(spacing=(2.0, 0.6, 0.8))
    (planar,), _ = groups_of(report([result]))
    found = values_of(planar)
    assert found["1006"] == pytest.approx(12 * 0.8, abs=6e-4)
    assert found["1007"] == pytest.approx(14 * 0.6, abs=6e-4)
    assert found["1008"] == pytest.approx(found["103339001"] - found["1006"], abs=1e-6)
    assert found["1009"] == pytest.approx(found["103340004"] - found["1007"], abs=1e-6)
    (drawn,) = [m for m in planar.get_measurements() if m.name.value == "1006"]
    (line,) = drawn.referenced_coordinates
    np.testing.assert_allclose(line.value.reshape(-1, 2), result.mark.axes.long_axis)


def test_axes_drawn_elsewhere_are_not_compared():
    result = ball_result()
    elsewhere = replace(MARK, referenced_sop_instance_uid="1.2.999")
    (planar,), _ = groups_of(report([lesion_result(result.mask, result.slices, elsewhere)]))
    assert set(values_of(planar)) == {"103339001", "103340004"}
    assert "no axes of the reader's" in comment_of(planar)


@given(ct_volume=volumes)
@settings(max_examples=15, deadline=None)
def test_axes_are_drawn_where_they_were_measured(ct_volume):
    alpha = np.zeros((3, 9, 9), np.float32)
    alpha[1, 2:5, 1:8] = 1
    result = result_on(ct_volume, alpha)
    (planar,), _ = groups_of(report([result]))
    planes = {s.SOPInstanceUID: ImagePlane.from_dataset(s) for s in result.slices}
    axes = result.measurements.axes
    for name, expected in (("103339001", axes.long_axis), ("103340004", axes.short_axis)):
        (measured,) = [m for m in planar.get_measurements() if m.name.value == name]
        (line,) = measured.referenced_coordinates
        if line.ValueType == "SCOORD3D":
            points = line.value
        else:
            image = line.ContentSequence[0].ReferencedSOPSequence[0].ReferencedSOPInstanceUID
            points = planes[image].to_patient(line.value)
        np.testing.assert_allclose(points, expected, atol=0.01)


def test_axes_across_the_slices_of_a_sagittal_stack_lie_in_space():
    sagittal = ball_result(Rotation.from_euler("y", 90, degrees=True), box=(5, 20, 22))
    (planar,), _ = groups_of(report([sagittal]))
    lines = {m.name.value: m.referenced_coordinates[0] for m in planar.get_measurements()}
    assert lines["103339001"].ValueType == "SCOORD3D"
    np.testing.assert_allclose(
        lines["103339001"].value, sagittal.measurements.axes.long_axis, atol=1e-3
    )
    # And the group has a region on a slice, which viewers can show.
    assert planar.roi.value.shape[1] == 2


def test_the_outline_is_the_level_of_a_half_on_the_slice_of_the_axes():
    result = ball_result()
    (planar,), _ = groups_of(report([result]))
    region = planar.roi
    middle = result.slices[result.mask.offset[0] + 2]
    image = region.ContentSequence[0].ReferencedSOPSequence[0].ReferencedSOPInstanceUID
    assert image == middle.SOPInstanceUID
    assert (region.value[0] == region.value[-1]).all()


def test_what_is_no_volume_has_no_sizes_and_says_so():
    ball = ball_result()
    mask = replace(ball.mask, quantity="density-weighted")
    result = lesion_result(mask, ball.slices, ball.mark)
    (planar,), (volumetric,) = groups_of(report([result], twins=[twins_of(ball)]))
    assert values_of(volumetric) == {}
    # The reader's own lengths stay; ours and the differences are not there.
    assert set(values_of(planar)) == {"1006", "1007"}
    for group in (planar, volumetric):
        assert "no volume" in comment_of(group)
    with pytest.raises(NothingToReport, match="no axes"):
        ohif_report([result])


def test_a_faint_lesion_is_outlined_lower_and_says_so():
    ball = ball_result()
    faint = soft_mask(volume(shape=(6, 33, 41)), ball.mask.alpha.array * 0.4, ball.mask.offset)
    result = lesion_result(faint, ball.slices, ball.mark)
    (planar,), _ = groups_of(report([result]))
    assert "alpha is 0.20" in comment_of(planar)
    assert "103339001" not in values_of(planar)


def test_warnings_of_the_method_are_in_the_comment():
    ball = ball_result()
    result = replace(ball, mask=replace(ball.mask, warnings=("it touches the pleura",)))
    (planar,), _ = groups_of(report([result]))
    assert comment_of(planar).startswith("Research, not for diagnosis. Semi-automatic")
    assert "It touches the pleura." in comment_of(planar)


def test_an_empty_mask_makes_no_report():
    ball = ball_result()
    empty = soft_mask(volume(shape=(6, 33, 41)), ball.mask.alpha.array * 0, ball.mask.offset)
    with pytest.raises(NothingToReport):
        report([lesion_result(empty, ball.slices, ball.mark)])


def test_private_codes_are_declared_and_all_others_are_public():
    result = ball_result()
    document = saved(report([result], twins=[twins_of(result)]))
    used = {
        element.value
        for element in document.iterall()
        if element.keyword == "CodingSchemeDesignator"
    }
    assert used <= {SCHEME, "DCM", "SCT", "UCUM", "IBSI", "LN", "RFC5646"}
    (declared,) = document.CodingSchemeIdentificationSequence
    assert declared.CodingSchemeDesignator == SCHEME


def test_a_report_that_takes_the_place_of_another_names_it():
    result = ball_result()
    before = MarkSource(SR, "1.2.70.1", result.study_instance_uid, "1.2.70")
    document = saved(report([result], predecessors=[before]))
    (study,) = document.PredecessorDocumentsSequence
    (series,) = study.ReferencedSeriesSequence
    assert series.ReferencedSOPSequence[0].ReferencedSOPInstanceUID == "1.2.70.1"


def test_several_lesions_in_any_order_are_one_instance():
    ball = ball_result()
    others = replace(MARK, long_axis=MARK.long_axis + 1, tracking_uid="1.2.8", tracking_id="T2")
    second = lesion_result(ball.mask, ball.slices, others, number=2)
    assert report_uids([ball, second]) == report_uids([second, ball])
    assert report_uids([ball, second]) != report_uids([ball])
    planar, volumetric = groups_of(report([ball, second]))
    assert [group.tracking_uid for group in planar] == ["1.2.7", "1.2.8"]
    assert len(volumetric) == 2
    with pytest.raises(ValueError, match="twins of 1 lesions"):
        report([ball, second], twins=[twins_of(ball)])


# The dialect of OHIF


@pytest.mark.parametrize(
    ("spacing", "kind"), [((2, 0.7, 0.7), "SCOORD"), ((2, 0.6, 0.8), "SCOORD3D")]
)
def test_ohif_finds_its_tool_and_its_spelling(spacing, kind):
    result = ball_result(OBLIQUE, spacing=spacing)
    document = saved(ohif_report([result], twins=[twins_of(result)]))
    (group,) = hd.sr.srread(file_of(document)).content.get_image_measurement_groups()
    assert group.tracking_identifier == TRACKING_IDENTIFIER
    assert group.tracking_uid == result.tracking_uid
    assert [m.name.meaning for m in group.get_measurements()] == ["Long Axis", "Short Axis"]
    for measured in group.get_measurements():
        assert measured.referenced_coordinates[0].ValueType == kind
    # Read as a mark of anybody, it lies where ours was measured.
    (mark,) = read_marks(document).marks
    axes = result.measurements.axes
    if kind == "SCOORD3D":
        np.testing.assert_allclose(mark.long_axis, axes.long_axis, atol=1e-3)
    else:
        planes = {s.SOPInstanceUID: ImagePlane.from_dataset(s) for s in result.slices}
        points = planes[mark.referenced_sop_instance_uid].to_patient(mark.long_axis)
        np.testing.assert_allclose(points, axes.long_axis, atol=0.01)


# Presentation state and structure set


@given(ct_volume=volumes, seed=st.integers(0, 99))
@settings(max_examples=10, deadline=None)
def test_the_voxels_of_a_level_come_back_from_the_presentation_state(ct_volume, seed):
    result = result_on(ct_volume, random_alpha(seed))
    for level in (0.25, 0.5, 0.75):
        state = saved(iso_contours(result, IsoContourSettings(levels=(level,))))
        curves: dict[str, list[np.ndarray]] = {}
        for annotation in state.GraphicAnnotationSequence:
            for graphic in annotation.get("GraphicObjectSequence", ()):
                assert graphic.GraphicAnnotationUnits == "PIXEL"
                (image,) = annotation.ReferencedImageSequence
                points = np.reshape(graphic.GraphicData, (-1, 2))
                assert (points[0] == points[-1]).all()
                curves.setdefault(image.ReferencedSOPInstanceUID, []).append(points)
        found = np.array([even_odd(curves.get(s.SOPInstanceUID, []), s) for s in result.slices])
        np.testing.assert_array_equal(found, above(result, level))


def even_odd(curves: list[np.ndarray], header: Dataset) -> np.ndarray:
    """Pixels whose centres an odd number of curves goes around."""
    rows, columns = np.mgrid[: header.Rows, : header.Columns] + 0.5
    inside = np.zeros(rows.shape, int)
    for curve in curves:
        for (x0, y0), (x1, y1) in pairwise(curve):
            if y0 != y1:
                crossed = (y0 > rows) != (y1 > rows)
                inside += crossed & (columns < x0 + (rows - y0) / (y1 - y0) * (x1 - x0))
    return inside % 2 == 1


def test_each_level_has_a_layer_and_no_window_is_set():
    result = ball_result(
        overrides={k: {"VOILUTFunction": "LINEAR", "WindowWidth": "1500"} for k in range(6)}
    )
    state = saved(iso_contours(result))
    layers = {layer.GraphicLayer: layer for layer in state.GraphicLayerSequence}
    assert set(layers) == {"ALPHA 25 PCT", "ALPHA 50 PCT", "ALPHA 75 PCT", "NOTICE"}
    colours = {tuple(v.GraphicLayerRecommendedDisplayCIELabValue) for v in layers.values()}
    assert len(colours) == 4
    used = {annotation.GraphicLayer for annotation in state.GraphicAnnotationSequence}
    assert used == set(layers)
    assert not [e for e in state.iterall() if "Window" in e.keyword or "VOILUT" in e.keyword]
    assert (state.RescaleIntercept, state.RescaleSlope) == (0, 1)
    texts = [
        text.UnformattedTextValue
        for annotation in state.GraphicAnnotationSequence
        for text in annotation.get("TextObjectSequence", ())
    ]
    assert texts == ["RESEARCH, NOT FOR DIAGNOSIS (closed_form)"]
    # Curves of one lesion are tracked as its mark is.
    graphic = state.GraphicAnnotationSequence[0].GraphicObjectSequence[0]
    assert graphic.TrackingUID == result.tracking_uid


def test_pixels_that_are_not_square_keep_their_shape():
    state = iso_contours(ball_result(spacing=(2.0, 0.6, 0.8)))
    for area in state.DisplayedAreaSelectionSequence:
        assert list(area.PresentationPixelSpacing) == pytest.approx([0.6, 0.8])
        assert "PresentationPixelAspectRatio" not in area


def test_one_presentation_state_has_one_rescale():
    result = ball_result(overrides={2: {"RescaleIntercept": "-1024"}})
    with pytest.raises(MixedRescale, match="2 different"):
        iso_contours(result)


@pytest.mark.parametrize("levels", [(), (0.5, 0.25), (0.0, 0.5), (0.5, 1.5)])
def test_impossible_levels_are_refused(levels):
    for kind in (IsoContourSettings, RtstructSettings):
        with pytest.raises(ValueError, match="expected ascending"):
            kind(levels=levels)


def test_a_mask_below_all_levels_has_no_contours():
    ball = ball_result()
    faint = soft_mask(volume(shape=(6, 33, 41)), ball.mask.alpha.array * 0.1, ball.mask.offset)
    result = lesion_result(faint, ball.slices, ball.mark)
    for make in (iso_contours, lambda one: rtstruct([one])):
        with pytest.raises(NothingToReport, match=r"below 0\.25"):
            make(result)


@given(ct_volume=volumes, seed=st.integers(0, 99))
@settings(max_examples=10, deadline=None)
def test_the_voxels_of_a_level_come_back_from_the_structure_set(ct_volume, seed):
    result = result_on(ct_volume, random_alpha(seed))
    structures = saved(rtstruct([result]))
    reading = read_marks(structures)
    assert reading.refusals == ()
    assert len(reading.outlines) == 3
    for outline, level in zip(reading.outlines, (0.25, 0.5, 0.75), strict=True):
        # Our reader counts a centre within 1e-4 pixels of a curve as inside: alpha at the level.
        at_level = above(result, level - 1e-3) & ~above(result, level + 1e-3)
        found, expected = filled(outline, result), above(result, level)
        np.testing.assert_array_equal(found[~at_level], expected[~at_level])


def ring_result():
    alpha = ball_alpha((5, 20, 22), radius_mm=5, edge_mm=1.5)
    alpha *= 1 - ball_alpha((5, 20, 22), radius_mm=2, edge_mm=1.5)
    alpha[2, 9:11, 10:12] = 1
    ball = ball_result()
    mask = soft_mask(volume(shape=(6, 33, 41)), alpha, ball.mask.offset)
    return lesion_result(mask, ball.slices, ball.mark)


def test_a_hole_with_an_island_in_it_stays_a_hole():
    result = ring_result()
    structures = saved(rtstruct([result], RtstructSettings(levels=(0.5,))))
    (region,) = structures.ROIContourSequence
    assert {contour.ContourGeometricType for contour in region.ContourSequence} == {"CLOSED_PLANAR"}
    expected = above(result, 0.5)
    assert not expected[2, 14:18, 18:20].all()
    planes = {slice_.SOPInstanceUID: ImagePlane.from_dataset(slice_) for slice_ in result.slices}
    curves: dict[str, list[np.ndarray]] = {}
    for contour in region.ContourSequence:
        image = contour.ContourImageSequence[0].ReferencedSOPInstanceUID
        points = planes[image].to_pixel(np.reshape(contour.ContourData, (-1, 3)).astype(float))
        assert contour.NumberOfContourPoints == len(points)
        curves.setdefault(image, []).append(np.concatenate([points, points[:1]]))
    found = np.array([even_odd(curves.get(s.SOPInstanceUID, []), s) for s in result.slices])
    np.testing.assert_array_equal(found, expected)
    (outline,) = read_marks(structures).outlines
    np.testing.assert_array_equal(filled(outline, result), expected)


def test_regions_say_what_they_are_and_are_no_targets():
    result = ball_result(OBLIQUE)
    everything = RtstructSettings(references="all")
    structures = saved(rtstruct([result], everything, twins=[twins_of(result)]))
    names = [roi.ROIName for roi in structures.StructureSetROISequence]
    assert names == [f"Lesion 1 alpha {level}" for level in (0.25, 0.5, 0.75)]
    volumes_ml = [roi.ROIVolume for roi in structures.StructureSetROISequence]
    sizes = result.measurements
    assert volumes_ml == pytest.approx(
        [sizes.outer_volume_ml, sizes.volume_ml, sizes.core_volume_ml]
    )
    for roi in structures.StructureSetROISequence:
        assert roi.ROIGenerationAlgorithm == "SEMIAUTOMATIC"
        assert roi.DefinitionSourceSequence[0].ReferencedSOPInstanceUID == "1.2.80.1"
        assert roi.ReferencedFrameOfReferenceUID == result.slices[0].FrameOfReferenceUID
        assert result.tracking_uid in roi.ROIDescription
    for observation in structures.RTROIObservationsSequence:
        assert observation.RTROIInterpretedType == ""
        assert observation.RTROIIdentificationCodeSequence[0].CodeValue == "27925004"
    assert structures.ApprovalStatus == "UNAPPROVED"
    listed = [item.ReferencedSOPInstanceUID for item in structures.ReferencedInstanceSequence]
    assert {"1.2.80.1", "1.2.81.1", "1.2.5"} <= set(listed)


def test_a_region_that_is_no_occupancy_has_no_volume():
    ball = ball_result()
    mask = replace(ball.mask, quantity="density-weighted")
    structures = rtstruct([lesion_result(mask, ball.slices, ball.mark)])
    assert all("ROIVolume" not in roi for roi in structures.StructureSetROISequence)


# Key object and refusals


def test_the_key_object_points_to_every_result_once():
    result = ball_result()
    twins = twins_of(result)
    document = saved(key_object([result, replace(result, number=2)], twins=[twins, twins]))
    pointed = {
        item.ReferencedSOPSequence[0].ReferencedSOPInstanceUID: item.ValueType
        for item in document.ContentSequence
        if "ReferencedSOPSequence" in item
    }
    assert pointed == {"1.2.80.1": "IMAGE", "1.2.81.1": "COMPOSITE"}
    (study,) = document.CurrentRequestedProcedureEvidenceSequence
    listed = {
        item.ReferencedSOPInstanceUID
        for series in study.ReferencedSeriesSequence
        for item in series.ReferencedSOPSequence
    }
    assert listed == set(pointed)
    assert document.ConceptNameCodeSequence[0].CodeValue == "113000"
    assert key_object_uids([result], [twins]) != key_object_uids([result], [twins[:1]])
    with pytest.raises(NothingToReport):
        key_object([result])


def test_a_refusal_goes_back_with_its_reason():
    source = ball_result().slices[0]
    source.PatientName = "Synthétique^Jörg"
    refusals = [
        Refusal("1.2", "a single point says not how large it is"),
        Refusal("1.3", "no unit"),
    ]
    document = saved(not_processed(source, refusals, EQUIPMENT))
    assert is_result(document)
    assert str(document.PatientName) == "Synthétique^Jörg"
    assert document.StudyInstanceUID == source.StudyInstanceUID
    groups = [item for item in document.ContentSequence if item.ValueType == "CONTAINER"]
    texts = [[i.TextValue for i in g.ContentSequence if i.ValueType == "TEXT"] for g in groups]
    assert texts == [[refusal.item, refusal.reason] for refusal in refusals]
    (pointer,) = [item for item in document.ContentSequence if item.ValueType == "COMPOSITE"]
    reference = pointer.ReferencedSOPSequence[0]
    assert reference.ReferencedSOPInstanceUID == source.SOPInstanceUID
    assert "not for diagnosis" in str(document)
    again = not_processed(source, refusals[::-1], EQUIPMENT)
    assert again.SOPInstanceUID == document.SOPInstanceUID
    fewer = not_processed(source, refusals[:1], EQUIPMENT)
    assert fewer.SOPInstanceUID != document.SOPInstanceUID


def test_a_thousand_refusals_are_counted_and_not_all_listed():
    refusals = [Refusal(str(k), "no unit") for k in range(MAX_REFUSALS + 3)]
    document = not_processed(ball_result().slices[0], refusals, EQUIPMENT)
    groups = [item for item in document.ContentSequence if item.ValueType == "CONTAINER"]
    assert len(groups) == MAX_REFUSALS
    assert "3 more are not listed" in document.ContentSequence[-1].TextValue


def test_a_refusal_needs_a_reason_and_an_object():
    with pytest.raises(NothingToReport):
        not_processed(ball_result().slices[0], [], EQUIPMENT)
    with pytest.raises(ValueError, match="no StudyInstanceUID"):
        not_processed(Dataset(), [Refusal("1", "why")], EQUIPMENT)


# Real scanners


@pytest.mark.real_data
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("folder", ["ibsi_ct", "lungdx_A0002_B40f", "dicom_objects"])
def test_contours_on_real_slices_give_the_voxels_back(folder):
    result = real_result(folder)
    (outline,) = read_marks(saved(rtstruct([result], RtstructSettings(levels=(0.5,))))).outlines
    np.testing.assert_array_equal(filled(outline, result), above(result, 0.5))
    (planar,), _ = groups_of(report([result]))
    assert values_of(planar)["103339001"] == pytest.approx(result.measurements.long_mm, abs=6e-4)
