"""What a soft mask measures: volumes and diameters."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pipelines.longest_axes import axes_from_mask
from pipelines.soft_mask import SoftMask


@dataclass(frozen=True)
class Measurements:
    """Sizes of one lesion.

    Attributes
    ----------
    soft_volume_ml : float
        Sum of alpha times the volume of a voxel.
    core_volume_ml, outer_volume_ml : float
        Volume of the voxels with alpha of at least 0.75 and at least 0.25: an interval around the
        volume at 0.5.
    volume_ml : float
        Volume of the voxels with alpha of at least 0.5.
    long_mm, short_mm : float or None
        RECIST diameters at 0.5 on the slice where that is largest; None where no voxel gets there.
    """

    soft_volume_ml: float
    core_volume_ml: float
    volume_ml: float
    outer_volume_ml: float
    long_mm: float | None
    short_mm: float | None


def measure(soft: SoftMask) -> Measurements:
    """Measure a soft mask."""
    alpha = soft.alpha.array
    voxel_ml = float(soft.alpha.voxel_volume) / 1000
    volumes = {
        level: float(np.count_nonzero(alpha >= level)) * voxel_ml for level in (0.75, 0.5, 0.25)
    }
    lesion = alpha >= 0.5
    axes = axes_from_mask(lesion, soft.alpha) if lesion.any() else None
    return Measurements(
        soft_volume_ml=soft.volume_ml,
        core_volume_ml=volumes[0.75],
        volume_ml=volumes[0.5],
        outer_volume_ml=volumes[0.25],
        long_mm=axes.long_mm if axes else None,
        short_mm=axes.short_mm if axes else None,
    )
