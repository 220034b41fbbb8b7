"""Axes of a mask: extents to voxel corners, longest first, perpendicular, in LPS."""

import highdicom as hd
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.errors import EmptyMaskError
from pipelines.longest_axes import axes_from_mask, longest_axes


def ellipse(a, b, angle, spacing=(0.5, 0.5), half=40):
    y, x = np.mgrid[-half : half + 1, -half : half + 1] * np.reshape(spacing, (2, 1, 1))
    u = x * np.cos(angle) + y * np.sin(angle)
    v = -x * np.sin(angle) + y * np.cos(angle)
    return (u / a) ** 2 + (v / b) ** 2 <= 1


def lengths(mask, spacing):
    return [
        float(np.linalg.norm((axis[1] - axis[0]) * spacing)) for axis in longest_axes(mask, spacing)
    ]


def test_ten_pixels_measure_ten_pixels():
    mask = np.zeros((5, 20), bool)
    mask[2, 3:13] = True
    long, short = lengths(mask, (0.1, 0.7))
    assert long == pytest.approx(7.0, rel=0.001)
    assert short == pytest.approx(0.1, abs=0.03)


def test_single_pixel_has_its_diagonal():
    mask = np.zeros((3, 3), bool)
    mask[1, 1] = True
    assert lengths(mask, (1, 1))[0] == pytest.approx(np.sqrt(2))


@settings(max_examples=25, deadline=None)
@given(a=st.floats(6, 18), ratio=st.floats(0.4, 0.9), angle=st.floats(0, 3.1))
def test_ellipses_give_their_diameters(a, ratio, angle):
    mask = ellipse(a, a * ratio, angle)
    axes = longest_axes(mask, (0.5, 0.5))
    long, short = (axis[1] - axis[0] for axis in axes)
    assert np.linalg.norm(long) * 0.5 == pytest.approx(2 * a, abs=1.0)
    assert np.linalg.norm(short) * 0.5 == pytest.approx(2 * a * ratio, abs=1.0)
    assert abs(long @ short) < 1e-6 * np.linalg.norm(long) * np.linalg.norm(short)


def test_short_axis_stays_inside_a_bent_lesion():
    mask = np.zeros((30, 60), bool)
    mask[5:10, 5:55] = True
    mask[5:25, 5:10] = True
    _, short = longest_axes(mask, (1, 1))
    points = np.rint(np.linspace(short[0] * 0.999 + short[1] * 0.001, short[1], 50)).astype(int)
    assert mask[tuple(points[2:-2].T)].mean() > 0.9


def test_axes_lie_on_the_largest_slice_of_an_oblique_grid():
    mask = np.zeros((4, 81, 81), bool)
    mask[1], mask[2] = ellipse(8, 5, 0.3), ellipse(15, 9, 0.3)
    angle = 0.4
    turn = np.array(
        [[1, 0, 0], [0, np.cos(angle), -np.sin(angle)], [0, np.sin(angle), np.cos(angle)]]
    )
    affine = np.eye(4)
    affine[:3, :3] = turn @ np.array([[0, 0, 0.5], [0, 0.5, 0], [-2.0, 0, 0]])
    affine[:3, 3] = (10, -20, 300)
    grid = hd.Volume(mask.astype(np.uint8), affine, coordinate_system="PATIENT")
    axes = axes_from_mask(mask, grid)
    index = grid.map_reference_to_indices(np.concatenate([axes.long_axis, axes.short_axis]))
    assert np.allclose(index[:, 0], 2)
    assert axes.long_mm == pytest.approx(30, abs=1)
    assert axes.short_mm == pytest.approx(18, abs=1)


def test_an_empty_mask_and_a_wrong_shape_are_refused():
    grid = hd.Volume(np.zeros((2, 3, 4), np.uint8), np.eye(4), coordinate_system="PATIENT")
    with pytest.raises(EmptyMaskError):
        axes_from_mask(np.zeros((2, 3, 4), bool), grid)
    with pytest.raises(ValueError, match="shape"):
        axes_from_mask(np.zeros((2, 3, 3), bool), grid)
