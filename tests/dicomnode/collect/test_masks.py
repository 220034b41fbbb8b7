"""Outlines and segments become lesions on their CT, or say why not."""

from __future__ import annotations

from io import BytesIO

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset
from sqlalchemy import select

from dicomnode.collect.examine import OWN_RESULT, REFERS_TO_OWN
from dicomnode.demo.ct_series import CtSeriesDescription, ct_series
from dicomnode.jobs.lesion_queue import Folders, segment_request
from dicomnode.jobs.read_masks import read_masks
from dicomnode.marks.segment_mask import RESAMPLED
from dicomnode.marks.serialised import from_json
from dicomnode.store.states import LesionState
from dicomnode.store.tables import Finding, Lesion, Result
from pipelines.networks.options import NetworkOptions
from tests.dicomnode.mask_objects import (
    ball,
    circles,
    curves,
    segmentation,
    structure_set,
    without_derivation,
)
from tests.dicomnode.studies import study

READY, REFUSED, WAITING, SUPERSEDED = (
    LesionState.READY,
    LesionState.REFUSED,
    LesionState.WAITING,
    LesionState.SUPERSEDED,
)


def states(found: list[Lesion]) -> list[LesionState]:
    return [lesion.state for lesion in found]


def masks(database, lesion: Lesion, tmp_path) -> np.ndarray:
    """What the worker segments, on the slices of the lesion."""
    with database.read() as session:
        request = segment_request(session, lesion, Folders(tmp_path, tmp_path), NetworkOptions())
    return read_masks(request.prior, request.slices)


def on_slices(made, lesion: Lesion, mask: np.ndarray) -> np.ndarray:
    order = [image.SOPInstanceUID for image in made.ct]
    return mask[[order.index(uid) for uid in lesion.slices]]


def test_a_segment_gives_its_own_voxels(database, collect_objects, tmp_path):
    made = study("segment")
    (lesion,) = collect_objects(*made.ct, segmentation(made.ct, [ball()]))
    assert lesion.state is READY, lesion.reason
    assert lesion.key_sop_instance_uid == made.ct[12].SOPInstanceUID
    assert not lesion.warnings
    np.testing.assert_array_equal(
        masks(database, lesion, tmp_path), on_slices(made, lesion, ball())[None]
    )
    length = np.linalg.norm(np.diff(lesion.long_axis, axis=0))
    assert length == pytest.approx(12, abs=1.5)


@pytest.mark.parametrize("kind", ["BINARY", "FRACTIONAL", "LABELMAP"])
def test_segments_without_derivation_find_their_slices_by_position(
    database, collect_objects, tmp_path, kind
):
    made = study("incomplete")
    other = ball((12, 15, 15), 9.0)
    seg = without_derivation(segmentation(made.ct, [ball(), other], kind=kind))
    found = collect_objects(*made.ct, seg)
    assert states(found) == [READY, READY], [lesion.reason for lesion in found]
    for lesion, mask in zip(found, (ball(), other), strict=True):
        np.testing.assert_array_equal(
            masks(database, lesion, tmp_path), on_slices(made, lesion, mask)[None]
        )


def test_frames_of_an_image_that_was_never_stored_are_placed_by_position(
    database, collect_objects, tmp_path
):
    made = study("in memory")
    seg = segmentation(made.ct, [ball()])
    for number, frame in enumerate(seg.PerFrameFunctionalGroupsSequence, start=1):
        source = frame.DerivationImageSequence[0].SourceImageSequence[0]
        source.ReferencedSOPInstanceUID = "1.2.3.999"
        source.ReferencedFrameNumber = number
    (lesion,) = collect_objects(*made.ct, seg)
    assert lesion.state is READY, lesion.reason
    np.testing.assert_array_equal(
        masks(database, lesion, tmp_path), on_slices(made, lesion, ball())[None]
    )


def test_a_segment_on_another_grid_is_resampled_and_says_so(database, collect_objects, tmp_path):
    made = study("other grid")
    finer = made.volume.array.repeat(2, axis=1).repeat(2, axis=2)
    affine = made.volume.affine.copy()
    affine[:3, 1:3] /= 2
    affine[:3, 3] -= affine[:3, 1:3].sum(axis=1) / 2
    volume = type(made.volume)(
        finer,
        affine,
        coordinate_system="PATIENT",
        frame_of_reference_uid=made.ct[0].FrameOfReferenceUID,
    )
    fine_ct = ct_series(volume, CtSeriesDescription(seed="other grid", series_number=8))
    fine = ball().repeat(2, axis=1).repeat(2, axis=2)
    seg = without_derivation(segmentation(fine_ct, [fine]))
    (lesion,) = collect_objects(*made.ct, seg)
    assert lesion.state is READY, lesion.reason
    assert RESAMPLED in lesion.warnings
    found = masks(database, lesion, tmp_path)[0]
    expected = on_slices(made, lesion, ball())
    assert (found ^ expected).sum() <= 0.05 * expected.sum()


@pytest.mark.parametrize("names_images", [True, False])
def test_a_region_lies_where_it_was_drawn(database, collect_objects, tmp_path, names_images):
    made = study("region")
    (lesion,) = collect_objects(
        *made.ct, structure_set(made, [circles(made)], names_images=names_images)
    )
    assert lesion.state is READY, lesion.reason
    assert lesion.key_sop_instance_uid == made.ct[12].SOPInstanceUID
    found = masks(database, lesion, tmp_path)[0]
    expected = on_slices(made, lesion, ball())
    assert (found ^ expected).sum() <= 0.1 * expected.sum()


def test_slices_between_contours_are_filled_in(database, collect_objects, tmp_path):
    made = study("sparse")
    (lesion,) = collect_objects(*made.ct, structure_set(made, [circles(made, every=2)]))
    assert lesion.state is READY, lesion.reason
    assert any("filled in" in warning for warning in lesion.warnings)
    filled = masks(database, lesion, tmp_path)[0].any(axis=(1, 2)).nonzero()[0]
    assert (np.diff(filled) == 1).all()


def test_a_curve_of_a_presentation_state_is_a_lesion_on_one_slice(
    database, collect_objects, tmp_path
):
    made = study("curve")
    outline = circles(made)[2]
    (lesion,) = collect_objects(*made.ct, curves(made, [outline]))
    assert lesion.state is READY, lesion.reason
    assert masks(database, lesion, tmp_path)[0].any(axis=(1, 2)).sum() == 1


def test_a_mask_without_its_ct_says_what_is_to_be_fetched(collect_objects):
    made = study("alone")
    (lesion,) = collect_objects(segmentation(made.ct, [ball()]))
    assert lesion.state is WAITING
    named = {image.SOPInstanceUID for image in made.ct}
    assert lesion.key_sop_instance_uid in named
    assert lesion.key_sop_instance_uid in lesion.reason

    made = study("alone in space")
    *_, lesion = collect_objects(without_derivation(segmentation(made.ct, [ball()], "space")))
    assert lesion.state is WAITING
    assert lesion.key_sop_instance_uid is None
    assert lesion.frame_of_reference_uid == made.ct[0].FrameOfReferenceUID
    *_, lesion = collect_objects(*made.ct)
    assert lesion.state is READY, lesion.reason


def test_organs_are_refused_unless_the_rule_takes_them(collect_objects):
    made = study("organs")
    regions = [circles(made), circles(made, (12, 15, 15), 8.0), circles(made, (12, 50, 50), 8.0)]
    rtstruct = structure_set(made, regions, types=["ORGAN", "", "EXTERNAL"])
    seg = segmentation(made.ct, [ball((12, 50, 15), 8.0)], anatomy=True)
    collect_objects(*made.ct, rtstruct)
    found = collect_objects(seg)
    assert states(found) == [REFUSED, READY, REFUSED, REFUSED]
    assert "ORGAN" in found[0].reason
    assert "include_anatomy" in found[0].reason
    assert "anatomical structure" in found[3].reason
    found = collect_objects(rtstruct, seg, include_anatomy=True)
    assert states(found) == [READY] * 4


def test_organs_do_not_wait_for_a_ct(collect_objects):
    made = study("organ alone")
    (lesion,) = collect_objects(structure_set(made, [circles(made)], types=["OAR"]))
    assert lesion.state is REFUSED
    assert "OAR" in lesion.reason


def test_an_absurdly_large_mask_is_refused(collect_objects):
    made = study("large")
    coarse = made.volume.array.repeat(4, axis=0)
    affine = made.volume.affine.copy()
    affine[:3, :3] *= 5  # 10 x 4 x 4 mm
    volume = type(made.volume)(
        coarse,
        affine,
        coordinate_system="PATIENT",
        frame_of_reference_uid=made.ct[0].FrameOfReferenceUID,
    )
    ct = ct_series(volume, CtSeriesDescription(seed="large", series_number=4))
    wide = np.zeros(volume.shape, bool)
    wide[20:60, 10:50, 10:50] = True
    long = np.zeros(volume.shape, bool)
    long[2:60, 5:8, 5:8] = True
    found = collect_objects(*ct, segmentation(ct, [wide, long]))
    assert states(found) == [REFUSED, REFUSED]
    assert "ml, expected a lesion of at most 2000" in found[0].reason
    assert "mm long" in found[1].reason


def test_a_segment_reference_waits_for_its_seg_and_is_one_lesion_with_it(database, collect_objects):
    made = study("reference")
    seg = segmentation(made.ct, [ball()])
    report = with_reference(made, seg)
    (lesion,) = collect_objects(*made.ct, report)
    assert lesion.state is WAITING
    assert f"the SEG {seg.SOPInstanceUID} has not come" in lesion.reason
    assert lesion.key_sop_instance_uid == seg.SOPInstanceUID
    (lesion,) = collect_objects(seg)
    assert lesion.state is READY, lesion.reason
    with database.read() as session:
        found = session.scalars(select(Finding).where(Finding.lesion_id == lesion.id)).all()
    assert {f.source_sop_instance_uid for f in found} == {
        report.SOPInstanceUID,
        seg.SOPInstanceUID,
    }


def with_reference(made, seg, *, axes: bool = False) -> Dataset:
    """The study's report, its group naming a segment, with or without its axes."""
    stream = BytesIO()
    made.report.save_as(stream, enforce_file_format=True)
    stream.seek(0)
    report = pydicom.dcmread(stream)
    name, reference, item = Dataset(), Dataset(), Dataset()
    name.CodeValue, name.CodingSchemeDesignator = "121191", "DCM"
    name.CodeMeaning = "Referenced Segment"
    reference.ReferencedSOPClassUID = seg.SOPClassUID
    reference.ReferencedSOPInstanceUID = seg.SOPInstanceUID
    reference.ReferencedSegmentNumber = 1
    item.RelationshipType, item.ValueType = "CONTAINS", "IMAGE"
    item.ConceptNameCodeSequence = [name]
    item.ReferencedSOPSequence = [reference]
    group = measurement_group(report)
    kept = [child for child in group.ContentSequence if axes or child.ValueType != "NUM"]
    group.ContentSequence = [*kept, item]
    return report


def test_a_reference_to_a_result_of_the_node_is_not_read(database, collect_objects):
    made = study("own")
    seg = segmentation(made.ct, [ball()])
    (first,) = collect_objects(*made.ct, made.report)
    with database.write() as session:
        session.add(
            Result(
                lesion_id=first.id,
                kind="fractional-seg",
                sop_class_uid=seg.SOPClassUID,
                sop_instance_uid=seg.SOPInstanceUID,
                path="/nowhere",
                size=1,
            )
        )
    report = with_reference(made, seg)
    report.SOPInstanceUID = report.SOPInstanceUID + ".1"
    report.file_meta.MediaStorageSOPInstanceUID = report.SOPInstanceUID
    assert len(collect_objects(report, seg)) == 1
    with database.read() as session:
        reasons = {
            row.source_sop_instance_uid: row.reason
            for row in session.scalars(select(Finding).where(Finding.lesion_id.is_(None)))
        }
    assert reasons == {report.SOPInstanceUID: REFERS_TO_OWN, seg.SOPInstanceUID: OWN_RESULT}


def measurement_group(report):
    def walk(item):
        name = item.get("ConceptNameCodeSequence")
        if name and name[0].CodeValue == "125007":
            return item
        found = (walk(child) for child in item.get("ContentSequence", []))
        return next((item for item in found if item is not None), None)

    return walk(report)


def test_axes_and_a_segment_of_one_group_are_one_lesion_by_its_segment(collect_objects):
    made = study("both")
    seg = segmentation(made.ct, [ball()])
    report = with_reference(made, seg, axes=True)
    found = collect_objects(*made.ct, report, quiet=3600)
    assert states(found) == [WAITING]
    found = collect_objects(seg)
    assert sorted(states(found)) == sorted([READY, SUPERSEDED])
    (ready,) = (lesion for lesion in found if lesion.state is READY)
    assert from_json(ready.mark).has_mask


def test_axes_go_on_without_a_segment_that_stays_away(collect_objects):
    made = study("away")
    seg = segmentation(made.ct, [ball()])
    report = with_reference(made, seg, axes=True)
    (lesion,) = collect_objects(*made.ct, report)
    assert lesion.state is WAITING
    assert f"the SEG {seg.SOPInstanceUID} has not come" in lesion.reason
    (lesion,) = collect_objects(seg_wait=1e-6)
    assert lesion.state is READY, lesion.reason
    assert not from_json(lesion.mark).has_mask
    assert any(f"the SEG {seg.SOPInstanceUID}" in warning for warning in lesion.warnings)


def test_a_segment_that_comes_after_all_is_taken(collect_objects):
    made = study("late")
    seg = segmentation(made.ct, [ball()])
    collect_objects(*made.ct, with_reference(made, seg, axes=True), seg_wait=1e-6)
    found = collect_objects(seg)
    assert sorted(states(found)) == sorted([READY, SUPERSEDED])
    (ready,) = (lesion for lesion in found if lesion.state is READY)
    assert from_json(ready.mark).has_mask
    assert not ready.warnings


def test_masks_of_two_readers_are_one_lesion(database, collect_objects, tmp_path):
    made = study("readers")
    first = segmentation(made.ct, [ball(), ball((12, 15, 15), 8.0)], "first")
    second = structure_set(made, [circles(made, (12, 32.5, 32), 13.0)], "second")
    collect_objects(*made.ct, first)
    found = collect_objects(second)
    assert states(found) == [SUPERSEDED, READY, READY]
    assert "lesion 3 takes its place" in found[0].reason
    assert len(masks(database, found[2], tmp_path)) == 2
    assert len(masks(database, found[1], tmp_path)) == 1


def test_readers_are_waited_for_as_long_as_for_slices(collect_objects):
    made = study("quiet")
    found = collect_objects(*made.ct, segmentation(made.ct, [ball()]), quiet=3600)
    assert states(found) == [WAITING]
    assert "other readers" in found[0].reason or "numbered" in found[0].reason


def test_two_lesions_of_one_object_stay_two(collect_objects):
    made = study("nested")
    target = structure_set(
        made, [circles(made), circles(made, diameter_mm=14.0)], types=["GTV", "CTV"]
    )
    assert states(collect_objects(*made.ct, target)) == [READY, READY]


def test_the_same_mask_in_another_object_is_the_same_lesion(collect_objects):
    made = study("twice")
    one = segmentation(made.ct, [ball()], "one")
    other = segmentation(made.ct, [ball()], "other")
    found = collect_objects(*made.ct, one)
    found = collect_objects(other)
    assert states(found) == [READY, SUPERSEDED]
    assert found[1].reason == "the same mark as lesion 1"


def test_a_changed_region_takes_the_place_of_its_predecessor(database, collect_objects, tmp_path):
    made = study("changed")
    first = structure_set(
        made, [circles(made), circles(made, diameter_mm=14.0)], "v1", series="1.2.77"
    )
    collect_objects(*made.ct, first)
    second = structure_set(
        made, [circles(made), circles(made, diameter_mm=15.0)], "v2", series="1.2.77"
    )
    found = collect_objects(second)
    assert states(found) == [READY, SUPERSEDED, READY]
    assert found[1].reason == "the mark was changed; lesion 3 takes its place"
    assert len(masks(database, found[2], tmp_path)) == 1


def test_a_change_that_is_taken_back_is_a_change(collect_objects):
    made = study("back")
    first = structure_set(made, [circles(made)], "v1", series="1.2.77")
    second = structure_set(made, [circles(made, diameter_mm=14.0)], "v2", series="1.2.77")
    third = structure_set(made, [circles(made)], "v3", series="1.2.77")
    collect_objects(*made.ct, first)
    assert states(collect_objects(second)) == [SUPERSEDED, READY]
    assert states(collect_objects(third)) == [READY, SUPERSEDED]


def test_a_mask_that_its_object_no_longer_holds_is_superseded(collect_objects):
    made = study("gone")
    both = structure_set(made, [circles(made), circles(made, (12, 15, 15), 8.0)], "set")
    assert states(collect_objects(*made.ct, both)) == [READY, READY]
    found = collect_objects(structure_set(made, [circles(made)], "set"))
    assert states(found) == [READY, SUPERSEDED]
    assert found[1].reason == "its object came again without it"


def test_another_patient_is_refused_without_saying_who(collect_objects):
    made = study("patient")
    seg = segmentation(made.ct, [ball()])
    seg.PatientID = "SOMEBODY-ELSE"
    (lesion,) = collect_objects(*made.ct, seg)
    assert lesion.state is REFUSED
    assert "Patient ID" in lesion.reason
    assert "allow_other_patient_id" in lesion.reason
    assert "SOMEBODY" not in lesion.reason
    assert made.ct[0].PatientID not in lesion.reason
    (lesion,) = collect_objects(seg, allow_other_patient_id=True)
    assert lesion.state is READY
    assert lesion.warnings == ["the Patient ID of the mark's object is not that of the CT"]


def test_an_unknown_patient_is_not_another_one(collect_objects):
    made = study("no patient")
    made.report.PatientID = ""
    (lesion,) = collect_objects(*made.ct, made.report)
    assert lesion.state is READY
