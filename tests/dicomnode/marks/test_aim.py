"""AIM files give the lines and outlines that they draw, at the points that DICOM means."""

from __future__ import annotations

import numpy as np
import pydicom
import pytest

from dicomnode.marks import aim, read_marks
from dicomnode.marks.aim import read_aim
from dicomnode.marks.placement import ImagePlane, place
from dicomnode.marks.recist_mark import Code
from tests.real_data import real

SOP = "1.2.840.1"
LONG = [[10, 20], [40, 20]]
SHORT = [[25, 12.5], [25, 30]]
RING = [[5, 5], [15, 4], [18, 14], [8, 16]]


def shape3(points, kind="Polyline", sop=SOP, frame=0, identifier=1) -> str:
    corners = "".join(
        f'<SpatialCoordinate coordinateIndex="{k}" imageReferenceUID="{sop}" '
        f'referencedFrameNumber="{frame}" x="{x}" y="{y}" '
        'xsi:type="TwoDimensionSpatialCoordinate"/>'
        for k, (x, y) in enumerate(points)
    )
    return (
        f'<GeometricShape includeFlag="false" shapeIdentifier="{identifier}" xsi:type="{kind}">'
        f"<spatialCoordinateCollection>{corners}</spatialCoordinateCollection></GeometricShape>"
    )


def calculation3(value, unit="mm", code="G-A22A", shape=None) -> str:
    link = f'<ReferencedGeometricShape referencedShapeIdentifier="{shape}"/>' if shape else ""
    return (
        f'<Calculation codeValue="{code}" codingSchemeDesignator="SRT" codeMeaning="Length" '
        f'uid="1.9.9"><referencedGeometricShapeCollection>{link}'
        "</referencedGeometricShapeCollection><calculationResultCollection>"
        f'<CalculationResult type="Scalar" unitOfMeasure="{unit}"><calculationDataCollection>'
        f'<CalculationData value="{value}"/></calculationDataCollection></CalculationResult>'
        "</calculationResultCollection></Calculation>"
    )


def aim3(*shapes: str, calculations: str = "", uid: str = "1.2.3", body: str = "") -> bytes:
    return (
        '<ImageAnnotation xmlns="gme://caCORE.caCORE/3.2/edu.northwestern.radiology.AIM" '
        'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" name="Lesion 1" '
        f'uniqueIdentifier="{uid}"><calculationCollection>{calculations}</calculationCollection>'
        '<anatomicEntityCollection><AnatomicEntity codeValue="RID1301" codeMeaning="lung" '
        'codingSchemeDesignator="RADLEX"/></anatomicEntityCollection>'
        f"<geometricShapeCollection>{''.join(shapes)}</geometricShapeCollection>{body}"
        "</ImageAnnotation>"
    ).encode()


def shape4(points, kind="TwoDimensionMultiPoint", uid="1.2.4.1", reference=SOP, frame=1) -> str:
    points = np.asarray(points, float)
    name = "TwoDimension" if points.shape[1] == 2 else "ThreeDimension"
    corners = "".join(
        f'<{name}SpatialCoordinate><coordinateIndex value="{k}"/>'
        + "".join(f'<{axis}  value="{v}"/>' for axis, v in zip("xyz", point, strict=False))
        + f"</{name}SpatialCoordinate>"
        for k, point in enumerate(points.tolist())
    )
    where = (
        f'<imageReferenceUid root="{reference}"/><referencedFrameNumber value="{frame}"/>'
        if points.shape[1] == 2
        else f'<frameOfReferenceUid root="{reference}"/>'
    )
    collection = name[0].lower() + name[1:] + "SpatialCoordinateCollection"
    return (
        f'<MarkupEntity xsi:type="{kind}"><uniqueIdentifier root="{uid}"/>'
        f'<includeFlag value="true"/>{where}<{collection}>{corners}</{collection}></MarkupEntity>'
    )


def calculation4(value, uid, code="103339001", scheme="SCT", unit="mm") -> str:
    return (
        f'<CalculationEntity><uniqueIdentifier root="{uid}"/><typeCode code="{code}" '
        f'codeSystemName="{scheme}"><iso:displayName xmlns:iso="uri:iso.org:21090" value="x"/>'
        "</typeCode><calculationResultCollection>"
        '<CalculationResult type="Scalar" xsi:type="CompactCalculationResult">'
        f'<unitOfMeasure value="{unit}"/><value value="{value}"/></CalculationResult>'
        "</calculationResultCollection></CalculationEntity>"
    )


def statement(kind, subject, target) -> str:
    return (
        f'<ImageAnnotationStatement xsi:type="{kind}"><subjectUniqueIdentifier root="{subject}"/>'
        f'<objectUniqueIdentifier root="{target}"/></ImageAnnotationStatement>'
    )


def annotation4(*shapes, calculations="", statements="", uid="1.2.4", body="") -> str:
    return (
        f'<ImageAnnotation><uniqueIdentifier root="{uid}"/><name value="Target 1"/>'
        "<imagingPhysicalEntityCollection><ImagingPhysicalEntity><typeCode code='RID58' "
        "codeSystem='liver' codeSystemName='RadLex'/></ImagingPhysicalEntity>"
        "</imagingPhysicalEntityCollection>"
        f"<calculationEntityCollection>{calculations}</calculationEntityCollection>{body}"
        f"<markupEntityCollection>{''.join(shapes)}</markupEntityCollection>"
        f"<imageAnnotationStatementCollection>{statements}</imageAnnotationStatementCollection>"
        "</ImageAnnotation>"
    )


def aim4(*annotations: str, uid: str = "1.2.5") -> bytes:
    return (
        '<ImageAnnotationCollection aimVersion="AIMv4_0" '
        'xmlns="gme://caCORE.caCORE/4.4/edu.northwestern.radiology.AIM" '
        'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">'
        f'<uniqueIdentifier root="{uid}"/><person><name value="PRIVATE^NAME"/></person>'
        f"<imageAnnotations>{''.join(annotations)}</imageAnnotations>"
        "</ImageAnnotationCollection>"
    ).encode()


def the_mark(content: bytes):
    reading = read_aim(content)
    assert reading.refusals == ()
    (mark,) = reading.marks
    return mark


def test_one_line_of_aim_3_is_a_one_axis_mark():
    mark = the_mark(aim3(shape3(LONG), calculations=calculation3(21.5)))
    np.testing.assert_array_equal(mark.long_axis, LONG)
    assert mark.short_axis is None
    assert mark.referenced_sop_instance_uid == SOP
    assert mark.referenced_frame is None  # AIM 3 counts single-frame images as frame 0
    assert mark.source_sop_instance_uid == mark.tracking_uid == "1.2.3"
    assert mark.tracking_id == "Lesion 1"
    assert mark.item == "ImageAnnotation 1"
    assert mark.stated_long_mm == 21.5
    assert mark.site == Code("RID1301", "RADLEX", "lung")


def test_two_crossing_lines_are_long_and_short_axis_in_either_order():
    for shapes in ([LONG, SHORT], [SHORT, LONG]):
        mark = the_mark(
            aim3(
                shape3(shapes[0], "MultiPoint"),
                shape3(shapes[1], "MultiPoint", identifier=2),
                calculations=calculation3(30, shape=1) + calculation3(1.75, "cm", shape=2),
            )
        )
        np.testing.assert_array_equal(mark.long_axis, LONG)
        np.testing.assert_array_equal(mark.short_axis, SHORT)
        stated = {mark.stated_long_mm, mark.stated_short_mm}
        assert stated == {30, 17.5}
        assert (mark.stated_long_mm == 30) == (shapes[0] is LONG)


def test_aim_4_holds_the_same_in_elements():
    calculations = calculation4(30, "1.5.1") + calculation4(17, "1.5.2", "G-A186", "SRT")
    kind = "CalculationEntityReferencesMarkupEntityStatement"
    statements = statement(kind, "1.5.1", "1.6.1") + statement(kind, "1.5.2", "1.6.2")
    content = aim4(
        annotation4(
            shape4(SHORT, uid="1.6.2"),
            shape4(LONG, uid="1.6.1"),
            calculations=calculations,
            statements=statements,
            body='<trackingUniqueIdentifier root="1.7"/>',
        )
    )
    mark = the_mark(content)
    np.testing.assert_array_equal(mark.long_axis, LONG)
    np.testing.assert_array_equal(mark.short_axis, SHORT)
    assert (mark.stated_long_mm, mark.stated_short_mm) == (30, 17)
    assert (mark.source_sop_instance_uid, mark.tracking_uid) == ("1.2.5", "1.7")
    assert mark.tracking_id == "Target 1"
    assert mark.referenced_frame == 1
    assert mark.site == Code("RID58", "RadLex", "liver")


def test_lengths_without_a_link_go_by_their_code():
    calculations = calculation4(30, "1.5.1") + calculation4(17, "1.5.2", "103340004")
    mark = the_mark(aim4(annotation4(shape4(LONG), shape4(SHORT), calculations=calculations)))
    assert (mark.stated_long_mm, mark.stated_short_mm) == (30, 17)


@pytest.mark.parametrize(
    "calculation",
    [
        calculation3(21, "pixel"),
        calculation3("nan"),
        calculation3(-3),
        calculation3(21, code="112031"),
        calculation3(21) + calculation3(22),
        calculation3(21, shape=7),
    ],
)
def test_a_length_that_is_not_the_lines_own_in_mm_is_not_stated(calculation):
    assert the_mark(aim3(shape3(LONG), calculations=calculation)).stated_long_mm is None


def test_points_in_space_keep_their_frame_of_reference():
    points = [[1.5, -2, 3], [4, 5, -60.25]]
    mark = the_mark(aim4(annotation4(shape4(points, "ThreeDimensionMultiPoint", reference="1.8"))))
    np.testing.assert_array_equal(mark.long_axis, points)
    assert (mark.frame_of_reference_uid, mark.referenced_sop_instance_uid) == ("1.8", None)


def test_points_stand_in_the_order_of_their_index():
    swapped = shape3([*RING]).replace('Index="1"', 'Index="9"')
    (outline,) = read_aim(aim3(swapped)).outlines
    expected = [RING[0], RING[2], RING[3], RING[1]]
    np.testing.assert_array_equal(outline.contours[0].points, expected)


def test_curves_of_an_annotation_are_one_outline_with_its_holes():
    hole = [[8, 8], [11, 8], [11, 11], [8, 12]]
    kind = "TwoDimensionPolyline"
    excludes = "TwoDimensionGeometricShapeEntityExcludesTwoDimensionGeometricShapeEntityStatement"
    reading = read_aim(
        aim4(
            annotation4(
                shape4(RING, kind, uid="1.6.1"),
                shape4(hole, kind, uid="1.6.2"),
                shape4([*RING, RING[0]], kind, uid="1.6.3", reference="1.2.840.2"),
                statements=statement(excludes, "1.6.1", "1.6.2"),
            )
        )
    )
    assert reading.refusals == reading.marks == ()
    (outline,) = reading.outlines
    assert [contour.encloses_lesion for contour in outline.contours] == [True, False, True]
    assert outline.contours[2].referenced_sop_instance_uid == "1.2.840.2"
    np.testing.assert_array_equal(outline.contours[2].points, RING)


def test_an_ellipse_is_the_mark_of_its_axes():
    points = [[10, 20], [40, 20], [25, 12], [25, 28]]
    mark = the_mark(aim4(annotation4(shape4(points, "TwoDimensionEllipse"))))
    np.testing.assert_array_equal(mark.long_axis, points[:2])
    np.testing.assert_array_equal(mark.short_axis, points[2:])


def test_each_annotation_is_read_for_itself():
    content = aim4(
        annotation4(shape4(LONG), uid="1.4.1"),
        annotation4(shape4([[1, 1]], "TwoDimensionPoint"), uid="1.4.2"),
        annotation4(shape4(LONG, reference="1.2.840.2"), uid="1.4.3"),
    )
    reading = read_aim(content)
    assert [mark.tracking_uid for mark in reading.marks] == ["1.4.1", "1.4.3"]
    assert [mark.item for mark in reading.marks] == ["ImageAnnotation 1", "ImageAnnotation 3"]
    (refusal,) = reading.refusals
    assert refusal.item == "ImageAnnotation 2, shape 1"
    assert "point" in refusal.reason


def test_lines_on_different_images_are_different_marks():
    other = shape3(LONG, sop="1.2.840.2", identifier=2)
    reading = read_aim(aim3(shape3(LONG), other))
    assert [mark.item for mark in reading.marks] == [
        "ImageAnnotation 1, shape 1",
        "ImageAnnotation 1, shape 2",
    ]


def test_lines_that_do_not_cross_are_refused_and_not_guessed_at():
    reading = read_aim(aim3(shape3(LONG), shape3([[10, 40], [40, 41]], identifier=2)))
    assert reading.marks == ()
    assert [refusal.item[-7:] for refusal in reading.refusals] == ["shape 1", "shape 2"]


def test_the_only_image_of_the_annotation_stands_in_for_a_missing_reference():
    image = f'<imageReferenceCollection><Image sopInstanceUID="{SOP}"/></imageReferenceCollection>'
    assert the_mark(aim3(shape3(LONG, sop=""), body=image)).referenced_sop_instance_uid == SOP
    two = image.replace("<Image ", '<Image sopInstanceUID="1.7"/><Image ')
    reading = read_aim(aim3(shape3(LONG, sop=""), body=two))
    assert "imageReferenceUid" in reading.refusals[0].reason


def test_a_segmentation_is_a_reference():
    entity = (
        "<segmentationEntityCollection><SegmentationEntity xsi:type='DicomSegmentationEntity'>"
        '<sopInstanceUid root="1.2.77"/><segmentNumber value="2"/></SegmentationEntity>'
        "</segmentationEntityCollection>"
    )
    (reference,) = read_aim(aim4(annotation4(body=entity))).references
    assert (reference.seg_sop_instance_uid, reference.segment_number) == ("1.2.77", 2)


@pytest.mark.parametrize(
    ("shape", "reason"),
    [
        (shape3([[1, 1], [1, 1]]), "same"),
        (shape3([[1, "nan"], [2, 2]]), "cannot be read"),
        (shape3([[1, "1_0"], [2, 2]]), "cannot be read"),
        (shape3([]), "found 0 points"),
        (shape3([[1, 1]] * 3, "MultiPoint"), "found 3 points"),
        (shape3(LONG, "Banana"), "none that AIM draws"),
        (shape3([[0, 0], [9, 0], [9, 9], [0, 9]]), "box"),
        (shape3(LONG, sop="1.02"), "imageReferenceUid"),
        (shape3(LONG).replace('Number="0"', 'Number="2"', 1).replace('"0" x="40"', '"3" x="40"'),
         "frames"),
    ],
)  # fmt: skip
def test_a_broken_shape_costs_that_shape(shape, reason):
    reading = read_aim(aim3(shape3(LONG, sop="1.2.840.2"), shape))
    assert len(reading.marks) == 1
    (refusal,) = reading.refusals
    assert reason in refusal.reason
    assert refusal.item == "ImageAnnotation 1, shape 2"


def test_an_empty_annotation_says_so():
    assert "draws nothing" in read_aim(aim3()).refusals[0].reason


@pytest.mark.parametrize("content", [b"", b"no xml", b"<a/>", b"<!DOCTYPE a><ImageAnnotation/>"])
def test_what_is_no_aim_file_is_one_refusal(content):
    reading = read_aim(content)
    assert reading.marks == ()
    assert len(reading.refusals) == 1


def test_a_file_without_a_uid_has_one_of_its_bytes():
    content = aim3(shape3(LONG), uid="none")
    mark = the_mark(content)
    assert mark.source_sop_instance_uid.startswith("2.25.")
    assert mark.source_sop_instance_uid == the_mark(content).source_sop_instance_uid
    assert mark.tracking_uid is None


def test_annotations_shapes_and_points_are_bounded(monkeypatch):
    monkeypatch.setattr(aim, "MAX_ANNOTATIONS", 2)
    reading = read_aim(aim4(*[annotation4(shape4(LONG))] * 4))
    assert len(reading.marks) == 2
    assert "more than 2" in reading.refusals[0].reason
    monkeypatch.setattr(aim, "MAX_POINTS", 3)
    assert "found 4 points" in read_aim(aim3(shape3(RING))).refusals[0].reason
    monkeypatch.setattr(aim, "MAX_SHAPES", 1)
    assert "first 1" in read_aim(aim3(shape3(LONG), shape3(LONG))).refusals[0].reason


def test_an_annotation_that_is_too_much_is_left_out_whole(monkeypatch):
    monkeypatch.setattr(aim, "MAX_COST", 4 + 2 + 4 + 4)
    reading = read_aim(aim3(shape3(LONG), shape3(RING)))
    assert (len(reading.marks), len(reading.outlines)) == (1, 1)
    monkeypatch.setattr(aim, "MAX_COST", 4 + 2 + 4 + 3)
    reading = read_aim(aim3(shape3(LONG), shape3(RING)))
    assert (reading.marks, reading.outlines) == ((), ())
    assert "too many shapes and points" in reading.refusals[0].reason


@pytest.mark.real_data
@pytest.mark.parametrize("form", ["", "_Model"])
def test_a_real_file_and_its_own_structured_report_are_the_same_mark(form):
    folder = real("aim_recist_pairs")
    reports = sorted((folder / "aim_dicom_sr").glob("*.dcm"))
    assert len(reports) == 12
    for report in reports:
        content = (folder / "aim_xml" / f"{report.stem}{form}.xml").read_bytes()
        mark = the_mark(content)
        (expected,) = read_marks(pydicom.dcmread(report)).marks
        # The toolkit wrote both; its SR has the points of the XML, so they count alike.
        assert mark.key == expected.key
        image = pydicom.dcmread(folder / "ct" / f"{report.stem[:-1]}.dcm")
        assert mark.referenced_sop_instance_uid == image.SOPInstanceUID
        axes = place(mark, ImagePlane.from_dataset(image))
        # Only the first pair states lengths by the spacing of the CT that is with it.
        tolerance = 1e-5 if report.stem.startswith("0022Baseline") else 0.18
        assert axes.long_mm == pytest.approx(mark.stated_long_mm, rel=tolerance)
