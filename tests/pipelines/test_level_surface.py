"""Edges and diameters between voxels, against shapes whose answer is known."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy.spatial.distance import pdist
from scipy.special import erf

from pipelines.level_surface import band_width_mm, greatest_distance, surface_points

SPACING = (1.25, 0.7, 0.7)


def blurred_ball(radius, sigma, spacing=SPACING, centre=(0.1, 0.2, -0.3)):
    """Alpha of a ball whose edge is a Gaussian's integral along the radius."""
    half = [int((radius + 5 * sigma + 2) / s) for s in spacing]
    axes = [np.arange(-h, h + 1) * s - c for h, s, c in zip(half, spacing, centre, strict=True)]
    distance = np.sqrt(sum(x**2 for x in np.meshgrid(*axes, indexing="ij")))
    return 0.5 + 0.5 * erf((radius - distance) / (sigma * np.sqrt(2)))


@pytest.mark.parametrize(("sigma", "error"), [(1.0, 0.08), (1.5, 0.05), (2.5, 0.02)])
def test_the_edge_of_a_blurred_ball(sigma, error):
    # A normal distribution has half of its mass within 0.6745 standard deviations.
    width = band_width_mm(blurred_ball(12.0, sigma), SPACING)
    assert width == pytest.approx(2 * 0.67449 * sigma, rel=error)


def test_a_linear_edge_is_measured_exactly_whatever_its_direction():
    axes = np.meshgrid(*[np.arange(24) * s for s in SPACING], indexing="ij")
    for normal in ((1, 0, 0), (0, 0, 1), (0.6, 0, 0.8), (0.48, 0.6, 0.64)):
        along = sum(n * x for n, x in zip(normal, axes, strict=True))
        alpha = 0.5 + (along - np.median(along)) / 6.0
        assert band_width_mm(alpha, SPACING) == pytest.approx(3.0, rel=1e-5)


def test_a_binary_mask_has_half_a_voxel_and_a_faint_one_none():
    alpha = np.zeros((4, 4, 8))
    alpha[..., 4:] = 1
    assert band_width_mm(alpha, SPACING) == pytest.approx(0.35)
    assert band_width_mm(np.moveaxis(alpha, -1, 0), SPACING) == pytest.approx(1.25 / 2)
    assert band_width_mm(np.full((3, 3, 3), 0.2), SPACING) is None


def test_one_slice_has_an_edge_within_the_slice():
    ramp = np.broadcast_to(np.linspace(0, 1, 11), (1, 6, 11))
    assert band_width_mm(ramp, SPACING) == pytest.approx(0.5 * 7.0)


def test_levels_must_ascend():
    with pytest.raises(ValueError, match="ascending"):
        band_width_mm(np.zeros((2, 2, 2)), SPACING, (0.75, 0.25))


@pytest.mark.parametrize("radius", [3.0, 8.0])
def test_the_diameter_of_a_blurred_ball_is_finer_than_a_voxel(radius):
    points = surface_points(blurred_ball(radius, 0.7), SPACING)
    assert greatest_distance(points) == pytest.approx(2 * radius, abs=0.15)


def test_ten_voxels_in_a_row_measure_ten():
    alpha = np.zeros((3, 3, 12))
    alpha[1, 1, 1:11] = 1
    assert greatest_distance(surface_points(alpha, SPACING)) == pytest.approx(7.0)
    # As does a row that ends where the array ends.
    assert greatest_distance(surface_points(alpha[1:2, 1:2, 1:11], SPACING)) == pytest.approx(7.0)


def test_a_voxel_that_only_just_belongs_has_no_extent():
    alpha = np.zeros((3, 3, 3))
    alpha[1, 1, 1] = 0.5
    assert greatest_distance(surface_points(alpha, SPACING)) == pytest.approx(0.0)


def test_nothing_has_no_surface():
    points = surface_points(np.zeros((3, 3, 3)), SPACING)
    assert points.shape == (0, 3)
    assert greatest_distance(points) == 0


@settings(max_examples=60, deadline=None)
@given(
    hnp.arrays(np.float64, st.tuples(st.integers(2, 40), st.just(3)), elements=st.floats(-50, 50))
)
def test_the_greatest_distance_is_that_of_all_pairs(points):
    assert greatest_distance(points) == pytest.approx(pdist(points).max(), rel=1e-6, abs=1e-5)


def test_many_points_are_compared_in_parts():
    rng = np.random.default_rng(5)
    points = rng.normal(size=(4000, 3))
    points *= 10 / np.linalg.norm(points, axis=1, keepdims=True)
    assert greatest_distance(points) == pytest.approx(pdist(points).max(), rel=1e-9)


@settings(max_examples=25, deadline=None)
@given(
    hnp.arrays(np.float32, (3, 4, 5), elements=st.floats(0, 1, width=32)),
    st.permutations((0, 1, 2)),
    st.integers(0, 2),
)
def test_flips_and_permutations_change_nothing(alpha, order, axis):
    moved = np.flip(alpha.transpose(order), axis)
    spacing = tuple(SPACING[i] for i in order)
    width, other = band_width_mm(alpha, SPACING), band_width_mm(moved, spacing)
    assert (width is None) == (other is None)
    if width is not None:
        # A sample on a level to the last bit may fall on either side.
        assert other == pytest.approx(width, rel=0.02)
    here, there = (
        greatest_distance(surface_points(a, s)) for a, s in ((alpha, SPACING), (moved, spacing))
    )
    assert there == pytest.approx(here, abs=1e-6)
