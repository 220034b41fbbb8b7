"""What a CT scanner does to a scene: point spread, slice profile and correlated noise."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import ndimage

Array = npt.NDArray[np.float32]

PSF_SIGMA_MM = 0.6
"""In the plane: full width at half maximum of 1.4 mm, a soft tissue kernel."""

SLICE_SIGMA = 0.25
"""Across it, in parts of the slice distance, beside the averaging over the slice itself."""


def overlap(
    count: int, spacing: float, offset_mm: float, fine_count: int, step: float
) -> npt.NDArray[np.float64]:
    """Part of each coarse voxel that each fine voxel fills, along one axis.

    Parameters
    ----------
    count, spacing : int, float
        Coarse grid: voxel k is centred at ``k * spacing``.
    offset_mm : float
        Centre of the first fine voxel.
    fine_count, step : int, float
        Fine grid.

    Returns
    -------
    ndarray of float64, shape (count, fine_count)
    """
    low = (np.arange(count) - 0.5) * spacing
    fine = offset_mm + (np.arange(fine_count) - 0.5) * step
    start = np.maximum(low[:, None], fine[None, :])
    stop = np.minimum(low[:, None] + spacing, fine[None, :] + step)
    return np.maximum(stop - start, 0) / spacing


def occupancy(
    inside: npt.NDArray[np.bool_],
    step: float,
    first_mm: tuple[float, float, float],
    shape: tuple[int, int, int],
    spacing: tuple[float, float, float],
) -> Array:
    """Part of each voxel of a coarse grid that a shape on a fine grid fills, exactly.

    `first_mm` is the centre of the fine grid's first voxel, measured from the centre of the coarse
    grid's first voxel.
    """
    result = inside.astype(np.float32)
    for axis in range(3):
        weights = overlap(
            shape[axis], spacing[axis], first_mm[axis], inside.shape[axis], step
        ).astype(np.float32)
        result = np.moveaxis(np.tensordot(weights, result, axes=(1, axis)), 0, axis)
    return np.clip(result, 0, 1)


def scan(
    scene: Array,
    spacing: tuple[float, float, float],
    rng: np.random.Generator,
    noise_hu: float = 20.0,
) -> npt.NDArray[np.int16]:
    """Blur a scene and add noise that is correlated in the plane.

    Parameters
    ----------
    scene : ndarray of float32, axes (slice, row, column)
        True HU, averaged over voxels.
    spacing : tuple of float
        Voxel size in mm.
    rng : numpy.random.Generator
        Source of the noise.
    noise_hu : float
        Standard deviation of the noise.

    Returns
    -------
    ndarray of int16
        HU, at least -1024.
    """
    sigmas = (SLICE_SIGMA, PSF_SIGMA_MM / spacing[1], PSF_SIGMA_MM / spacing[2])
    image = ndimage.gaussian_filter(scene, sigmas, mode="nearest", truncate=3)
    if noise_hu:
        noise = rng.standard_normal(scene.shape, dtype=np.float32)
        noise = ndimage.gaussian_filter(noise, (0, 0.7, 0.7), mode="wrap", truncate=3)
        image += noise * np.float32(noise_hu / float(noise[: min(8, len(noise))].std()))
    return np.clip(np.rint(image), -1024, 3071).astype(np.int16)
