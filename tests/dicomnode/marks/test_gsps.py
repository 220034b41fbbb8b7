"""What radiologists draw in a presentation state is read by its geometry."""

from __future__ import annotations

import copy

import highdicom as hd
import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset

from dicomnode.demo.ct_series import CtSeriesDescription, ct_series
from dicomnode.marks import read_marks
from dicomnode.marks.gsps import read_gsps
from tests.dicomnode.presentation_states import graphic, presentation_state, text
from tests.real_data import real

LONG = [[10.25, 12.5], [30.75, 12.5]]
SHORT = [[20.5, 5.25], [20.5, 18.0]]
ELSEWHERE = [[2.0, 25.0], [8.0, 29.0]]
BLOB = [[5.0, 5], [12, 4], [15, 9], [11, 14], [4, 11], [5, 5]]


@pytest.fixture(scope="module")
def ct() -> list[Dataset]:
    affine = np.array([[0, 0, 0.8, -50], [0, 0.6, 0, -40], [2.0, 0, 0, 10], [0, 0, 0, 1]])
    volume = hd.Volume(np.zeros((3, 32, 40), np.int16), affine, coordinate_system="PATIENT")
    return ct_series(volume, CtSeriesDescription("test_gsps"))


@pytest.fixture(scope="module")
def state(ct):
    """Makes a presentation state: one annotation for each list of graphics and texts."""

    def make(*annotations, images=None, layer="LAYER", description=None) -> Dataset:
        on = [images or [ct[1]]] * len(annotations)
        return presentation_state(ct, *annotations, on=on, layer=layer, description=description)

    return make


def only_refusal(dataset: Dataset) -> str:
    reading = read_marks(dataset)
    assert reading.marks == ()
    assert reading.outlines == ()
    (refusal,) = reading.refusals
    return refusal.reason


def test_two_crossing_lines_are_a_pair(state, ct):
    pr = state([graphic(SHORT), graphic(LONG, tracking_id="T1", tracking_uid="1.2.9"), text("x")])
    reading = read_marks(pr)
    assert reading.refusals == ()
    (mark,) = reading.marks
    np.testing.assert_allclose(mark.long_axis, LONG)
    np.testing.assert_allclose(mark.short_axis, SHORT)
    assert mark.referenced_sop_instance_uid == ct[1].SOPInstanceUID
    assert mark.source_sop_instance_uid == "1.2.3.4"
    assert (mark.tracking_id, mark.tracking_uid) == ("T1", "1.2.9")
    assert mark.stated_long_mm is None


def test_lines_of_two_annotations_of_one_layer_are_a_pair(state):
    pr = state([graphic(SHORT), text("7,65 mm")], [graphic(LONG), text("length 1.64 cm")])
    (mark,) = read_gsps(pr).marks
    np.testing.assert_allclose(mark.long_axis, LONG)
    assert (mark.stated_long_mm, mark.stated_short_mm) == (pytest.approx(16.4), 7.65)


def test_lines_on_two_images_are_no_pair(state, ct):
    pr = state([graphic(SHORT), text("7.65 mm")], [graphic(LONG), text("16.4 mm")])
    pr.GraphicAnnotationSequence[0].ReferencedImageSequence[0].ReferencedSOPInstanceUID = ct[
        2
    ].SOPInstanceUID
    marks = read_gsps(pr).marks
    assert [mark.short_axis for mark in marks] == [None, None]
    assert [mark.stated_long_mm for mark in marks] == [16.4, 7.65] or [
        mark.stated_long_mm for mark in marks
    ] == [7.65, 16.4]


def test_both_lengths_of_a_pair_are_told_apart_by_size(state):
    (mark,) = read_gsps(state([graphic(LONG), graphic(SHORT), text("7.6 mm x 16.4 mm")])).marks
    assert (mark.stated_long_mm, mark.stated_short_mm) == (16.4, 7.6)


def test_a_single_line_with_a_length_is_one_axis(state):
    (mark,) = read_gsps(state([graphic(LONG), text("L: 16.4 mm")])).marks
    assert mark.short_axis is None
    assert mark.stated_long_mm == 16.4


def test_a_single_line_in_a_measuring_layer_is_one_axis(state):
    (mark,) = read_gsps(state([graphic(LONG)], description="Distance tool")).marks
    assert mark.short_axis is None


@pytest.mark.parametrize("words", ["see here", "12 mm2", "12 mm²", "area 3 cm^2", "0 mm"])
def test_a_single_line_without_a_length_may_be_a_pointer(state, words):
    assert "pointer" in only_refusal(state([graphic(LONG), text(words)]))


def test_no_word_of_a_text_goes_into_a_refusal(state):
    reading = read_gsps(state([graphic(ELSEWHERE), text("DOE JANE 1901")]))
    assert "DOE" not in repr(reading)
    assert "1901" not in repr(reading)


def test_an_arrow_is_no_mark(state):
    head = [[30.75, 12.5], [28.0, 10.0]]
    reading = read_gsps(state([graphic(LONG), graphic(head), text("12 mm")]))
    assert reading.marks == ()
    assert {"arrow" in refusal.reason for refusal in reading.refusals} == {True}


def test_a_filled_triangle_is_the_head_of_an_arrow(state):
    head = [[30.0, 12.5], [28.0, 10.0], [28.0, 15.0], [30.0, 12.5]]
    assert "arrow" in only_refusal(state([graphic(head, is_filled=True)]))


def test_ticks_at_the_ends_of_a_line_are_part_of_it(state):
    ticks = [graphic([[c, 10.5], [c, 14.5]]) for c in (10.25, 30.75)]
    reading = read_gsps(state([graphic(LONG), *ticks, text("16.4 mm")]))
    assert reading.refusals == ()
    (mark,) = reading.marks
    np.testing.assert_allclose(mark.long_axis, LONG)
    assert mark.short_axis is None


def test_a_line_across_two_others_is_ambiguous(state):
    second = [[18.0, 6.0], [18.0, 17.0]]
    reading = read_gsps(state([graphic(LONG), graphic(SHORT), graphic(second)]))
    assert reading.marks == ()
    assert all("several" in refusal.reason for refusal in reading.refusals)
    assert len(reading.refusals) == 3


def test_two_lesions_on_one_image_stay_apart(state):
    def moved(points):
        return (np.array(points) * 0.3 + [25, 20]).tolist()

    pr = state([graphic(LONG)], [graphic(moved(LONG))], [graphic(SHORT)], [graphic(moved(SHORT))])
    marks = read_gsps(pr).marks
    assert len(marks) == 2
    assert all(mark.short_axis is not None for mark in marks)
    assert len({mark.item for mark in marks}) == 2


def test_a_line_that_is_drawn_twice_is_one(state):
    pr = state([graphic(LONG), graphic(LONG[::-1]), graphic(SHORT)])
    assert len(read_gsps(pr).marks) == 1


def test_an_ellipse_and_a_circle_hold_two_axes(state):
    ellipse = [*LONG, [20.5, 8.5], [20.5, 16.5]]
    pr = state([graphic(ellipse, "ELLIPSE"), graphic([[10.0, 20], [13, 24]], "CIRCLE")])
    first, second = read_gsps(pr).marks
    np.testing.assert_allclose(first.long_axis, LONG)
    assert np.linalg.norm(np.diff(second.short_axis, axis=0)) == pytest.approx(10)


@pytest.mark.parametrize("kind", ["POLYLINE", "INTERPOLATED"])
def test_a_closed_curve_is_an_outline(state, ct, kind):
    reading = read_gsps(state([graphic(BLOB, kind)]))
    assert reading.marks == ()
    (outline,) = reading.outlines
    np.testing.assert_allclose(outline.contours[0].points, BLOB[:-1])
    assert outline.contours[0].referenced_sop_instance_uid == ct[1].SOPInstanceUID


def test_what_is_neither_is_refused(state):
    assert "do not close" in only_refusal(state([graphic(BLOB[:-1])]))
    assert "POINT" in only_refusal(state([graphic([[3.0, 4]], "POINT")]))
    box = [[5.0, 5], [15, 5], [15, 10], [5, 10], [5, 5]]
    assert "box" in only_refusal(state([graphic(box)]))


def test_a_graphic_on_several_images_is_refused(state, ct):
    reading = read_gsps(state([graphic(LONG), graphic(SHORT)], images=ct[:2]))
    assert reading.marks == ()
    assert all("2 images" in refusal.reason for refusal in reading.refusals)


def test_an_annotation_without_an_image_is_on_the_only_one_there_is(state, ct):
    pr = state([graphic(LONG), graphic(SHORT)])
    del pr.GraphicAnnotationSequence[0].ReferencedImageSequence
    assert "3 images" in read_gsps(pr).refusals[0].reason
    images = pr.ReferencedSeriesSequence[0].ReferencedImageSequence
    del images[1:]
    (mark,) = read_gsps(pr).marks
    assert mark.referenced_sop_instance_uid == images[0].ReferencedSOPInstanceUID


def test_frames_of_one_image_are_told_apart(state):
    pr = state([graphic(LONG)], [graphic(SHORT)], [graphic(LONG)])
    for annotation, frame in zip(pr.GraphicAnnotationSequence, (3, 3, 4), strict=True):
        annotation.ReferencedImageSequence[0].ReferencedFrameNumber = frame
    reading = read_gsps(pr)
    (mark,) = reading.marks
    assert mark.referenced_frame == 3
    assert len(reading.refusals) == 1


def in_display_units(pr: Dataset, width: int, height: int) -> None:
    for item in pr.GraphicAnnotationSequence[0].GraphicObjectSequence:
        item.GraphicAnnotationUnits = "DISPLAY"
        item.GraphicData = (
            (np.array(item.GraphicData).reshape(-1, 2) / [width, height]).ravel().tolist()
        )


@pytest.mark.parametrize("first", [(1, 1), (5, 3)])
def test_display_units_are_fractions_of_the_displayed_area(state, first):
    pr = state([graphic(LONG), graphic(SHORT)])
    in_display_units(pr, 40, 32)
    area = pr.DisplayedAreaSelectionSequence[0]
    area.DisplayedAreaTopLeftHandCorner = list(first)
    area.DisplayedAreaBottomRightHandCorner = [first[0] + 39, first[1] + 31]
    (mark,) = read_gsps(pr).marks
    offset = np.array(first) - 1
    np.testing.assert_allclose(mark.long_axis, LONG + offset, atol=1e-4)
    np.testing.assert_allclose(mark.short_axis, SHORT + offset, atol=1e-4)


TURNED = {
    # rotation, flip: the stored pixels shown top left and bottom right, and the corners of the
    # image as (column, row) that lie at 0\0 and at 1\0 of the display
    (0, "N"): ((1, 1), (40, 32), (0, 0), (40, 0)),
    (90, "N"): ((1, 32), (40, 1), (0, 32), (0, 0)),
    (180, "N"): ((40, 32), (1, 1), (40, 32), (0, 32)),
    (270, "N"): ((40, 1), (1, 32), (40, 0), (40, 32)),
    (0, "Y"): ((40, 1), (1, 32), (40, 0), (0, 0)),
}


@pytest.mark.parametrize("turn", TURNED)
def test_display_units_follow_a_turned_image(state, turn):
    top_left, bottom_right, origin, across = TURNED[turn]
    pr = state([graphic([[0.0, 0.0], [1.0, 0.0]], units="DISPLAY"), text("40 mm")])
    pr.ImageRotation, pr.ImageHorizontalFlip = turn
    area = pr.DisplayedAreaSelectionSequence[0]
    area.DisplayedAreaTopLeftHandCorner = list(top_left)
    area.DisplayedAreaBottomRightHandCorner = list(bottom_right)
    (mark,) = read_gsps(pr).marks
    np.testing.assert_allclose(mark.long_axis, [origin, across])


def test_units_that_cannot_be_resolved_are_refused(state):
    pr = state([graphic(LONG), text("16 mm")])
    item = pr.GraphicAnnotationSequence[0].GraphicObjectSequence[0]
    item.GraphicAnnotationUnits = "MATRIX"
    assert "Total Pixel Matrix" in only_refusal(pr)
    item.GraphicAnnotationUnits = "FURLONG"
    assert "unknown" in only_refusal(pr)
    item.GraphicAnnotationUnits = "DISPLAY"
    del pr.DisplayedAreaSelectionSequence
    assert "displayed area" in only_refusal(pr)


def compound(kind: str, points, **attributes) -> Dataset:
    item = Dataset()
    item.CompoundGraphicInstanceID = 7
    item.CompoundGraphicType = kind
    item.CompoundGraphicUnits = "PIXEL"
    item.GraphicDimensions = 2
    item.NumberOfGraphicPoints = len(points)
    item.GraphicData = np.ravel(points).tolist()
    for keyword, value in attributes.items():
        setattr(item, keyword, value)
    return item


def with_compound(pr: Dataset, item: Dataset) -> Dataset:
    """Add a compound graphic that the simple ones stand for."""
    annotation = pr.GraphicAnnotationSequence[0]
    annotation.CompoundGraphicSequence = [item]
    for simple in annotation.GraphicObjectSequence:
        simple.CompoundGraphicInstanceID = 7
    return pr


def test_a_ruler_is_one_axis_and_its_strokes_are_not_read_again(state):
    strokes = [graphic(LONG), graphic([[15.0, 11.0], [15.0, 14.0]])]
    reading = read_gsps(with_compound(state(strokes), compound("RULER", LONG)))
    assert reading.refusals == ()
    (mark,) = reading.marks
    np.testing.assert_allclose(mark.long_axis, LONG)
    assert mark.short_axis is None


def test_two_crossing_lines_of_a_multiline_are_a_pair(state):
    pr = with_compound(state([graphic(LONG)]), compound("MULTILINE", [*SHORT, *LONG]))
    (mark,) = read_gsps(pr).marks
    np.testing.assert_allclose(mark.short_axis, SHORT)


def test_a_compound_ellipse_is_turned_counterclockwise(state):
    item = compound("ELLIPSE", [[10, 8], [30, 16]], RotationAngle=90.0, RotationPoint=[20.0, 12.0])
    (mark,) = read_gsps(with_compound(state([graphic(LONG)]), item)).marks
    np.testing.assert_allclose(sorted(mark.long_axis.tolist()), [[20, 2], [20, 22]], atol=1e-6)
    slightly = compound(
        "ELLIPSE", [[10, 8], [30, 16]], RotationAngle=30.0, RotationPoint=[20.0, 12]
    )
    (mark,) = read_gsps(with_compound(state([graphic(LONG)]), slightly)).marks
    right = max(mark.long_axis.tolist())
    assert right[1] < 12  # the right end rises on the screen


def test_a_rotation_that_cannot_be_read_is_not_left_out(state):
    item = compound("RULER", LONG, RotationAngle=float("nan"), RotationPoint=[20.0, 12.0])
    reading = read_gsps(with_compound(state([graphic(LONG)]), item))
    assert reading.marks == ()
    assert "angle that cannot be read" in reading.refusals[0].reason


@pytest.mark.parametrize("kind", ["CROSSHAIR", "ARROW", "RECTANGLE", "INFINITELINE", "CUTLINE"])
def test_compounds_that_measure_nothing_are_refused_with_their_strokes(state, kind):
    pr = with_compound(state([graphic(LONG), graphic(SHORT)]), compound(kind, LONG))
    assert kind in only_refusal(pr)


def test_of_an_unknown_compound_the_strokes_are_read(state):
    pr = with_compound(state([graphic(LONG), graphic(SHORT)]), compound("VENDOR_CROSS", LONG))
    assert len(read_gsps(pr).marks) == 1


def test_an_overlay_bitmap_is_refused(state):
    pr = state([graphic(LONG), graphic(SHORT)])
    pr.add_new(0x60000010, "US", 32)
    pr.add_new(0x60003000, "OW", b"\0" * 160)
    reading = read_gsps(pr)
    assert len(reading.marks) == 1
    (refusal,) = reading.refusals
    assert refusal.item == "overlay 6000"
    assert "bitmap" in refusal.reason


def test_no_graphics_are_one_refusal(state):
    pr = state([graphic(LONG)])
    del pr.GraphicAnnotationSequence
    assert "no graphics" in only_refusal(pr)


@pytest.mark.parametrize(
    ("keyword", "value", "reason"),
    [
        ("GraphicData", [1.0, 2.0, 3.0], "cannot be read"),
        ("GraphicData", None, "cannot be read"),
        ("GraphicData", [1.0, 2.0, 3.0, float("nan")], "cannot be read"),
        ("GraphicData", [1.0, 2.0, 3.0, 1e9], "no place"),
        ("GraphicData", [1.0, 2.0, 1.0, 2.0], "same"),
        ("NumberOfGraphicPoints", 9, "announces"),
        ("GraphicDimensions", 3, "dimensions"),
        ("GraphicType", "SPLINE", "found another"),
    ],
)
def test_a_broken_graphic_costs_itself_only(state, keyword, value, reason):
    pr = state([graphic(LONG), graphic(SHORT), graphic(ELSEWHERE)])
    setattr(pr.GraphicAnnotationSequence[0].GraphicObjectSequence[2], keyword, value)
    reading = read_gsps(pr)
    assert len(reading.marks) == 1
    (refusal,) = reading.refusals
    assert reason in refusal.reason
    assert refusal.item == "annotation 1 graphic 3"


def test_very_many_graphics_are_bounded(state):
    pr = state([graphic(LONG)])
    objects = pr.GraphicAnnotationSequence[0].GraphicObjectSequence
    objects.extend(copy.copy(objects[0]) for _ in range(3000))
    reasons = [refusal.reason for refusal in read_gsps(pr).refusals]
    assert any("rest was not read" in reason for reason in reasons)


@pytest.mark.real_data
def test_an_ellipse_of_another_program():
    reading = read_marks(pydicom.dcmread(real("dicom_objects/gsps_softneta_ellipse_text.dcm")))
    assert reading.refusals == ()
    (mark,) = reading.marks
    assert np.linalg.norm(np.diff(mark.long_axis, axis=0)) == pytest.approx(792.49, abs=0.01)
    assert np.linalg.norm(np.diff(mark.short_axis, axis=0)) == pytest.approx(750.44, abs=0.01)
    assert mark.stated_long_mm is None
