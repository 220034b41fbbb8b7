"""A report says of a lesion what was measured, and where."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from scipy.spatial.transform import Rotation

from dicomnode.marks import ImagePlane
from dicomnode.results import MarkSource
from dicomnode.results.document_uids import NothingToReport
from dicomnode.results.iso_curves import iso_curves
from dicomnode.results.ohif_report import ohif_report
from dicomnode.results.report import report, report_uids
from dicomnode.results.report_codes import SCHEME
from pipelines.measure import measure
from tests.dicomnode.results.documents import (
    OBLIQUE,
    SR,
    comment_of,
    groups_of,
    result_on,
    saved,
    twins_of,
    values_of,
)
from tests.dicomnode.results.lesions import (
    MARK,
    ball_result,
    lesion_result,
    soft_mask,
    volume,
    volumes,
)


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
