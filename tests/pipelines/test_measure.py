"""Measurements of a soft mask with a known soft edge."""

import dataclasses

import highdicom as hd
import numpy as np
import pytest

from pipelines.errors import UnusableVolumeError
from pipelines.measure import measure
from pipelines.measurements import Measurements
from pipelines.soft_mask import SoftMask

AFFINE = np.array([[0, 0, 0.5, 0], [0, 0.5, 0, 0], [2.0, 0, 0, 0], [0, 0, 0, 1]])


def soft(alpha, affine=AFFINE, **about):
    volume = hd.Volume(alpha.astype(np.float32), affine, coordinate_system="PATIENT")
    trimap = volume.with_array(np.ones(alpha.shape, np.uint8))
    return SoftMask(volume, trimap, "closed-form", **about)


def box():
    alpha = np.zeros((3, 20, 40))
    alpha[1, 5:15, 10:30] = 1
    alpha[1, 5:15, 30:32] = 0.4
    return alpha


def test_volumes_and_diameters():
    result = measure(soft(box()))
    voxel_ml = 0.5 * 0.5 * 2 / 1000
    assert result.soft_volume_ml == pytest.approx((200 + 8) * voxel_ml)
    assert result.volume_ml == pytest.approx(200 * voxel_ml)
    assert result.core_volume_ml == pytest.approx(200 * voxel_ml)
    assert result.outer_volume_ml == pytest.approx(220 * voxel_ml)
    assert result.long_mm == pytest.approx(np.hypot(5, 10), abs=0.2)
    # Where alpha falls to 0.4, the surface at 0.5 lies 5/6 of a voxel beyond the last centre.
    long = 9.5 + 0.25 + 0.5 * 5 / 6
    assert result.diameter_3d_mm == pytest.approx(np.hypot(long, 4.5), abs=0.3)
    assert 0.25 <= result.band_width_mm <= 1.0
    assert result.mean_hu is None
    assert result.mass_mg is None


def test_the_ends_of_the_axes_are_those_of_the_region_in_space():
    moved = AFFINE.copy()
    moved[:3, 3] = (-100, 50, 30)
    result = measure(soft(box(), moved))
    assert result.axes.long_mm == result.long_mm
    assert result.axes.short_mm == result.short_mm
    ends = result.axes.long_axis
    # On slice 1 of the stack, from one corner of the 10 x 20 pixels to the opposite one.
    np.testing.assert_allclose(ends[:, 2], 32)
    low, high = ends[:, :2].min(axis=0), ends[:, :2].max(axis=0)
    np.testing.assert_allclose(low, (-100 + 9.5 * 0.5, 50 + 4.5 * 0.5), atol=0.15)
    np.testing.assert_allclose(high, (-100 + 29.5 * 0.5, 50 + 14.5 * 0.5), atol=0.35)


def test_a_faint_mask_has_no_diameter():
    result = measure(soft(np.full((2, 4, 4), 0.2)))
    assert result.long_mm is None
    assert result.axes is None
    assert result.diameter_3d_mm is None
    assert result.band_width_mm is None
    assert result.volume_ml == 0
    assert result.soft_volume_ml > 0


def test_an_empty_mask_has_no_mean():
    empty = soft(np.zeros((2, 4, 4)))
    result = measure(empty, empty.alpha.with_array(np.zeros((2, 4, 4), np.int16)))
    assert result.mean_hu is None
    assert result.mass_mg == 0


def test_hu_and_mass_are_weighted_with_alpha():
    mask = soft(box())
    hu = np.full(mask.alpha.shape, -3024, np.int16)
    hu[1, 5:15, 10:30], hu[1, 5:15, 30:32] = 50, -600
    result = measure(mask, mask.alpha.with_array(hu))
    assert result.mean_hu == pytest.approx((200 * 50 + 8 * -600) / 208)
    assert result.mass_mg == pytest.approx(0.5 * (200 * 1.05 + 8 * 0.4))


def test_padding_counts_as_the_least_hu():
    mask = soft(np.ones((1, 2, 2)))
    result = measure(mask, mask.alpha.with_array(np.full((1, 2, 2), -3024, np.int16)))
    assert result.mean_hu == -1024


def test_the_volume_that_the_mask_is_a_crop_of_serves_as_well():
    rng = np.random.default_rng(6)
    whole = hd.Volume(
        rng.integers(-900, 100, (8, 30, 50)).astype(np.int16), AFFINE, coordinate_system="PATIENT"
    )
    crop = whole[3:6, 4:24, 5:45]
    mask = soft(box(), crop.affine, offset=(3, 4, 5))
    assert measure(mask, whole) == measure(mask, crop)
    with pytest.raises(UnusableVolumeError, match="holds"):
        measure(mask, whole[:5])
    with pytest.raises(UnusableVolumeError, match="grid"):
        measure(mask, whole[1:])
    with pytest.raises(UnusableVolumeError, match="finite"):
        measure(mask, crop.with_array(np.full(crop.shape, np.nan)))


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 0, 1), (1, 2, 0), (1, 0, 2)])
def test_the_axes_are_axial_whichever_way_the_slices_run(order):
    rng = np.random.default_rng(7)
    alpha = np.zeros((6, 20, 40))
    alpha[1:5, 5:15, 10:30] = rng.uniform(0.5, 1, (4, 10, 20))
    axial = soft(alpha)
    moved = axial.alpha.permute_spatial_axes(order)
    trimap = axial.trimap.permute_spatial_axes(order)
    here, there = measure(axial), measure(SoftMask(moved, trimap, "closed-form"))
    assert here.long_mm == pytest.approx(np.hypot(5, 10), abs=0.2)
    assert here.axes.long_mm == pytest.approx(there.axes.long_mm, rel=1e-5)
    for field in dataclasses.fields(Measurements):
        if not field.compare:
            continue
        one, other = getattr(here, field.name), getattr(there, field.name)
        assert one is other is None or one == pytest.approx(other, rel=1e-5), field.name


def test_a_density_weighted_mask_has_no_sizes():
    mask = soft(box(), quantity="density-weighted")
    assert mask.volume_ml is None
    assert measure(mask, mask.alpha) == Measurements()


def test_diameters_keep_their_order_and_size():
    z, y, x = np.mgrid[:16, :30, :30]
    distance = np.sqrt(((z - 8) * 1.0) ** 2 + ((y - 15) * 0.7) ** 2 + ((x - 15) * 0.7) ** 2)
    alpha = np.clip((5 - distance) / 0.8 + 0.5, 0, 1).astype(np.float32)
    affine = np.array([[0, 0, 0.7, 0], [0, 0.7, 0, 0], [1.0, 0, 0, 0], [0, 0, 0, 1]])
    volume = hd.Volume(alpha, affine, coordinate_system="PATIENT")
    found = measure(SoftMask(volume, volume.with_array((alpha * 2).astype(np.uint8)), "occupancy"))
    assert abs(found.long_mm - 10) < 0.4
    assert found.axes.short_mm == found.short_mm
    assert found.short_mm <= found.long_mm <= found.diameter_3d_mm < 10.4
