"""Segments and outlines take the pixels of CT slices that lie where they lie."""

from __future__ import annotations

import numpy as np
import pytest

from dicomnode.marks import (
    Contour,
    ImagePlane,
    MarkReading,
    OtherFrameOfReference,
    Outline,
    Segment,
    SegmentFrame,
    SegmentKind,
    SegmentReference,
    Unplaceable,
)
from dicomnode.marks.lesion_mask import as_array, find_segment, in_order
from dicomnode.marks.outline_mask import outline_on_slices
from dicomnode.marks.rasterise import ImageSlice, OtherImage
from dicomnode.marks.segment_mask import RESAMPLED, segment_on_slices

SPACE = "1.2.5"
AXIAL = (1.0, 0, 0, 0, 1, 0)
ROWS, COLUMNS, STEP = 20, 24, 2.0


def series(count=10, orientation=AXIAL, spacing=(0.8, 0.8), step=STEP, start=(0.0, 0, 0), lean=0.0):
    """Slices in order; with `lean` each is shifted along its columns, as by a tilted gantry."""
    row, column = np.array(orientation).reshape(2, 3)
    normal = np.cross(row, column)
    return tuple(
        ImageSlice(
            f"1.2.9.{k}",
            ImagePlane(
                tuple(np.array(start) + k * (step * normal + lean * column)),
                orientation,
                spacing,
                ROWS,
                COLUMNS,
                SPACE,
                step,
            ),
        )
        for k in range(count)
    )


def segment(planes, masks, *, space=SPACE, images=None, geometry=True) -> Segment:
    frames = tuple(
        SegmentFrame(
            number,
            *mask.shape,
            lambda mask=mask: mask,
            None if images is None else images[number - 1],
            None,
            plane.position if geometry else None,
            plane.orientation if geometry else None,
            plane.pixel_spacing if geometry else None,
        )
        for number, (plane, mask) in enumerate(zip(planes, masks, strict=True), start=1)
    )
    return Segment(frames, SegmentKind.BINARY, 1, "1.2.7", "segment 1", space)


def block(rows=slice(5, 12), columns=slice(6, 15), shape=(ROWS, COLUMNS)) -> np.ndarray:
    mask = np.zeros(shape, np.float32)
    mask[rows, columns] = 1
    return mask


@pytest.mark.parametrize("lean", [0.0, 0.5])
def test_frames_on_the_grid_of_slices_are_taken_as_they_stand(lean):
    images = series(lean=lean)
    chosen = [images[k].plane for k in (4, 3, 5)]
    pixels, warnings = segment_on_slices(segment(chosen, [block()] * 3), images, STEP)
    assert warnings == ()
    assert sorted(pixels) == [3, 4, 5]
    for mask in pixels.values():
        np.testing.assert_array_equal(mask, block() > 0)


def test_frames_that_only_name_their_slice_are_taken_as_they_stand():
    images = series()
    named = [images[3].sop_instance_uid, images[4].sop_instance_uid]
    seg = segment([images[0].plane] * 2, [block()] * 2, images=named, geometry=False, space=None)
    pixels, warnings = segment_on_slices(seg, images, STEP)
    assert sorted(pixels) == [3, 4]
    assert warnings == ()


def test_what_a_frame_says_of_its_place_wins_over_the_slice_that_it_names():
    images = series()
    seg = segment([images[6].plane], [block()], images=[images[2].sop_instance_uid])
    assert list(segment_on_slices(seg, images, STEP)[0]) == [6]


def test_empty_frames_beyond_the_slices_do_not_matter():
    images = series()
    seg = segment([i.plane for i in images], [block() * (k == 4) for k in range(10)])
    pixels, warnings = segment_on_slices(seg, images[3:6], STEP)
    assert list(pixels) == [1]
    assert warnings == ()


def test_half_a_voxel_counts():
    images = series()
    values = [block() * 0.5, block() * 0.49]
    pixels, _ = segment_on_slices(segment([i.plane for i in images[:2]], values), images, STEP)
    assert list(pixels) == [0]


@pytest.mark.parametrize("lean", [0.0, 0.4])
def test_mirrored_frames_are_turned_back(lean):
    """Some writers turn rows around; the voxels stay where they are."""
    images = series(lean=lean)
    truth = {k: block(slice(4, 4 + k), slice(3, 11)) for k in (4, 5, 6)}
    planes, masks = [], []
    for k, mask in truth.items():
        plane = images[k].plane
        last = plane.to_patient([[COLUMNS - 0.5, 0.5]])[0]
        planes.append(ImagePlane(tuple(last), (-1, 0, 0, 0, 1, 0), (0.8, 0.8), ROWS, COLUMNS))
        masks.append(mask[:, ::-1])
    seg = segment(planes, masks)
    if lean:
        with pytest.raises(Unplaceable, match="shifted against each other"):
            segment_on_slices(seg, images, STEP)
        return
    pixels, warnings = segment_on_slices(seg, images, STEP)
    assert warnings == (RESAMPLED,)
    for k, mask in truth.items():
        np.testing.assert_array_equal(pixels[k], mask > 0)


def test_thick_frames_reach_over_the_thin_slices_that_they_cover():
    thin = series(count=21, step=1.0)
    thick = [ImagePlane((0, 0, z), AXIAL, (0.8, 0.8), ROWS, COLUMNS) for z in (4.0, 8.0)]
    pixels, _ = segment_on_slices(segment(thick, [block()] * 2), thin, 1.0)
    assert sorted(pixels) == list(range(2, 11))
    np.testing.assert_array_equal(pixels[6], block() > 0)


def test_frames_that_are_left_out_between_others_are_empty():
    images = series(step=2.0)
    shifted = [
        ImagePlane((0.3, 0, 2.0 * k), AXIAL, (0.8, 0.8), ROWS, COLUMNS) for k in (1, 2, 6, 7)
    ]
    pixels, warnings = segment_on_slices(segment(shifted, [block()] * 4), images, STEP)
    assert warnings == (RESAMPLED,)
    assert sorted(pixels) == [1, 2, 6, 7]


def test_what_cannot_be_placed_is_refused():
    images = series()
    aside = ImagePlane((0.3, 0, 2.0), AXIAL, (0.8, 0.8), ROWS, COLUMNS)
    with pytest.raises(OtherFrameOfReference):
        segment_on_slices(segment([aside], [block()], space="1.2.6"), images, STEP)
    uneven = [
        ImagePlane((0.3, 0, z), AXIAL, (0.8, 0.8), ROWS, COLUMNS) for z in (2.0, 4.0, 7.0, 9.0)
    ]
    with pytest.raises(Unplaceable, match="not evenly spaced"):
        segment_on_slices(segment(uneven, [block()] * 4), images, STEP)
    nowhere = segment([aside], [block()], images=["1.2.8"], geometry=False)
    with pytest.raises(Unplaceable, match="does not say where it lies"):
        segment_on_slices(nowhere, images, STEP)


def square(k: int, half: float) -> Contour:
    corners = np.array([[-half, -half], [half, -half], [half, half], [-half, half]]) + 10.0
    return Contour(corners, f"1.2.9.{k}")


def outline(*contours: Contour) -> Outline:
    return Outline(contours, "1.2.7", "1", SPACE)


def test_slices_between_two_contours_lie_between_them():
    pixels, warnings = outline_on_slices(outline(square(2, 6), square(6, 2)), series(), STEP)
    assert warnings == ("3 slice(s) between the contours were filled in",)
    sizes = [int(pixels[k].sum()) for k in range(2, 7)]
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[0] == 144
    assert sizes[2] == 64


def test_contours_far_apart_leave_what_is_between_them_empty():
    pixels, warnings = outline_on_slices(outline(square(0, 4), square(8, 4)), series(), STEP)
    assert sorted(pixels) == [0, 8]
    assert warnings == ()


def test_a_contour_on_an_image_of_another_series_is_refused():
    with pytest.raises(OtherImage):
        outline_on_slices(outline(square(99, 4)), series(), STEP)


def test_slices_are_put_in_order_and_their_step_is_measured():
    images = series()
    ordered, step = in_order([images[k] for k in (3, 0, 9, 1, 2, 4, 5, 6, 7, 8)])
    assert ordered == images
    assert step == pytest.approx(STEP)
    assert in_order(images[:1])[1] is None
    mask = as_array({"1.2.9.4": np.array([0, COLUMNS])}, images)
    assert np.argwhere(mask).tolist() == [[4, 0, 0], [4, 1, 0]]


@pytest.mark.parametrize(
    ("number", "frames", "count"), [(1, (), 1), (None, (2,), 1), (None, (), 0), (3, (), 0)]
)
def test_a_reference_means_one_segment_or_none(number, frames, count):
    planes = [image.plane for image in series(2)]
    first = segment(planes, [block()] * 2)
    second = Segment(
        (SegmentFrame(3, 2, 2, block, "1.2.9.0"),), SegmentKind.BINARY, 2, "1.2.7", "segment 2"
    )
    reading = MarkReading(segments=(first, second))
    wanted = SegmentReference("1.2.7", number, frames, "1.2.1", "1")
    if count == 0:
        with pytest.raises(Unplaceable, match="expected one"):
            find_segment(reading, wanted)
        return
    found = find_segment(reading, wanted)
    assert found.number == 1
    assert [f.number for f in found.frames] == (list(frames) or [1, 2])
