"""Contours in a presentation state and in a structure set enclose the voxels of their level."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.dataset import Dataset

from dicomnode.marks import ImagePlane, read_marks
from dicomnode.results.document_uids import NothingToReport
from dicomnode.results.iso_contours import IsoContourSettings, MixedRescale, iso_contours
from dicomnode.results.report import report
from dicomnode.results.rtstruct import RtstructSettings, rtstruct
from tests.dicomnode.results.documents import (
    OBLIQUE,
    above,
    filled,
    groups_of,
    result_on,
    saved,
    twins_of,
    values_of,
)
from tests.dicomnode.results.lesions import (
    ball_alpha,
    ball_result,
    lesion_result,
    random_alpha,
    real_result,
    soft_mask,
    volume,
    volumes,
)


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


@pytest.mark.real_data
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("folder", ["ibsi_ct", "lungdx_A0002_B40f", "dicom_objects"])
def test_contours_on_real_slices_give_the_voxels_back(folder):
    result = real_result(folder)
    (outline,) = read_marks(saved(rtstruct([result], RtstructSettings(levels=(0.5,))))).outlines
    np.testing.assert_array_equal(filled(outline, result), above(result, 0.5))
    (planar,), _ = groups_of(report([result]))
    assert values_of(planar)["103339001"] == pytest.approx(result.measurements.long_mm, abs=6e-4)
