"""What a soft mask measures: volumes, diameters, the width of its edge, HU and mass."""

from __future__ import annotations

import highdicom as hd
import numpy as np
import numpy.typing as npt
from scipy import ndimage

from pipelines.errors import UnusableVolumeError
from pipelines.level_surface import band_width_mm, greatest_distance, surface_points
from pipelines.longest_axes import axes_from_mask
from pipelines.measurements import Measurements
from pipelines.recist import RecistAxes
from pipelines.soft_mask import SoftMask

_FINER = 4
"""Fine pixels along each side of a pixel, when diameters are measured."""

_LEAST_HU = -1024.0
"""Padding lies below what any tissue has: such values count as this."""


def measure(soft: SoftMask, ct: hd.Volume | None = None) -> Measurements:
    """Measure a soft mask.

    Parameters
    ----------
    soft : SoftMask
        The lesion.
    ct : highdicom.Volume, optional
        HU on the soft mask's own grid, or the volume that it is a crop of. HU below -1024, which
        only padding has, count as -1024.

    Raises
    ------
    UnusableVolumeError
        If the CT does not hold the soft mask's grid, or is not finite on it.
    """
    if not soft.sums_to_volume:
        return Measurements()
    alpha = soft.alpha.array
    voxel_ml = float(soft.alpha.voxel_volume) / 1000
    volumes = {
        level: float(np.count_nonzero(alpha >= level)) * voxel_ml for level in (0.75, 0.5, 0.25)
    }
    axes, diameter = _diameters(soft.alpha)
    mean_hu, mass_mg = (None, None) if ct is None else _density(soft, _hu_on_grid(soft, ct))
    return Measurements(
        soft_volume_ml=soft.volume_ml,
        core_volume_ml=volumes[0.75],
        volume_ml=volumes[0.5],
        outer_volume_ml=volumes[0.25],
        long_mm=None if axes is None else axes.long_mm,
        short_mm=None if axes is None else axes.short_mm,
        axes=axes,
        diameter_3d_mm=diameter,
        band_width_mm=band_width_mm(alpha, soft.alpha.spacing),
        mean_hu=mean_hu,
        mass_mg=mass_mg,
    )


def _diameters(alpha: hd.Volume) -> tuple[RecistAxes | None, float | None]:
    """Long and short axis in the axial plane, and the greatest distance in space."""
    if not (alpha.array >= 0.5).any():
        return None, None
    across = int(np.argmax(np.abs(alpha.direction[2])))
    axial = alpha.permute_spatial_axes([across, *(axis for axis in range(3) if axis != across)])
    axes = axes_from_mask(*_fine_slice(axial))
    if axes.short_mm > axes.long_mm:
        # A chord is sampled in steps and may come out longer by a part of one.
        middle, half = axes.short_axis.mean(axis=0), np.diff(axes.short_axis, axis=0)[0] / 2
        half = half * (axes.long_mm / axes.short_mm)
        axes = RecistAxes(axes.long_axis, np.stack([middle - half, middle + half]))
    diameter = greatest_distance(surface_points(alpha.array, alpha.spacing))
    # The axes reach to the corners of fine pixels, a little beyond the surface itself.
    return axes, max(diameter or 0.0, axes.long_mm)


def _fine_slice(axial: hd.Volume) -> tuple[npt.NDArray[np.bool_], hd.VolumeGeometry]:
    """The slice where the lesion is largest, alpha interpolated between pixels and cut at 0.5.

    Corners of whole pixels would make every diameter about a pixel too long.
    """
    largest = int((axial.array >= 0.5).sum(axis=(1, 2)).argmax())
    one = axial[largest : largest + 1]
    points = [(np.arange(n * _FINER) + 0.5) / _FINER - 0.5 for n in one.spatial_shape[1:]]
    grid = np.meshgrid(*points, indexing="ij")
    fine = ndimage.map_coordinates(one.array[0], grid, order=1, mode="constant")
    finer = np.diag([1, 1 / _FINER, 1 / _FINER, 1.0])
    finer[1:3, 3] = 0.5 / _FINER - 0.5
    geometry = hd.VolumeGeometry(
        one.affine @ finer, (1, *fine.shape), coordinate_system=one.coordinate_system
    )
    return fine[None] >= 0.5, geometry


def _density(soft: SoftMask, hu: npt.NDArray) -> tuple[float | None, float]:
    """Mean HU and mass in mg, weighted with alpha."""
    alpha = soft.alpha.array.astype(np.float64)
    hu = np.maximum(hu.astype(np.float64), _LEAST_HU)
    total = float(alpha.sum())
    mass = float((alpha * (hu + 1000)).sum()) / 1000 * float(soft.alpha.voxel_volume)
    return (float((alpha * hu).sum()) / total if total > 0 else None), mass


def _hu_on_grid(soft: SoftMask, ct: hd.Volume) -> npt.NDArray:
    """HU of the voxels of a soft mask."""
    shape = soft.alpha.spatial_shape
    if ct.spatial_shape != shape or not np.allclose(ct.affine, soft.alpha.affine, atol=1e-3):
        box = tuple(slice(o, o + n) for o, n in zip(soft.offset, shape, strict=True))
        if any(s.stop > n for s, n in zip(box, ct.spatial_shape, strict=True)):
            raise UnusableVolumeError(
                f"found a CT of shape {ct.spatial_shape}, expected one that holds the soft mask's "
                f"{shape} voxels at {soft.offset}"
            )
        ct = ct[box]
        if not np.allclose(ct.affine, soft.alpha.affine, atol=1e-3):
            raise UnusableVolumeError("found a CT on another grid than the soft mask's")
    if not np.isfinite(ct.array).all():
        raise UnusableVolumeError("found HU that are not finite")
    return ct.array
