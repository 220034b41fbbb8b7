"""What a CT scanner does to a scene: point spread, slice profile and correlated noise."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import ndimage, special

Array = npt.NDArray[np.float32]

PSF_SIGMA_MM = 0.6
"""In the plane: full width at half maximum of 1.4 mm, a soft tissue kernel."""

SLICE_SIGMA = 0.25
"""Across it, in parts of the slice distance, beside the averaging over the slice itself."""

NOISE_SIGMA_MM = 0.5
"""In the plane: what white noise is blurred by."""


def overlap(
    count: int,
    spacing: float,
    offset_mm: float,
    fine_count: int,
    step: float,
    sigma_mm: float = 0.0,
) -> npt.NDArray[np.float64]:
    """What each fine voxel adds to each coarse voxel, along one axis.

    A coarse voxel averages over its extent, after a Gaussian blur; both exactly.

    Parameters
    ----------
    count, spacing : int, float
        Coarse grid: voxel k is centred at ``k * spacing``.
    offset_mm : float
        Centre of the first fine voxel.
    fine_count, step : int, float
        Fine grid.
    sigma_mm : float
        Of the blur in mm; 0 gives the part of the coarse voxel that the fine one fills.

    Returns
    -------
    ndarray of float64, shape (count, fine_count)
    """
    low = ((np.arange(count) - 0.5) * spacing)[:, None]
    fine = (offset_mm + (np.arange(fine_count) - 0.5) * step)[None, :]

    def ramp(t: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """The positive part of t, blurred."""
        if sigma_mm == 0:
            return np.maximum(t, 0)
        u = t / sigma_mm
        return t * special.ndtr(u) + sigma_mm * np.exp(-u * u / 2) / np.sqrt(2 * np.pi)

    high, end = low + spacing, fine + step
    part = (ramp(high - fine) - ramp(low - fine) - ramp(high - end) + ramp(low - end)) / spacing
    # What is left by rounding where nothing overlaps would make empty voxels look touched.
    part[part < 1e-9] = 0
    return part


def occupancy(
    inside: npt.NDArray,
    step: float | tuple[float, float, float],
    first_mm: tuple[float, float, float],
    shape: tuple[int, int, int],
    spacing: tuple[float, float, float],
    sigmas_mm: tuple[float, float, float] = (0.0, 0.0, 0.0),
) -> Array:
    """Part of each voxel of a coarse grid that a shape on a fine grid fills, exactly.

    Parameters
    ----------
    inside : ndarray of bool or of float in [0, 1], axes (slice, row, column)
        The shape on the fine grid; outside of it there is nothing.
    step : float or tuple of float
        Voxel size of the fine grid in mm.
    first_mm : tuple of float
        Centre of the fine grid's first voxel, from the centre of the coarse grid's first voxel.
    shape, spacing : tuple
        The coarse grid.
    sigmas_mm : tuple of float
        Of a blur before averaging: with `blur_mm`, what a scanner shows of the shape.
    """
    result = inside.astype(np.float32)
    steps = step if isinstance(step, tuple) else (step,) * 3
    for axis in range(3):
        weights = overlap(
            shape[axis],
            spacing[axis],
            first_mm[axis],
            inside.shape[axis],
            steps[axis],
            sigmas_mm[axis],
        ).astype(np.float32)
        result = np.moveaxis(np.tensordot(weights, result, axes=(1, axis)), 0, axis)
    return np.clip(result, 0, 1)


def blur_mm(
    spacing: tuple[float, float, float], psf_mm: float = PSF_SIGMA_MM
) -> tuple[float, float, float]:
    """Standard deviations in mm of what a scanner adds to the averaging over voxels."""
    return (SLICE_SIGMA * spacing[0], psf_mm, psf_mm)


def noise(
    shape: tuple[int, int, int],
    spacing: tuple[float, float, float],
    rng: np.random.Generator,
    noise_hu: float = 20.0,
) -> Array:
    """Noise of mean 0, correlated in the plane as far as a reconstruction kernel does."""
    sigmas = (0, NOISE_SIGMA_MM / spacing[1], NOISE_SIGMA_MM / spacing[2])
    field = rng.standard_normal(shape, dtype=np.float32)
    field = ndimage.gaussian_filter(field, sigmas, mode="wrap", truncate=3)
    return field * np.float32(noise_hu / max(float(field[: min(8, len(field))].std()), 1e-6))


def quantised(image: Array) -> npt.NDArray[np.int16]:
    """Whole HU, at least -1024."""
    return np.clip(np.rint(image), -1024, 3071).astype(np.int16)


def scan(
    scene: Array,
    spacing: tuple[float, float, float],
    rng: np.random.Generator,
    noise_hu: float = 20.0,
) -> npt.NDArray[np.int16]:
    """Blur a scene that is given on the scanner's own grid, and add noise.

    Where a shape is known on a finer grid, `occupancy` with `blur_mm` is exact.

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
    sigmas = (0, PSF_SIGMA_MM / spacing[1], PSF_SIGMA_MM / spacing[2])
    image = ndimage.gaussian_filter(scene, sigmas, mode="nearest", truncate=3)
    # A Gaussian this narrow has no weight on the next slice; three taps of its variance have.
    side = SLICE_SIGMA**2 / 2
    image = ndimage.correlate1d(image, [side, 1 - 2 * side, side], axis=0, mode="nearest")
    if noise_hu:
        image += noise(scene.shape, spacing, rng, noise_hu)
    return quantised(image)
