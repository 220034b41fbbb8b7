"""The mark's frame, what is drawn in it, and the way back to the CT."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.metrics import dice
from pipelines.prompted.channels import COUNT, channels
from pipelines.prompted.frame import LONG_PIXELS, SIDE, MarkFrame
from pipelines.prompted.planes import SoftPlanes, on_grid, soft_planes

MIDDLE = (SIDE - 1) / 2


def frame(angle=0.0, long_mm=14.0, short_mm=10.0, spacing=(1.25, 0.7, 0.8), key=5, at=(30, 32)):
    """A mark about `at` (row, column); the angle is from columns to rows."""
    along = np.array([np.sin(angle), np.cos(angle)])
    across = np.array([-along[1], along[0]])
    pixel = np.asarray(spacing[1:])
    ends = np.array([[-0.5], [0.5]])
    long_axis = at + ends * long_mm * along / pixel
    short_axis = None if short_mm is None else at + ends * short_mm * across / pixel
    return MarkFrame.of(key, long_axis, short_axis, spacing)


@given(st.floats(-4, 4), st.floats(4, 60), st.floats(0.4, 1.2), st.floats(0.4, 1.2))
def test_places_are_where_the_frame_says(angle, long_mm, row_mm, column_mm):
    one = frame(angle, long_mm, spacing=(1.0, row_mm, column_mm))
    row, column = one.to_frame(*one.places())
    line = np.arange(SIDE)
    assert np.allclose(row, line[:, None], atol=1e-6)
    assert np.allclose(column, line[None, :], atol=1e-6)


@given(st.floats(-4, 4), st.floats(4, 60))
def test_the_long_axis_lies_across_and_fills_its_part(angle, long_mm):
    one = frame(angle, long_mm)
    along = one.ends[:2] / one.pixel_mm
    assert np.allclose(along, [[-LONG_PIXELS / 2, 0], [LONG_PIXELS / 2, 0]], atol=1e-6)


def test_a_short_axis_to_one_side_moves_the_frame_there():
    one = MarkFrame.of(
        0, np.array([[10.0, 0], [10, 20]]), np.array([[8.0, 10], [16, 10]]), (1,) * 3
    )
    assert np.allclose(one.centre, [12, 10])


def test_an_axis_without_length_is_refused():
    with pytest.raises(ValueError, match="without a length"):
        MarkFrame.of(0, np.ones((2, 2)), None, (1.0, 1.0, 1.0))


def test_thick_slices_are_all_planes_and_thin_ones_are_not():
    assert frame(spacing=(2.5, 0.7, 0.7)).stride == 1
    thin = frame(long_mm=40, spacing=(0.6, 0.7, 0.7))
    assert thin.stride > 1
    planes = thin.planes(1.0)
    assert thin.key in planes
    assert set(np.diff(planes)) == {thin.stride}
    assert abs(planes[-1] - thin.key) * 0.6 <= 40


def test_pixels_are_means_over_their_area():
    # A lesion so large that a pixel of the frame covers several of the CT's: a checkerboard greys.
    board = (np.indices((200, 200)).sum(axis=0) % 2).astype(np.float32)
    large = frame(long_mm=62.0, short_mm=40.0, spacing=(1.0, 0.7, 0.7), at=(100, 100))
    middle = large.sampled(board[None], 0.0)[0, 8:-8, 8:-8]
    assert np.abs(middle - 0.5).max() < 0.2


def test_the_mark_is_drawn_and_counted():
    one = frame(long_mm=20.0, short_mm=10.0)
    planes = one.planes(1.0)
    hu = np.full((len(planes), SIDE, SIDE), -300.0, np.float32)
    made = channels(one, planes, hu, np.ones(len(planes), bool))
    assert made.shape == (len(planes), COUNT, SIDE, SIDE)
    middle = int(MIDDLE)
    end = middle + int(LONG_PIXELS / 2)
    assert made[0, 4, middle, end] > 0.5
    assert made[0, 4, middle + 8, end] < 0.01
    assert made[0, 5, middle + int(LONG_PIXELS / 4), middle] > 0.5
    assert abs(made[0, 6, middle, end]) < 0.15  # the mark's ellipse
    assert made[0, 6, middle, middle] > 0.8
    assert (made[:, 0] == 0).all()
    assert list(np.flatnonzero(made[:, 8, 0, 0])) == list(np.flatnonzero(planes == one.key))
    assert np.allclose(made[:, 10], np.log(2.0), atol=1e-6)
    assert np.allclose(made[:, 11], 0.5, atol=1e-6)


def test_one_axis_is_told_from_two():
    one = frame(short_mm=None)
    hu = np.zeros((1, SIDE, SIDE), np.float32)
    made = channels(one, np.array([one.key]), hu, np.ones(1, bool))
    assert (made[0, 5] == 0).all()
    assert (made[0, 11] == 0).all()


def test_slices_that_are_not_there_say_nothing():
    one = frame()
    planes = np.array([one.key, one.key + 1])
    there = np.array([True, False])
    hu = np.random.default_rng(0).normal(size=(2, SIDE, SIDE)).astype(np.float32) * 300
    other = hu.copy()
    other[1] += 500
    assert (channels(one, planes, hu, there) == channels(one, planes, other, there)).all()


@settings(max_examples=12, deadline=None)
@given(
    st.floats(-4, 4),
    st.floats(8, 30),
    st.sampled_from([(0.75, 0.75, 0.75), (1.25, 0.7, 0.7), (3.0, 0.8, 0.8)]),
)
def test_what_is_found_in_the_frame_comes_back_to_its_place(angle, long_mm, spacing):
    shape = tuple(int(2.4 * long_mm / s) + 3 for s in spacing)
    at = np.array(shape) // 2
    one = frame(angle, long_mm, 0.7 * long_mm, spacing, int(at[0]), tuple(at[1:]))
    grid = [(np.arange(n) - c) * s for n, c, s in zip(shape, at, spacing, strict=True)]
    z, y, x = np.meshgrid(*grid, indexing="ij", sparse=True)
    u = y * np.sin(angle) + x * np.cos(angle)
    v = -y * np.cos(angle) + x * np.sin(angle)
    radius = np.sqrt((u / 0.5) ** 2 + (v / 0.35) ** 2 + (z / 0.4) ** 2) / long_mm
    lesion = (radius <= 1).astype(np.float32)
    planes = one.planes(1.0)
    planes = planes[(planes >= 0) & (planes < shape[0])]
    soft, offset = on_grid(SoftPlanes(one, planes, one.sampled(lesion[planes], 0.0)), shape)
    back = np.zeros(shape, np.float32)
    back[tuple(slice(o, o + n) for o, n in zip(offset, soft.shape, strict=True))] = soft
    assert dice(back >= 0.5, lesion >= 0.5) > 0.93


def test_a_network_is_run_on_planes_that_the_ct_has():
    class Window(torch.nn.Module):
        """Gives back what it sees in the lung window."""

        def __init__(self):
            super().__init__()
            self.unused = torch.nn.Parameter(torch.zeros(1))

        def forward(self, planes):
            return planes[:, :, 0] * 20

    hu = np.full((8, 60, 60), -1000, np.int16)
    hu[3:7, 20:40, 22:42] = 400
    found = soft_planes(Window(), frame(key=5, spacing=(2.0, 0.7, 0.7)), hu)
    assert list(found.planes) == [0, 1, 2, 3, 4, 5, 6, 7]
    soft, offset = on_grid(found, hu.shape)
    mask = np.zeros(hu.shape, bool)
    mask[tuple(slice(o, o + n) for o, n in zip(offset, soft.shape, strict=True))] = soft >= 0.5
    assert dice(mask, hu > 0) > 0.95
