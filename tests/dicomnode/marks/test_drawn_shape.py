"""Geometry decides what the points of a graphic are, not what a writer calls them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dicomnode.marks import drawn_shape
from dicomnode.marks.drawn_shape import ClosedCurve, Line, NoShape, are_axes

LONG = np.array([[0.0, 0.0], [20.0, 0.0]])


def across(
    at: float, length: float = 10.0, degrees: float = 90.0, below: float = 0.5
) -> np.ndarray:
    """A line that crosses LONG at a column, `below` of its length on the near side."""
    direction = np.array([np.cos(np.radians(degrees)), np.sin(np.radians(degrees))]) * length
    start = np.array([at, 0.0]) - below * direction
    return np.array([start, start + direction])


@given(
    at=st.floats(2, 18),
    length=st.floats(1, 40),
    degrees=st.floats(71, 109),
    below=st.floats(0.1, 0.9),
    turn=st.floats(0, 360),
    scale=st.floats(0.1, 50),
)
def test_lines_that_cross_inside_at_about_a_right_angle_are_axes(
    at, length, degrees, below, turn, scale
):
    c, s = np.cos(np.radians(turn)), np.sin(np.radians(turn))
    turned = scale * np.array([[c, s], [-s, c]])
    first, second = LONG @ turned, across(at, length, degrees, below) @ turned
    assert are_axes(first, second, both_inside=True)
    assert are_axes(second[::-1], first, both_inside=True)
    in_space = [np.column_stack([points, np.full(2, 7.0)]) for points in (first, second)]
    assert are_axes(*in_space)


@pytest.mark.parametrize(
    ("second", "why"),
    [
        (across(10, degrees=60), "oblique"),
        (across(30), "apart"),
        (across(10, below=1.5), "short of the line"),
        (across(0, below=0.0), "a corner"),
        (LONG + np.array([0, 5]), "parallel"),
        (LONG, "the same"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_other_pairs_of_lines_are_not(second, why):
    assert not are_axes(LONG, second)
    assert not are_axes(second, LONG)


def test_a_t_is_a_pair_only_where_that_is_allowed():
    assert are_axes(LONG, across(10, below=0.0))
    assert not are_axes(LONG, across(10, below=0.0), both_inside=True)


def test_lines_that_pass_in_space_do_not_cross():
    first = np.array([[0.0, 0, 0], [20, 0, 0]])
    second = np.array([[10.0, -5, 3], [10, 5, 3]])
    assert not are_axes(first, second)
    assert are_axes(first, second - np.array([0, 0, 3]))


def test_two_points_are_a_line_and_a_ring_is_closed():
    ring = np.array([[0.0, 0], [4, 0], [5, 3], [2, 6], [0, 0]])
    assert isinstance(drawn_shape.polyline(ring[:2], region=False), Line)
    curve = drawn_shape.polyline(ring, region=False)
    assert isinstance(curve, ClosedCurve)
    np.testing.assert_array_equal(curve.points, ring[:-1])


def test_an_open_curve_is_closed_only_where_it_bounds_a_region():
    points = np.array([[0.0, 0], [4, 0], [5, 3], [2, 6]])
    assert len(drawn_shape.polyline(points, region=True).points) == 4
    with pytest.raises(NoShape, match="do not close"):
        drawn_shape.polyline(points, region=False)


@given(turn=st.floats(0, 360), width=st.floats(1, 50), height=st.floats(1, 50))
def test_a_box_is_no_outline_however_it_is_turned(turn, width, height):
    c, s = np.cos(np.radians(turn)), np.sin(np.radians(turn))
    box = np.array([[0, 0], [width, 0], [width, height], [0, height]]) @ [[c, s], [-s, c]]
    with pytest.raises(NoShape, match="box"):
        drawn_shape.closed_curve(box)


def test_an_ellipse_gives_its_longer_axis_first():
    short, long = [[5.0, 2], [5, 8]], [[0.0, 5], [10, 5]]
    pair = drawn_shape.ellipse(np.array(short + long))
    np.testing.assert_array_equal(pair.long, long)
    np.testing.assert_array_equal(pair.short, short)


def test_four_points_that_are_no_axes_are_no_ellipse():
    with pytest.raises(NoShape, match="no axes of an ellipse"):
        drawn_shape.ellipse(np.array([[0.0, 0], [10, 0], [9, -2], [9, 2]]))
    with pytest.raises(NoShape, match="4 points"):
        drawn_shape.ellipse(np.zeros((2, 2)))


def test_a_circle_gives_two_diameters():
    pair = drawn_shape.circle(np.array([[10.0, 10], [13, 14]]))
    assert drawn_shape.length(pair.long) == pytest.approx(10)
    assert drawn_shape.length(pair.short) == pytest.approx(10)
    assert are_axes(pair.long, pair.short, both_inside=True)
    np.testing.assert_allclose(pair.long.mean(axis=0), [10, 10])


def test_a_circle_needs_a_radius():
    with pytest.raises(NoShape, match="same"):
        drawn_shape.circle(np.full((2, 2), 3.0))


def test_points_beyond_any_image_are_refused():
    with pytest.raises(NoShape, match="no place"):
        drawn_shape.plausible(np.array([[1e7, 0.0]]))
