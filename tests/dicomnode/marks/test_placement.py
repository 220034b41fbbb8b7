"""A mark lands where it was drawn, or is refused with the numbers."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from dicomnode.marks import (
    ImagePlane,
    NoGeometry,
    OffPlane,
    OtherFrameOfReference,
    OutsideImage,
    RecistMark,
    off_plane_mm,
    place,
)
from dicomnode.store.received import InstanceHeader

AXIAL = ImagePlane(
    position=(-100.0, -80.0, 30.0),
    orientation=(1, 0, 0, 0, 1, 0),
    pixel_spacing=(0.5, 0.8),
    rows=200,
    columns=150,
    frame_of_reference_uid="1.2.3",
    slice_spacing=2.0,
)

finite = st.floats(-500, 500)
spacing = st.floats(0.2, 5)


@st.composite
def planes(draw) -> ImagePlane:
    angles = draw(st.tuples(*[st.floats(-np.pi, np.pi)] * 3))
    matrix = Rotation.from_euler("xyz", angles).as_matrix()
    return ImagePlane(
        position=draw(st.tuples(finite, finite, finite)),
        orientation=(*matrix[0], *matrix[1]),
        pixel_spacing=draw(st.tuples(spacing, spacing)),
        rows=draw(st.integers(1, 1024)),
        columns=draw(st.integers(1, 1024)),
        frame_of_reference_uid="1.2.3",
    )


def in_pixels(long_axis, short_axis=None, **rest) -> RecistMark:
    return RecistMark(
        np.array(long_axis, float),
        None if short_axis is None else np.array(short_axis, float),
        source_sop_instance_uid="1.2.9",
        item="1.1",
        referenced_sop_instance_uid="1.2.8",
        **rest,
    )


def in_space(long_axis, short_axis=None, frame_of_reference_uid="1.2.3") -> RecistMark:
    return RecistMark(
        np.array(long_axis, float),
        None if short_axis is None else np.array(short_axis, float),
        source_sop_instance_uid="1.2.9",
        item="1.1",
        frame_of_reference_uid=frame_of_reference_uid,
    )


@given(planes(), st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=1, max_size=4))
def test_pixels_to_patient_and_back(plane, fractions):
    pixels = np.array(fractions) * [plane.columns, plane.rows]
    points = plane.to_patient(pixels)
    np.testing.assert_allclose(plane.to_pixel(points), pixels, atol=1e-6)
    np.testing.assert_allclose(plane.distance_mm(points), 0, atol=1e-6)


@given(planes(), st.floats(0.1, 50))
def test_distance_from_the_plane_is_along_its_normal(plane, distance):
    point = plane.to_patient([[0.5, 0.5]]) + distance * plane.normal
    np.testing.assert_allclose(plane.distance_mm(point), distance, rtol=1e-6)


def test_the_centre_of_the_first_pixel_is_half_a_pixel_from_its_corner():
    np.testing.assert_allclose(AXIAL.to_patient([[0.5, 0.5]])[0], AXIAL.position)
    np.testing.assert_allclose(AXIAL.to_patient([[1.5, 0.5]])[0], [-99.2, -80.0, 30.0])
    np.testing.assert_allclose(AXIAL.to_patient([[0.5, 1.5]])[0], [-100.0, -79.5, 30.0])


def test_a_mark_in_pixels_is_placed():
    axes = place(in_pixels([[10.5, 20.5], [20.5, 20.5]], [[15.5, 18.5], [15.5, 22.5]]), AXIAL)
    np.testing.assert_allclose(axes.long_axis, [[-92, -70, 30], [-84, -70, 30]])
    np.testing.assert_allclose(axes.short_axis, [[-88, -71, 30], [-88, -69, 30]])


def test_a_mark_with_one_axis_is_placed():
    assert place(in_pixels([[1, 1], [9, 9]]), AXIAL).short_axis is None


def test_a_mark_in_space_stays_where_it_is():
    mark = in_space([[-90, -70, 30.4], [-80, -70, 30.4]])
    np.testing.assert_array_equal(place(mark, AXIAL).long_axis, mark.long_axis)
    assert off_plane_mm(mark, AXIAL) == pytest.approx(0.4)


@pytest.mark.parametrize("end", [[151, 20], [20, 201], [-1, 20], [20, -1]])
def test_a_point_outside_the_image_is_refused(end):
    with pytest.raises(OutsideImage, match="150 columns and 200 rows"):
        place(in_pixels([[20, 20], end]), AXIAL)


def test_the_outer_corners_belong_to_the_image():
    place(in_pixels([[0, 0], [150, 200]]), AXIAL)


def test_a_mark_in_space_outside_the_image_is_refused():
    with pytest.raises(OutsideImage):
        place(in_space([[-90, -70, 30], [500, -70, 30]]), AXIAL)


@pytest.mark.parametrize(("slice_spacing", "height"), [(2.0, 31.1), (None, 30.6)])
def test_a_mark_off_the_plane_is_refused(slice_spacing, height):
    plane = replace(AXIAL, slice_spacing=slice_spacing)
    with pytest.raises(OffPlane, match="mm off the plane"):
        place(in_space([[-90, -70, height], [-80, -70, height]]), plane)


def test_half_a_slice_off_the_plane_is_accepted():
    place(in_space([[-90, -70, 31.0], [-80, -70, 31.0]]), AXIAL)


@pytest.mark.parametrize("uid", ["1.2.4", None])
def test_a_mark_in_another_space_is_refused(uid):
    mark = in_space([[-90, -70, 30], [-80, -70, 30]])
    with pytest.raises(OtherFrameOfReference):
        place(mark, replace(AXIAL, frame_of_reference_uid=uid))


HEADER = InstanceHeader(
    sop_class_uid="1",
    sop_instance_uid="2",
    study_instance_uid="3",
    series_instance_uid="4",
    transfer_syntax_uid="5",
    rows=200,
    columns=150,
    image_position=(-100.0, -80.0, 30.0),
    image_orientation=(1.0, 0.0, 0.0, 0.0, 1.0, 0.0),
    pixel_spacing=(0.5, 0.8),
    frame_of_reference_uid="1.2.3",
)


def test_the_plane_of_a_received_instance():
    assert ImagePlane.from_header(HEADER, 2.0) == AXIAL


@pytest.mark.parametrize(
    "change",
    [
        {"image_position": None},
        {"image_orientation": None},
        {"pixel_spacing": None},
        {"rows": None},
        {"image_orientation": (1.0, 0.0, 0.0, 1.0, 0.0, 0.0)},
        {"image_orientation": (0.0, 0.0, 0.0, 0.0, 0.0, 0.0)},
        {"pixel_spacing": (0.0, 0.8)},
        {"image_position": (float("nan"), 0.0, 0.0)},
    ],
)
def test_an_instance_without_usable_geometry_is_refused(change):
    with pytest.raises(NoGeometry):
        ImagePlane.from_header(replace(HEADER, **change))
