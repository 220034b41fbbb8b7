"""Bidirectional marks are read as they were written; the rest is refused with a reason."""

from __future__ import annotations

import copy

import highdicom as hd
import numpy as np
import pydicom
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.dataset import Dataset

from dicomnode.demo.ct_series import CtSeriesDescription, ct_series
from dicomnode.demo.recist_sr import Coordinates, DrawnMark, Finding, recist_report
from dicomnode.marks import read_marks, read_tid1500
from dicomnode.marks.placement import ImagePlane
from dicomnode.marks.recist_mark import Code
from pipelines.recist import RecistAxes
from tests.real_data import real

LONG = [[10.25, 12.5], [30.75, 12.5]]
SHORT = [[20.5, 5.25], [20.5, 18.0]]


@pytest.fixture(scope="module")
def ct() -> list[Dataset]:
    affine = np.array([[0, 0, 0.8, -50], [0, 0.6, 0, -40], [2.0, 0, 0, 10], [0, 0, 0, 1]])
    volume = hd.Volume(np.zeros((3, 32, 40), np.int16), affine, coordinate_system="PATIENT")
    return ct_series(volume, CtSeriesDescription("test_tid1500"))


@pytest.fixture(scope="module")
def axes(ct) -> RecistAxes:
    plane = ImagePlane.from_dataset(ct[1])
    return RecistAxes(plane.to_patient(LONG), plane.to_patient(SHORT))


@pytest.fixture(scope="module")
def original(ct, axes) -> Dataset:
    marks = [DrawnMark(axes, "first"), DrawnMark(axes, "second", Finding.NODULE)]
    return recist_report(marks, ct, "test_tid1500")


@pytest.fixture
def report(original) -> Dataset:
    return copy.deepcopy(original)


def groups(report: Dataset) -> list[Dataset]:
    return [
        group
        for container in report.ContentSequence
        for group in container.get("ContentSequence", [])
        if group.ConceptNameCodeSequence[0].CodeValue == "125007"
    ]


def axis(group: Dataset, code: str) -> Dataset:
    return next(
        item for item in group.ContentSequence if item.ConceptNameCodeSequence[0].CodeValue == code
    )


def long_axis(group: Dataset) -> Dataset:
    return axis(group, "103339001")


def short_axis(group: Dataset) -> Dataset:
    return axis(group, "103340004")


@pytest.mark.parametrize("comprehensive_3d", [True, False])
def test_highdicom_marks_on_an_image(ct, axes, comprehensive_3d):
    report = recist_report(
        [DrawnMark(axes, "T1", Finding.NODULE)], ct, "s", comprehensive_3d=comprehensive_3d
    )
    reading = read_marks(report)
    assert reading.refusals == ()
    (mark,) = reading.marks
    np.testing.assert_allclose(mark.long_axis, LONG, atol=1e-5)
    np.testing.assert_allclose(mark.short_axis, SHORT, atol=1e-5)
    assert mark.source_sop_instance_uid == report.SOPInstanceUID
    assert mark.referenced_sop_instance_uid == ct[1].SOPInstanceUID
    assert mark.referenced_frame is None
    assert mark.tracking_id == "T1"
    assert mark.tracking_uid.startswith("2.25.")
    assert mark.finding == Code("27925004", "SCT", "Nodule")
    assert (mark.site.value, mark.site.scheme) == ("39607008", "SCT")
    assert mark.stated_long_mm == pytest.approx(axes.long_mm, abs=1e-3)
    assert mark.stated_short_mm == pytest.approx(axes.short_mm, abs=1e-3)


def test_highdicom_marks_in_space(ct, axes):
    report = recist_report([DrawnMark(axes, "T1")], ct, "s", coordinates=Coordinates.SPACE)
    (mark,) = read_marks(report).marks
    assert mark.in_space
    np.testing.assert_allclose(mark.long_axis, axes.long_axis, atol=1e-4)
    assert mark.frame_of_reference_uid == ct[0].FrameOfReferenceUID
    assert mark.referenced_sop_instance_uid is None


def test_each_group_is_its_own_mark(original):
    reading = read_tid1500(original)
    assert [mark.tracking_id for mark in reading.marks] == ["first", "second"]
    assert len({mark.item for mark in reading.marks}) == 2


def test_old_snomed_codes_are_the_same_concepts(report):
    for group in groups(report):
        for item, code in ((long_axis(group), "G-A185"), (short_axis(group), "G-A186")):
            name = item.ConceptNameCodeSequence[0]
            name.CodeValue, name.CodingSchemeDesignator = code, "SRT"
    assert len(read_tid1500(report).marks) == 2


def test_a_missing_relationship_type_is_no_obstacle(report):
    for group in groups(report):
        del group.RelationshipType
        del long_axis(group).ContentSequence[0].RelationshipType
    assert len(read_tid1500(report).marks) == 2


def test_another_template_is_no_obstacle(report):
    del report.ContentTemplateSequence
    assert len(read_tid1500(report).marks) == 2


@pytest.mark.parametrize(("unit", "scheme"), [("1", "UCUM"), ("um", "UCUM"), ("mm", "99LOCAL")])
def test_a_length_in_another_unit_is_not_stated(report, unit, scheme):
    group = groups(report)[0]
    units = long_axis(group).MeasuredValueSequence[0].MeasurementUnitsCodeSequence[0]
    units.CodeValue, units.CodingSchemeDesignator = unit, scheme
    mark = read_tid1500(report).marks[0]
    assert mark.stated_long_mm is None
    assert mark.stated_short_mm is not None


def test_an_empty_number_leaves_the_points(report):
    long_axis(groups(report)[0]).MeasuredValueSequence = []
    mark = read_tid1500(report).marks[0]
    assert mark.stated_long_mm is None
    np.testing.assert_allclose(mark.long_axis, LONG, atol=1e-5)


def test_one_frame_of_a_multi_frame_image_is_named(report):
    for item in (long_axis(groups(report)[0]), short_axis(groups(report)[0])):
        image = item.ContentSequence[0].ContentSequence[0]
        image.ReferencedSOPSequence[0].ReferencedFrameNumber = 7
    assert read_tid1500(report).marks[0].referenced_frame == 7


def _no_image(scoord):
    del scoord.ContentSequence


def _three_points(scoord):
    scoord.GraphicData = [1, 1, 2, 2, 3, 3]


def _one_point(scoord):
    scoord.GraphicType, scoord.GraphicData = "POINT", [1, 1]


def _no_length(scoord):
    scoord.GraphicData = [4, 4, 4, 4]


def _not_finite(scoord):
    scoord.GraphicData = [1, 1, float("nan"), 2]


def _no_points(scoord):
    del scoord.GraphicData


def _two_frames(scoord):
    reference = scoord.ContentSequence[0].ReferencedSOPSequence[0]
    reference.ReferencedFrameNumber = [1, 2]


BREAKAGES = {
    _no_image: "image",
    _three_points: "2 points",
    _one_point: "POLYLINE",
    _no_length: "same",
    _not_finite: "coordinates",
    _no_points: "coordinates",
    _two_frames: "frame",
}


@pytest.mark.parametrize("breakage", BREAKAGES, ids=lambda f: f.__name__)
def test_a_broken_long_axis_costs_its_mark_only(report, breakage):
    breakage(long_axis(groups(report)[0]).ContentSequence[0])
    reading = read_tid1500(report)
    assert [mark.tracking_id for mark in reading.marks] == ["second"]
    (refusal,) = reading.refusals
    assert BREAKAGES[breakage] in refusal.reason


@pytest.mark.parametrize("breakage", BREAKAGES, ids=lambda f: f.__name__)
def test_a_broken_short_axis_leaves_the_long_one(report, breakage):
    breakage(short_axis(groups(report)[0]).ContentSequence[0])
    reading = read_tid1500(report)
    assert [mark.short_axis is None for mark in reading.marks] == [True, False]
    (refusal,) = reading.refusals
    assert BREAKAGES[breakage] in refusal.reason
    assert refusal.item.startswith(reading.marks[0].item + ".")


def test_axes_on_two_images_are_not_paired(report):
    image = short_axis(groups(report)[0]).ContentSequence[0].ContentSequence[0]
    image.ReferencedSOPSequence[0].ReferencedSOPInstanceUID = "1.2.3"
    reading = read_tid1500(report)
    assert reading.marks[0].short_axis is None
    assert "another image" in reading.refusals[0].reason


def test_two_long_axes_in_a_group_are_ambiguous(report):
    group = groups(report)[0]
    group.ContentSequence.append(copy.deepcopy(long_axis(group)))
    reading = read_tid1500(report)
    assert len(reading.marks) == 1
    assert "2 long" in reading.refusals[0].reason


def test_a_document_without_groups_says_so():
    empty = Dataset()
    empty.SOPClassUID = "1.2.840.10008.5.1.4.1.1.88.33"
    empty.SOPInstanceUID = "1.2.3"
    reading = read_marks(empty)
    assert reading.marks == ()
    assert "no measurement group" in reading.refusals[0].reason


def test_a_group_of_something_else_says_what_was_measured(report):
    group = groups(report)[0]
    for item in (long_axis(group), short_axis(group)):
        item.ConceptNameCodeSequence[0].CodeValue = "42798000"
    reason = read_tid1500(report).refusals[0].reason
    assert "no long axis" in reason
    assert "(42798000, SCT)" in reason


def test_a_private_code_is_not_quoted(report):
    group = groups(report)[0]
    for item in (long_axis(group), short_axis(group)):
        units = item.MeasuredValueSequence[0].MeasurementUnitsCodeSequence[0]
        units.CodeValue = "deg"
        name = item.ConceptNameCodeSequence[0]
        name.CodeValue, name.CodingSchemeDesignator = "Doe^Jane", "99LOCAL"
    assert "Doe" not in read_tid1500(report).refusals[0].reason


def test_a_class_without_reader_says_so():
    image = Dataset()
    image.SOPClassUID = "1.2.840.10008.5.1.4.1.1.2"
    assert "no reader yet" in read_marks(image).refusals[0].reason
    assert len(read_marks(Dataset()).refusals) == 1


def _elements(dataset: Dataset, above: tuple = ()) -> list[tuple]:
    """Of each element at any depth the (sequence, item) steps to it, and its tag."""
    found = []
    for element in dataset:
        found.append((above, element.tag))
        if element.VR == "SQ":
            for index, item in enumerate(element.value):
                found.extend(_elements(item, (*above, (element.tag, index))))
    return found


@given(data=st.data())
@settings(max_examples=60, deadline=None)
def test_a_report_with_any_element_missing_or_emptied_never_raises(original, data):
    report = copy.deepcopy(original)
    drawn = st.lists(st.sampled_from(_elements(report)), min_size=1, max_size=3, unique=True)
    for steps, tag in data.draw(drawn):
        parent = report
        try:
            for sequence, index in steps:
                parent = parent[sequence].value[index]
            element = parent[tag]
        except (KeyError, IndexError):
            continue  # an earlier draw removed what holds it
        if data.draw(st.booleans()):
            del parent[tag]
        else:
            element.value = [] if element.VR == "SQ" else None
    assert len(read_tid1500(report).marks) <= 2


REAL_PAIRS = {
    "sr_tid1500_dcmjs_bidirectional_2d.dcm": (22.4, 19.6, 1, False),
    "sr_tid1500_dcmjs_bidirectional_scoord3d.dcm": (22.4, 19.6, 1, True),
    "sr_tid1500_epad_bidirectional_sct.dcm": (28.267, 14.134, 0, False),
    "sr_tid1500_ohif_v1_many_tools.dcm": (93.9, 47.0, 2, False),
}


@pytest.mark.real_data
@pytest.mark.parametrize("name", REAL_PAIRS)
@pytest.mark.filterwarnings("ignore")
def test_marks_of_other_peoples_programs(name):
    long_mm, short_mm, lengths, in_space = REAL_PAIRS[name]
    reading = read_marks(pydicom.dcmread(real(f"dicom_objects/{name}")))
    (pair,) = [mark for mark in reading.marks if mark.stated_short_mm is not None]
    assert pair.stated_long_mm == pytest.approx(long_mm, abs=0.01)
    assert pair.stated_short_mm == pytest.approx(short_mm, abs=0.01)
    assert pair.in_space is in_space
    drawn = [np.linalg.norm(np.diff(a, axis=0)) for a in (pair.long_axis, pair.short_axis)]
    assert drawn[0] / drawn[1] == pytest.approx(long_mm / short_mm, rel=0.01)
    assert sum(mark.short_axis is None for mark in reading.marks) == lengths


REAL_COUNTS = {
    "sr_osirix_annotations.dcm": (0, 0, 0, 1),
    "sr_tid1500_ccc2017_length_pixelmed.dcm": (1, 0, 0, 0),
    "sr_tid1500_dcmqi_liver.dcm": (0, 0, 1, 0),
    "sr_tid1500_epad_freehand.dcm": (0, 1, 0, 0),
    "sr_tid1500_ohif_v1_many_tools.dcm": (5, 0, 0, 1),
    "sr_tid1500_pet_11_lesions_iowa.dcm": (0, 0, 1, 0),
    "sr_tid1500_prostatex_scoord3d_point_IDC.dcm": (0, 0, 0, 2),
}
"""File to its marks, outlines, references and refusals."""


@pytest.mark.real_data
@pytest.mark.parametrize("name", REAL_COUNTS)
@pytest.mark.filterwarnings("ignore")
def test_reports_of_other_peoples_programs(name):
    reading = read_marks(pydicom.dcmread(real(f"dicom_objects/{name}")))
    found = (reading.marks, reading.outlines, reading.references, reading.refusals)
    assert tuple(map(len, found)) == REAL_COUNTS[name]
    assert all(refusal.reason for refusal in reading.refusals)


@pytest.mark.parametrize("forged", ["DOE^JANE\n1901-02-03 ERROR forged", "1.02.3", "9" * 92])
def test_what_is_no_uid_goes_no_further(report, forged):
    first, second = groups(report)
    reference = long_axis(first).ContentSequence[0].ContentSequence[0].ReferencedSOPSequence[0]
    reference["ReferencedSOPInstanceUID"]._value = forged
    for item in second.ContentSequence:
        if item.ValueType == "UIDREF":
            item["UID"]._value = forged
    reading = read_tid1500(report)
    (mark,) = reading.marks
    assert mark.tracking_uid is None
    assert forged not in repr(reading)
    assert reading.refusals


@pytest.mark.parametrize("meaning", ["two\\values", "two\nlines"])
def test_codes_that_are_no_single_clean_text_are_left_out(report, meaning):
    for group in groups(report):
        for item in group.ContentSequence:
            if item.ValueType == "CODE":
                item.ConceptCodeSequence[0]["CodeMeaning"]._value = meaning
    marks = read_tid1500(report).marks
    assert len(marks) == 2
    assert {(mark.finding, mark.site) for mark in marks} == {(None, None)}
