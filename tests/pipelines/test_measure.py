"""Measurements of a soft mask with a known soft edge."""

import highdicom as hd
import numpy as np
import pytest

from pipelines.measure import measure
from pipelines.soft_mask import SoftMask


def soft(alpha):
    affine = np.array([[0, 0, 0.5, 0], [0, 0.5, 0, 0], [2.0, 0, 0, 0], [0, 0, 0, 1]])
    volume = hd.Volume(alpha.astype(np.float32), affine, coordinate_system="PATIENT")
    return SoftMask(volume, volume.with_array(np.ones(alpha.shape, np.uint8)), "closed-form")


def test_volumes_and_diameters():
    alpha = np.zeros((3, 20, 40))
    alpha[1, 5:15, 10:30] = 1
    alpha[1, 5:15, 30:32] = 0.4
    result = measure(soft(alpha))
    voxel_ml = 0.5 * 0.5 * 2 / 1000
    assert result.soft_volume_ml == pytest.approx((200 + 8) * voxel_ml)
    assert result.volume_ml == pytest.approx(200 * voxel_ml)
    assert result.core_volume_ml == pytest.approx(200 * voxel_ml)
    assert result.outer_volume_ml == pytest.approx(220 * voxel_ml)
    assert result.long_mm == pytest.approx(np.hypot(5, 10), abs=0.01)


def test_a_faint_mask_has_no_diameter():
    result = measure(soft(np.full((2, 4, 4), 0.3)))
    assert result.long_mm is None
    assert result.volume_ml == 0
    assert result.outer_volume_ml > 0
