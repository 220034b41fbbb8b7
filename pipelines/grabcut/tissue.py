"""Whether the tissue at a place is like the mark's own or like its neighbours', for large marks.

A mass on a diaphragm differs from the liver by a few tens of HU: less than the noise of a voxel,
but plain in the mean of a cubic centimetre. A large mark holds many such means. Those inside of it,
close to its slice, tell what the mass is made of, with all of its unevenness; those beyond its
ellipsoid tell what lies there, on each side by itself, since above, below and beside a mass are
different organs. The log of the two densities' ratio is evidence beside the opinion, which knows of
dense and airy alone. It says nothing where the neighbour is like the mass, and nothing of a tissue
that neither shows, such as a necrosis away from the marked slice.

Only what lies deep inside dense tissue is averaged: at the edge of lung every tissue passes through
the HU of every other.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from pipelines.grabcut.ellipsoid import RecistEllipsoid
from pipelines.grabcut.smooth import smooth

Array = npt.NDArray[np.float32]

_FROM_MM = (30.0, 40.0)
"""Long axes of marks between which this evidence sets in; smaller ones hold too few means."""

_DENSE_HU, _NOISE_MM = (-60.0, 160.0), 1.5
"""Soft tissue, without fat and bone, after smoothing by so much."""

_CLIPPED_HU = (-150.0, 250.0)

_DEEP_MM = 3.0
"""Voxels closer than this to other than dense tissue are not averaged."""

_MEAN_SIZE = 0.1
"""Standard deviation of the averaging in parts of the mark's mean radius."""

_LEAST_WEIGHT = 0.02
"""Part of an average's weight that has to lie on deep voxels."""

_LOW_HU, _BIN_HU, _BINS = -40.0, 6.0, 30
_CORE_BLUR_HU, _OTHER_BLUR_HU = 8.0, 4.0
"""Blur of the densities. A mass drifts from slice to slice, so its own is blurred more."""

_CORE_DEPTH, _CORE_RADIUS = 0.15, 0.85
"""The core: within this part of the half axis of the marked slice, and this radius in it."""

_BEYOND = 1.15
"""Elliptic radius from which on tissue is taken for a neighbour's."""

_LEAST_VOXELS = 50
_FLOOR = 0.02
"""Part of each density that is spread evenly, for tissue that was not seen."""

_LEAST, _MOST = -8.0, 2.0
"""Bounds of the evidence. Likeness to the core says little: a muscle may be as alike."""


def tissue_share(ellipsoid: RecistEllipsoid) -> float:
    """How much this evidence counts, by the mark's long axis: 0 up to 30 mm, 1 from 40 mm on."""
    low, high = _FROM_MM
    return float(np.clip((ellipsoid.long_mm - low) / (high - low), 0, 1))


def tissue_log_odds(
    image: Array,
    spacing: tuple[float, float, float],
    ellipsoid: RecistEllipsoid,
    offset: tuple[float, float, float],
    radius: Array,
) -> Array | None:
    """Log of how much likelier a voxel's surroundings are in the mark than beyond it.

    Parameters
    ----------
    image : ndarray of float32, axes (slice, row, column)
        HU.
    spacing : tuple of float
        Voxel size in mm.
    ellipsoid : RecistEllipsoid
        The mark's shape.
    offset : tuple of float
        Index of the image's first voxel in the volume of the ellipsoid.
    radius : ndarray of float32, same shape
        Elliptic radius of each voxel.

    Returns
    -------
    ndarray of float32, same shape, or None
        From -8 to 2; 0 where a voxel is not soft tissue. None where the mark or its surroundings
        hold too little soft tissue to say.
    """
    means, deep, known = _means(image, spacing, _MEAN_SIZE * ellipsoid.size_mm)
    places = _places(image.shape, spacing, ellipsoid, offset)
    core = deep & (np.abs(places[2]) <= max(_CORE_DEPTH, _half_slice(spacing, ellipsoid)))
    core &= places[0] ** 2 + places[1] ** 2 < _CORE_RADIUS**2
    beyond = deep & (radius > _BEYOND)
    if min(np.count_nonzero(core), np.count_nonzero(beyond)) < _LEAST_VOXELS:
        return None
    numbers = np.clip((means - np.float32(_LOW_HU)) / np.float32(_BIN_HU), 0, _BINS - 1)
    numbers = numbers.astype(np.int32)
    own = _density(np.bincount(numbers[core], minlength=_BINS), _CORE_BLUR_HU)
    other = _beside(numbers, beyond, known, places, radius)
    result = np.zeros(image.shape, np.float32)
    result[known] = np.clip(np.log(own[numbers[known]] / other), _LEAST, _MOST)
    return result


def _means(
    image: Array, spacing: tuple[float, float, float], sigma_mm: float
) -> tuple[Array, npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
    """Means over deep voxels alone; which those are; and where a mean says something."""
    calm = smooth(np.clip(image, *map(np.float32, _CLIPPED_HU)), spacing, _NOISE_MM)
    dense = (calm > _DENSE_HU[0]) & (calm < _DENSE_HU[1])
    deep = ndimage.distance_transform_edt(dense, sampling=spacing) > _DEEP_MM
    weight = smooth(deep.astype(np.float32), spacing, sigma_mm)
    hu = np.where(deep, np.clip(image, *map(np.float32, _CLIPPED_HU)), np.float32(0))
    known = dense & (weight > _LEAST_WEIGHT)
    means = smooth(hu, spacing, sigma_mm) / np.maximum(weight, np.float32(_LEAST_WEIGHT))
    return means, deep & known, known


def _places(
    shape: tuple[int, int, int],
    spacing: tuple[float, float, float],
    ellipsoid: RecistEllipsoid,
    offset: tuple[float, float, float],
) -> list[Array]:
    """Coordinates of each voxel along the ellipsoid's axes, in half axes of that side."""
    origin = ellipsoid.centre - np.asarray(offset) * spacing
    steps = [
        (np.arange(n) * s - o).astype(np.float32)
        for n, s, o in zip(shape, spacing, origin, strict=True)
    ]
    z, y, x = np.meshgrid(*steps, indexing="ij", sparse=True)
    places = []
    for axis in range(3):
        d = ellipsoid.directions[axis].astype(np.float32)
        mm = z * d[0] + y * d[1] + x * d[2]
        half = np.where(mm > 0, ellipsoid.positive[axis], ellipsoid.negative[axis])
        places.append(mm / half.astype(np.float32))
    return places


def _half_slice(spacing: tuple[float, float, float], ellipsoid: RecistEllipsoid) -> float:
    """Somewhat more than half of a slice, in half axes across the slices."""
    return float(0.6 * np.abs(ellipsoid.directions[2]) @ spacing / ellipsoid.positive[2])


def _density(counts: npt.NDArray, blur_hu: float) -> npt.NDArray[np.float64]:
    """Part of a tissue in each bin, along the last axis; counts of any scale."""
    smoothed = ndimage.gaussian_filter1d(counts.astype(float), blur_hu / _BIN_HU, mode="nearest")
    total = smoothed.sum(axis=-1, keepdims=True)
    return (1 - _FLOOR) * smoothed / np.maximum(total, 1e-9) + _FLOOR / _BINS


def _beside(
    numbers: npt.NDArray[np.int32],
    beyond: npt.NDArray[np.bool_],
    known: npt.NDArray[np.bool_],
    places: list[Array],
    radius: Array,
) -> npt.NDArray[np.float64]:
    """Density of each known voxel's bin in the tissue beyond the mark on the voxel's side.

    There are six sides, two along each of the mark's axes. A voxel belongs to them by the squares
    of its direction's cosines, which add up to one.
    """
    total, count = np.zeros(np.count_nonzero(known)), np.zeros(np.count_nonzero(known))
    inside, outside = numbers[known], numbers[beyond]
    safe = np.maximum(radius, np.float32(1e-3))
    for place in places:
        share = (place / safe) ** 2
        for side in (place > 0, place <= 0):
            weights = np.where(side, share, np.float32(0))
            there = np.bincount(outside, weights[beyond], _BINS)
            density = _density(there, _OTHER_BLUR_HU)
            here = weights[known] * there.sum()
            total += here * density[inside]
            count += here
    spread = _density(np.bincount(outside, minlength=_BINS), _OTHER_BLUR_HU)[inside]
    return (total + spread) / (count + 1)
