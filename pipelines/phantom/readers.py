"""Readers who outline the same lesion, each a little differently."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from pipelines.errors import EmptyMaskError
from pipelines.phantom.nodule import smooth_field

BIAS_SIGMA_MM = 0.3
"""A reader draws all of a lesion's outline too far out or in by about so much."""

WANDER_MM = (0.35, 0.7)
"""Half a pixel to a pixel: by how much a reader's outline wanders (standard deviation)."""

WANDER_LENGTH_MM = 5.0
"""Over this length an outline wanders from one side of the truth to the other."""

_STEP_MM = 0.5
_MARGIN_MM = 5.0


def _distance(
    occupancy: npt.NDArray[np.float32], spacing: tuple[float, ...]
) -> npt.NDArray[np.float32]:
    """Mean over each voxel of the signed distance in mm to where occupancy is one half.

    Positive inside. Measured on a finer grid, on which occupancy is interpolated.
    """
    factors = [max(1, round(s / _STEP_MM)) for s in spacing]
    fine = occupancy
    for axis, f in enumerate(factors):
        n = fine.shape[axis]
        place = np.clip((np.arange(n * f) + 0.5) / f - 0.5, 0, n - 1)
        low = np.minimum(place.astype(int), max(n - 2, 0))
        share = (place - low).astype(np.float32)
        share = share.reshape([-1 if a == axis else 1 for a in range(fine.ndim)])
        high = np.minimum(low + 1, n - 1)
        fine = fine.take(low, axis) * (1 - share) + fine.take(high, axis) * share
    inside = fine >= 0.5
    steps = [s / f for s, f in zip(spacing, factors, strict=True)]
    distance = np.where(
        inside,
        ndimage.distance_transform_edt(inside, sampling=steps) - min(steps) / 2,
        min(steps) / 2 - ndimage.distance_transform_edt(~inside, sampling=steps),
    )
    for axis, f in enumerate(factors):
        shape = (*distance.shape[:axis], -1, f, *distance.shape[axis + 1 :])
        distance = distance.reshape(shape).mean(axis=axis + 1)
    return distance.astype(np.float32)


def simulated_readers(
    occupancy: npt.NDArray[np.float32],
    spacing: tuple[float, ...],
    rng: np.random.Generator,
    count: int = 4,
    *,
    bias_mm: float = BIAS_SIGMA_MM,
    wander_mm: tuple[float, float] = WANDER_MM,
) -> npt.NDArray[np.bool_]:
    """Masks of readers whose outlines wander smoothly about the true one.

    Parameters
    ----------
    occupancy : ndarray of float32, axes (slice, row, column) or (row, column)
        Of each voxel the part that is lesion. The true outline is where it is one half, so that
        spikes thinner than a voxel are what readers miss too.
    spacing : tuple of float
        Voxel size in mm.
    rng : numpy.random.Generator
        Source of the readers' errors.
    count : int
        How many readers.
    bias_mm : float
        Standard deviation, between readers, of how far out one draws everywhere.
    wander_mm : tuple of float
        A reader's outline wanders by a standard deviation drawn between these two.

    Returns
    -------
    ndarray of bool, shape (count, ...)
        Each reader marks at least the voxel that is deepest in the lesion.

    Raises
    ------
    EmptyMaskError
        If no voxel is at least half lesion: readers would not see it.
    """
    there = occupancy >= 0.5
    if not there.any():
        raise EmptyMaskError("found no voxel that is half lesion, expected something to outline")
    (box,) = ndimage.find_objects(there.astype(np.uint8))
    box = tuple(
        slice(max(b.start - int(_MARGIN_MM / s) - 1, 0), b.stop + int(_MARGIN_MM / s) + 1)
        for b, s in zip(box, spacing, strict=True)
    )
    distance = _distance(np.asarray(occupancy[box], np.float32), spacing)
    lengths = tuple(max(WANDER_LENGTH_MM / s, 1.0) for s in spacing)
    masks = np.zeros((count, *occupancy.shape), bool)
    for mask in masks:
        shift = bias_mm * rng.standard_normal() + rng.uniform(*wander_mm) * smooth_field(
            rng, distance.shape, lengths
        )
        drawn = distance + shift > 0
        if not drawn.any():
            drawn.flat[int(distance.argmax())] = True
        mask[box] = drawn
    return masks
