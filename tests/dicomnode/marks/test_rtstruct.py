"""Regions of a structure set are outlines; holes, axes and broken contours are told apart."""

from __future__ import annotations

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.filebase import DicomBytesIO

from dicomnode.marks import read_marks, rtstruct
from dicomnode.marks.rtstruct import read_rtstruct
from tests.real_data import real

SPACE = "1.2.5"


def circle(radius: float, z: float = 0.0, centre=(0.0, 0.0), count: int = 24) -> np.ndarray:
    angle = np.linspace(0, 2 * np.pi, count, endpoint=False)
    x, y = centre
    points = [x + radius * np.cos(angle), y + radius * np.sin(angle), np.full(count, z)]
    return np.round(np.stack(points, axis=1), 3)


def contour(points, kind="CLOSED_PLANAR", image: str | None = None) -> Dataset:
    item = Dataset()
    item.ContourGeometricType = kind
    item.NumberOfContourPoints = len(points)
    item.ContourData = [float(value) for value in np.ravel(points)]
    if image is not None:
        reference = Dataset()
        reference.ReferencedSOPClassUID = "1.2.840.10008.5.1.4.1.1.2"
        reference.ReferencedSOPInstanceUID = image
        item.ContourImageSequence = [reference]
    return item


def structure_set(*regions: list[Dataset], space: str | None = SPACE) -> Dataset:
    dataset = Dataset()
    dataset.SOPClassUID, dataset.SOPInstanceUID = "1.2.840.10008.5.1.4.1.1.481.3", "1.2.99"
    dataset.StructureSetROISequence, dataset.ROIContourSequence = [], []
    for number, contours in enumerate(regions, start=11):
        roi, drawn = Dataset(), Dataset()
        roi.ROINumber, roi.ROIName = number, "DOE JANE"
        if space is not None:
            roi.ReferencedFrameOfReferenceUID = space
        drawn.ReferencedROINumber = number
        drawn.ContourSequence = contours
        dataset.StructureSetROISequence.append(roi)
        dataset.ROIContourSequence.append(drawn)
    return dataset


def from_file(dataset: Dataset) -> Dataset:
    """The same after a journey through a file, where nothing is decoded yet."""
    stream = DicomBytesIO()
    pydicom.dcmwrite(stream, dataset, implicit_vr=True, little_endian=True)
    stream.seek(0)
    return pydicom.dcmread(stream, force=True)


@pytest.mark.parametrize("journey", [lambda dataset: dataset, from_file], ids=["memory", "file"])
def test_each_region_is_one_outline_in_space(journey):
    first = [contour(circle(5, z), image=f"1.2.{i}") for i, z in enumerate((0.0, 2.5))]
    reading = read_marks(journey(structure_set(first, [contour(circle(9))])))
    assert reading.refusals == ()
    one, other = reading.outlines
    assert (len(one.contours), len(other.contours)) == (2, 1)
    np.testing.assert_allclose(one.contours[1].points, circle(5, 2.5))
    assert [c.referenced_sop_instance_uid for c in one.contours] == ["1.2.0", "1.2.1"]
    assert other.contours[0].referenced_sop_instance_uid is None
    assert one.frame_of_reference_uid == SPACE
    assert "DOE" not in repr(reading)


def tilted(points: np.ndarray) -> np.ndarray:
    c, s = np.cos(0.5), np.sin(0.5)
    return np.round(points @ np.array([[1, 0, 0], [0, c, s], [0, -s, c]]), 3)


@pytest.mark.parametrize("kind", ["CLOSED_PLANAR", "CLOSEDPLANAR_XOR"])
@pytest.mark.parametrize("turned", [lambda points: points, tilted], ids=["axial", "tilted"])
def test_a_curve_inside_another_is_a_hole_and_one_inside_that_is_not(kind, turned):
    curves = [
        circle(9),
        circle(6)[::-1],
        circle(2),
        circle(3, centre=(30.0, 0.0)),
        circle(4, 5.0),
    ]
    (outline,) = read_rtstruct(
        structure_set([contour(turned(points), kind) for points in curves])
    ).outlines
    assert [c.encloses_lesion for c in outline.contours] == [True, False, True, True, True]


def test_a_keyhole_stays_one_curve():
    ring = [*circle(9), circle(9)[0], *circle(5)[::-1], circle(5)[-1]]
    (outline,) = read_rtstruct(structure_set([contour(np.array(ring))])).outlines
    (curve,) = outline.contours
    assert curve.encloses_lesion
    assert len(curve.points) > 40


def test_an_open_line_is_one_axis_and_two_that_cross_are_two():
    short = contour([[0.0, -3, 7], [0, 3, 7]], "OPEN_PLANAR", "1.2.1")
    long = contour([[-6.0, 0, 7], [6, 0, 7]], "OPEN_PLANAR", "1.2.1")
    one, two = read_rtstruct(structure_set([short], [short, long])).marks
    assert one.short_axis is None
    assert one.in_space
    np.testing.assert_allclose(two.long_axis, [[-6, 0, 7], [6, 0, 7]])
    np.testing.assert_allclose(two.short_axis, [[0, -3, 7], [0, 3, 7]])
    assert two.referenced_sop_instance_uid == "1.2.1"


def test_open_lines_that_are_no_axes_are_refused():
    lines = [contour([[0.0, y, 7], [9, y, 7]], "OPEN_PLANAR") for y in (0, 4)]
    reading = read_rtstruct(structure_set(lines, [lines[0], lines[1], lines[0]]))
    assert reading.marks == ()
    assert ["right angle" in r.reason or "3 open" in r.reason for r in reading.refusals] == [
        True
    ] * 2


def _point(item):
    item.ContourGeometricType = "POINT"


def _odd(item):
    item.ContourData = [1.0, 2.0, 3.0, 4.0]


def _none(item):
    del item.ContourData


def _miscounted(item):
    item.NumberOfContourPoints = 7


def _two_corners(item):
    item.ContourData, item.NumberOfContourPoints = [1.0, 2, 3, 4, 5, 6], 2


def _far(item):
    item.ContourData = [1e9, *item.ContourData[1:]]


def _unknown(item):
    item.ContourGeometricType = "OPEN_NONPLANAR"


@pytest.mark.parametrize(
    "breakage",
    [_point, _odd, _none, _miscounted, _two_corners, _far, _unknown],
    ids=lambda f: f.__name__,
)
def test_a_broken_contour_costs_itself_only(breakage):
    contours = [contour(circle(5)), contour(circle(5, 2.5))]
    breakage(contours[0])
    reading = read_rtstruct(structure_set(contours))
    (outline,) = reading.outlines
    assert len(outline.contours) == 1
    (refusal,) = reading.refusals
    assert refusal.item == "region 1 contour 1"


def test_a_region_in_no_frame_of_reference_is_refused_unless_there_is_one_for_all():
    dataset = structure_set([contour(circle(5))], space=None)
    assert "frame of reference" in read_rtstruct(dataset).refusals[0].reason
    item = Dataset()
    item.FrameOfReferenceUID = "1.2.6"
    dataset.ReferencedFrameOfReferenceSequence = [item]
    (outline,) = read_rtstruct(dataset).outlines
    assert outline.frame_of_reference_uid == "1.2.6"


def test_empty_sets_and_regions_say_so():
    assert "no contours" in read_rtstruct(structure_set()).refusals[0].reason
    assert "without contours" in read_rtstruct(structure_set([])).refusals[0].reason


@pytest.mark.parametrize("journey", [lambda dataset: dataset, from_file], ids=["memory", "file"])
def test_of_very_many_contours_the_small_regions_are_read_and_none_by_halves(monkeypatch, journey):
    monkeypatch.setattr(rtstruct, "MAX_CONTOURS", 8)
    organ = [contour(circle(50, z)) for z in range(9)]
    lesion = [contour(circle(5, z)) for z in range(3)]
    reading = read_rtstruct(journey(structure_set(organ, lesion, organ)))
    (outline,) = reading.outlines
    assert outline.item == "region 2"
    assert len(outline.contours) == 3
    assert [refusal.item for refusal in reading.refusals] == ["region 1", "region 3"]
    assert all("too many" in refusal.reason for refusal in reading.refusals)


@pytest.mark.real_data
@pytest.mark.parametrize(
    ("name", "contours", "points"),
    [
        ("dicom_objects/rtstruct_plastimatch_lctsc.dcm", [104, 93, 82, 29, 74], 66187),
        ("dicom_objects/rtstruct_rtutils.dcm", [2], 11),
        ("ibsi_ct/rtstruct/DCM_RS_00060.dcm", [26], 9661),
    ],
)
def test_structure_sets_of_other_programs(name, contours, points):
    reading = read_marks(pydicom.dcmread(real(name)))
    assert reading.refusals == ()
    assert [len(outline.contours) for outline in reading.outlines] == contours
    found = sum(len(c.points) for outline in reading.outlines for c in outline.contours)
    assert found <= points  # a point that stands twice in a row counts once
    assert found > 0.98 * points


def test_a_region_says_what_it_is_of():
    dataset = structure_set([contour(circle(9))], [contour(circle(5))], [contour(circle(4))])
    dataset.RTROIObservationsSequence = []
    for number, kind in ((11, "ORGAN"), (13, "")):
        observed = Dataset()
        observed.ReferencedROINumber, observed.RTROIInterpretedType = number, kind
        dataset.RTROIObservationsSequence.append(observed)
    outlines = read_marks(from_file(dataset)).outlines
    assert [outline.structure_type for outline in outlines] == ["ORGAN", None, None]
