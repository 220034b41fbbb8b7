"""All forms of one lesion in a report: lengths under any name, outlines, segments, or both."""

from __future__ import annotations

import copy

import highdicom as hd
import numpy as np
import pytest
from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes as dictionary

from dicomnode.demo.ct_series import CtSeriesDescription, ct_series
from dicomnode.marks import read_marks
from dicomnode.marks.segment import SegmentReference
from dicomnode.marks.sr_tree import MAX_ITEMS
from tests.dicomnode.marks.report_items import (
    APART,
    AREA,
    BLOB,
    IMAGE,
    LENGTH,
    LONG,
    OTHER_IMAGE,
    SHORT,
    SPACE,
    content,
    group,
    image,
    num,
    report,
    scoord,
    scoord3d,
)


def in_space(points) -> np.ndarray:
    return np.column_stack([points, np.full(len(points), 4.0)])


@pytest.mark.parametrize(
    "name",
    [
        ("410668003", "SCT"),
        ("G-D7FE", "SRT"),
        ("G-D7FE", "SNM3"),
        ("81827009", "SCT"),
        ("M-02550", "SRT"),
        ("131187009", "SCT"),
        ("131188004", "SCT"),
        ("131189007", "SCT"),
        ("121206", "DCM"),
        ("121227", "DCM"),
        ("121055", "DCM"),
        ("RP-100131", "99RADPHARM"),
    ],
)
def test_a_length_under_any_listed_or_private_name_is_one_axis(name):
    reading = read_marks(report(group(num(name, 12.5, "mm", scoord(LONG)))))
    assert reading.refusals == ()
    (mark,) = reading.marks
    np.testing.assert_allclose(mark.long_axis, LONG)
    assert mark.short_axis is None
    assert mark.stated_long_mm == 12.5
    assert (mark.referenced_sop_instance_uid, mark.item) == (IMAGE, "1.1")


@pytest.mark.parametrize(
    ("name", "unit"),
    [(AREA, "mm"), (("1483009", "SCT"), "deg"), (("X1", "99VENDOR"), "deg"), (("X1", "99V"), "1")],
)
def test_a_line_that_measures_something_else_is_refused(name, unit):
    reading = read_marks(report(group(num(name, 12.5, unit, scoord(LONG)))))
    assert reading.marks == ()
    (refusal,) = reading.refusals
    assert refusal.item == "1.1.1.1"
    assert "99" not in refusal.reason


@pytest.mark.parametrize("in_3d", [False, True])
@pytest.mark.parametrize("names", [(LENGTH, LENGTH), (("81827009", "SCT"), ("131189007", "SCT"))])
def test_two_crossing_lengths_are_a_pair_the_longer_one_first(names, in_3d):
    lines = [scoord3d(in_space(p)) if in_3d else scoord(p) for p in (SHORT, LONG)]
    reading = read_marks(
        report(group(num(names[0], 7, "mm", lines[0]), num(names[1], 16, "mm", lines[1])))
    )
    assert reading.refusals == ()
    (mark,) = reading.marks
    np.testing.assert_allclose(mark.long_axis[:, :2], LONG)
    np.testing.assert_allclose(mark.short_axis[:, :2], SHORT)
    assert (mark.stated_long_mm, mark.stated_short_mm) == (16, 7)
    assert mark.frame_of_reference_uid == (SPACE if in_3d else None)


@pytest.mark.parametrize(
    ("second", "reason"),
    [
        (scoord(APART), "do not cross"),
        (scoord([[10.0, 12.5], [30.0, 16.0]]), "right angle"),
        (scoord(SHORT, on=OTHER_IMAGE), "different images"),
        (scoord3d(in_space(SHORT)), "different images"),
    ],
    ids=["apart", "oblique", "other image", "in space"],
)
def test_two_lengths_that_are_no_pair_are_refused(second, reason):
    reading = read_marks(
        report(group(num(LENGTH, 16, "mm", scoord(LONG)), num(LENGTH, 7, "mm", second)))
    )
    assert reading.marks == ()
    (refusal,) = reading.refusals
    assert reason in refusal.reason
    assert refusal.item == "1.1"


def test_three_lengths_in_a_group_are_ambiguous():
    lines = [num(LENGTH, 9, "mm", scoord(points)) for points in (LONG, SHORT, APART)]
    reading = read_marks(report(group(*lines)))
    assert reading.marks == ()
    assert "3 measured lines" in reading.refusals[0].reason


def test_points_that_are_repeated_below_several_numbers_are_one_line():
    items = [num(AREA, 1, "mm2", scoord(LONG)), num(LENGTH, 16, "mm", scoord(LONG))]
    (mark,) = read_marks(report(group(*items))).marks
    assert mark.stated_long_mm == 16


def test_a_short_axis_alone_is_refused():
    short = num(("103340004", "SCT"), 9, "mm", scoord(SHORT))
    reading = read_marks(report(group(short)))
    assert reading.marks == ()
    assert "without a long axis" in reading.refusals[0].reason


def test_an_ellipse_holds_two_axes_whatever_it_is_called():
    points = [*LONG, [20.0, 8.5], [20.0, 16.5]]
    reading = read_marks(
        report(group(num(("G-D7FE", "SRT"), 99, "mm2", scoord(points, "ELLIPSE"))))
    )
    (mark,) = reading.marks
    np.testing.assert_allclose(mark.long_axis, LONG)
    np.testing.assert_allclose(mark.short_axis, points[2:])
    assert mark.stated_long_mm is None


def test_a_circle_and_four_points_hold_two_axes():
    circle = group(num(AREA, 9, "mm2", scoord([[10.0, 10], [13, 14]], "CIRCLE")))
    points = group(scoord([*LONG, *SHORT], "MULTIPOINT"))
    first, second = read_marks(report(circle, points)).marks
    assert np.linalg.norm(np.diff(first.long_axis, axis=0)) == pytest.approx(10)
    np.testing.assert_allclose(second.short_axis, SHORT)


@pytest.mark.parametrize("closed", [True, False])
def test_an_image_region_is_an_outline_with_or_without_its_closing_point(closed):
    points = [*BLOB, BLOB[0]] if closed else BLOB
    region = scoord(points, name=("111030", "DCM"), frame=3)
    reading = read_marks(report(group(region)))
    assert (reading.marks, reading.refusals) == ((), ())
    (outline,) = reading.outlines
    (contour,) = outline.contours
    np.testing.assert_allclose(contour.points, BLOB)
    assert (contour.referenced_sop_instance_uid, contour.referenced_frame) == (IMAGE, 3)


def test_an_open_curve_that_bounds_nothing_is_refused():
    reading = read_marks(report(group(num(LENGTH, 30, "mm", scoord(BLOB)))))
    assert (reading.marks, reading.outlines) == ((), ())
    assert "do not close" in reading.refusals[0].reason


def test_curves_on_several_slices_are_one_outline():
    regions = [
        scoord3d([*p, p[0]], "POLYGON")
        for p in (in_space(BLOB), in_space(BLOB) + np.array([0, 0, 2]))
    ]
    (outline,) = read_marks(report(group(*regions))).outlines
    assert len(outline.contours) == 2
    assert outline.frame_of_reference_uid == SPACE


def test_an_outline_repeated_below_each_statistic_has_one_contour():
    statistics = [num(("373098007", "SCT"), 40, "[hnsf'U]", scoord(BLOB)) for _ in range(4)]
    (outline,) = read_marks(report(group(*statistics))).outlines
    assert len(outline.contours) == 1


def test_a_box_is_refused():
    box = [[5.0, 5], [15, 5], [15, 10], [5, 10], [5, 5]]
    reading = read_marks(report(group(num(AREA, 9, "mm2", scoord(box)))))
    assert reading.outlines == ()
    assert "box" in reading.refusals[0].reason


def test_a_segment_is_a_reference():
    tracking = content("UIDREF", ("112040", "DCM"))
    tracking.UID = "1.2.77"
    reading = read_marks(report(group(tracking, image("1.2.8", 4, 2, ("121214", "DCM")))))
    assert (reading.marks, reading.refusals) == ((), ())
    assert reading.references == (
        SegmentReference("1.2.8", 2, (4,), "1.2.99", "1.1", None, "1.2.77"),
    )


def test_all_forms_of_one_group_carry_its_item():
    reading = read_marks(
        report(
            group(
                num(LENGTH, 16, "mm", scoord(LONG)),
                num(LENGTH, 7, "mm", scoord(SHORT)),
                scoord(BLOB, name=("111030", "DCM")),
                image("1.2.8", None, 1, ("121191", "DCM")),
            )
        )
    )
    assert reading.refusals == ()
    items = {thing.item for thing in (*reading.marks, *reading.outlines, *reading.references)}
    assert items == {"1.1"}
    assert [len(found) for found in (reading.marks, reading.outlines, reading.references)] == [
        1
    ] * 3


def test_points_are_refused_unless_they_stand_beside_a_mark():
    point = num(("111010", "DCM"), 1, "1", scoord([[3.0, 4]], "POINT"))
    alone = read_marks(report(group(point)))
    assert "POINT" in alone.refusals[0].reason
    beside = read_marks(report(group(point, num(LENGTH, 16, "mm", scoord(LONG)))))
    assert len(beside.marks) == 1
    assert beside.refusals == ()


def test_a_graphic_that_is_referred_to_counts_where_the_reference_stands():
    pointer = Dataset()
    pointer.RelationshipType = "INFERRED FROM"
    pointer.ReferencedContentItemIdentifier = [1, 1]
    reading = read_marks(report(scoord(LONG), group(num(LENGTH, 16, "mm", pointer))))
    (mark,) = reading.marks
    assert mark.item == "1.2"
    np.testing.assert_allclose(mark.long_axis, LONG)


def test_two_spaces_in_a_group_are_no_one_outline():
    regions = [scoord3d(in_space(BLOB), "POLYGON", space) for space in (SPACE, "1.2.6")]
    (outline,) = read_marks(report(group(*regions))).outlines
    assert len(outline.contours) == 1


@pytest.mark.parametrize("kind", ["ELLIPSOID", "SPIRAL"])
def test_other_graphic_types_are_refused(kind):
    reading = read_marks(report(group(scoord3d(in_space(BLOB), kind))))
    assert reading.refusals[0].item == "1.1.1"
    assert "SPIRAL" not in reading.refusals[0].reason


def test_very_many_items_are_bounded_and_said_so():
    many = [group(num(LENGTH, 16, "mm", scoord(LONG))) for _ in range(MAX_ITEMS // 3)]
    reading = read_marks(report(*many))
    assert 0 < len(reading.marks) < len(many)
    assert "not read" in reading.refusals[-1].reason


def test_an_image_library_does_not_use_up_the_bound():
    library = content("CONTAINER", ("111028", "DCM"), *[image(IMAGE) for _ in range(MAX_ITEMS)])
    reading = read_marks(report(library, group(num(LENGTH, 16, "mm", scoord(LONG)))))
    assert len(reading.marks) == 1
    assert reading.refusals == ()


@pytest.fixture(scope="module")
def ct() -> list[Dataset]:
    affine = np.array([[0, 0, 0.8, -50], [0, 0.6, 0, -40], [2.0, 0, 0, 10], [0, 0, 0, 1]])
    volume = hd.Volume(np.zeros((3, 32, 40), np.int16), affine, coordinate_system="PATIENT")
    return ct_series(volume, CtSeriesDescription("test_sr_group"))


def test_highdicom_finds_the_same_regions_and_segments(ct):
    source = hd.sr.SourceImageForRegion(ct[1].SOPClassUID, ct[1].SOPInstanceUID)
    ring = np.array([*BLOB, BLOB[0]])
    regions = [
        hd.sr.ImageRegion("POLYLINE", ring, source),
        hd.sr.ImageRegion("ELLIPSE", np.array([*LONG, [20.0, 8.5], [20.0, 16.5]]), source),
        hd.sr.ImageRegion3D("POLYGON", in_space(ring), ct[1].FrameOfReferenceUID),
    ]
    groups = [
        hd.sr.PlanarROIMeasurementsAndQualitativeEvaluations(
            hd.sr.TrackingIdentifier(f"1.2.{index}", f"T{index}"),
            referenced_region=region,
            finding_type=dictionary.SCT.Nodule,
        )
        for index, region in enumerate(regions)
    ]
    groups.append(
        hd.sr.VolumetricROIMeasurementsAndQualitativeEvaluations(
            hd.sr.TrackingIdentifier("1.2.9", "T9"),
            referenced_segment=hd.sr.ReferencedSegment(
                "1.2.840.10008.5.1.4.1.1.66.4",
                "1.2.8",
                2,
                source_series=hd.sr.SourceSeriesForSegmentation(ct[0].SeriesInstanceUID),
            ),
        )
    )
    observer = hd.sr.ObserverContext(
        dictionary.DCM.Person, hd.sr.PersonObserverIdentifyingAttributes("SYNTHETIC^READER")
    )
    document = hd.sr.MeasurementReport(
        hd.sr.ObservationContext(observer_person_context=observer),
        dictionary.LN.CTUnspecifiedBodyRegion,
        imaging_measurements=groups,
    )
    seg = copy.deepcopy(ct[0])
    seg.SOPClassUID, seg.SOPInstanceUID = "1.2.840.10008.5.1.4.1.1.66.4", "1.2.8"
    sr = hd.sr.Comprehensive3DSR([*ct, seg], document[0], "1.2.50", 1, "1.2.51", 1, "m")
    reading = read_marks(sr)
    content_of_sr = hd.sr.Comprehensive3DSR.from_dataset(sr).content
    theirs = content_of_sr.get_planar_roi_measurement_groups()
    assert len(theirs) == 3
    assert reading.refusals == ()
    flat, solid = reading.outlines
    np.testing.assert_allclose(flat.contours[0].points, theirs[0].roi.value[:-1], atol=1e-5)
    np.testing.assert_allclose(solid.contours[0].points, theirs[2].roi.value[:-1], atol=1e-5)
    (mark,) = reading.marks
    np.testing.assert_allclose(mark.long_axis, theirs[1].roi.value[:2], atol=1e-5)
    assert [o.tracking_uid for o in (flat, mark, solid)] == [g.tracking_uid for g in theirs]
    assert flat.finding.value == dictionary.SCT.Nodule.value
    (reference,) = reading.references
    (segment,) = content_of_sr.get_volumetric_roi_measurement_groups()
    assert reference.seg_sop_instance_uid == seg.SOPInstanceUID
    assert reference.segment_number == 2
    assert reference.tracking_uid == segment.tracking_uid


@pytest.mark.parametrize(
    ("value", "unit", "stated", "uncalibrated"),
    [(12.5, "mm", 12.5, False), (1.25, "cm", 12.5, False), (18, "1", None, True)],
)
def test_a_length_is_stated_in_mm_whatever_its_unit(value, unit, stated, uncalibrated):
    (mark,) = read_marks(report(group(num(LENGTH, value, unit, scoord(LONG))))).marks
    assert mark.stated_long_mm == stated
    assert mark.uncalibrated is uncalibrated
