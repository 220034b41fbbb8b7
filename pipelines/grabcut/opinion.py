"""What a voxel's HU and its place in the mark say about it, as log-odds of being lesion.

A voxel at the lesion's edge is a mixture of lesion and lung, so its HU, measured between the local
lung level and the level inside the mark, is close to its occupancy. Where the mark borders on
tissue as dense as itself (chest wall, mediastinum, vessels), HU says nothing, and only the mark's
shape does. Which of the two holds is seen by looking outward from the mark's centre, past the
ellipsoid: is there lung, or more of the same?

The weights are a logistic regression of the 50 % consensus of LIDC readers on the patients of the
tuning half in `benchmarks/lidc.py`, each nodule with the same weight; `benchmarks/fit_opinion.py`
prints them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage

Array = npt.NDArray[np.float32]

_LEAST_CONTRAST = 150.0
"""HU that at least lie between lung and lesion; less is noise."""

_LOOK_OUT, _LOOK_OUT_MM = 0.6, 5.0
"""How far beyond the ellipsoid the surroundings are looked at: part of its radius, at most mm."""

_TYPICAL_RADIUS_MM, _MOST_LOG_SIZE = 5.0, 1.4
"""Lesions are sized against this radius; the weights are not stretched beyond e^1.4 times it."""


@dataclass(frozen=True)
class Levels:
    """HU of the lung around the mark and of the lesion inside it.

    `clear` is False where they were measured less than 150 HU apart, as in a mediastinum; `lung` is
    then 150 HU below the lesion.
    """

    lung: float
    lesion: float
    clear: bool

    def at(self, part: float) -> float:
        """HU at a part of the way from lung to lesion."""
        return self.lung + part * (self.lesion - self.lung)

    @classmethod
    def measure(cls, image: npt.NDArray, radius: Array) -> Levels:
        """Robust levels from a shell around the ellipsoid and from inside it."""
        inside = radius < 0.8
        if not inside.any():
            inside = radius == radius.min()
        lesion = float(np.percentile(image[inside], 60))
        shell = (radius > 1.2) & (radius < 2)
        lung = float(np.percentile(image[shell], 35)) if shell.any() else lesion
        clear = lesion - lung >= _LEAST_CONTRAST
        return cls(lung if clear else lesion - _LEAST_CONTRAST, lesion, clear)


# Terms in the order of `features`. The constant holds 0.4 more than the regression gives: Dice is
# best where lesion is called at odds of 2 to 3 already.
_WEIGHTS = (
    *(-3.45, 6.54, -3.95, -1.29, -0.55, 7.28, -1.41, 2.01),
    *(4.51, -3.34, -6.67),
    *(1.22, -1.80, 0.43),
)


def features(
    image: npt.NDArray,
    spacing: tuple[float, float, float],
    radius: Array,
    centre: npt.NDArray[np.float64],
    size_mm: float,
) -> list[Array]:
    """Terms of the regression: arrays of the image's shape.

    `centre` is the mark's centre in indices of this array, `size_mm` its mean radius. The larger
    the lesion, the more exactly a mark outlines it in proportion: hence the terms with its size.
    """
    levels = Levels.measure(image, radius)
    mix = (image.astype(np.float32) - levels.lung) / (levels.lesion - levels.lung)
    mix = np.clip(mix, -0.3, 1.3)
    smooth = ndimage.gaussian_filter(mix, [0.7 / s for s in spacing], mode="nearest")
    coarse = ndimage.gaussian_filter(mix, [1.5 / s for s in spacing], mode="nearest")
    outward = _outward(coarse, radius, centre, size_mm)
    size = min(float(np.log(size_mm / _TYPICAL_RADIUS_MM)), _MOST_LOG_SIZE)
    q = np.minimum(radius, 2.5)
    return [
        np.ones_like(mix),
        mix,
        mix * mix,
        q,
        q * q,
        smooth,
        smooth * smooth,
        smooth * q,
        outward,
        outward * smooth,
        outward * q,
        np.full_like(mix, size),
        size * q,
        size * smooth,
    ]


def _outward(
    coarse: Array, radius: Array, centre: npt.NDArray[np.float64], size_mm: float
) -> Array:
    """For each voxel the smoothed mix where its ray from the centre leaves the ellipsoid behind."""
    beyond = np.maximum(1 + min(_LOOK_OUT, _LOOK_OUT_MM / size_mm), radius)
    stretch = beyond / np.maximum(radius, 0.3)
    grid = np.ogrid[tuple(slice(0, n) for n in radius.shape)]
    points = np.stack([c + (g - c) * stretch for g, c in zip(grid, centre, strict=True)])
    return ndimage.map_coordinates(coarse, points, order=1, mode="nearest")


def opinion(
    image: npt.NDArray,
    spacing: tuple[float, float, float],
    radius: Array,
    centre: npt.NDArray[np.float64],
    size_mm: float,
) -> Array:
    """Log-odds of each voxel to be lesion.

    Parameters
    ----------
    image : ndarray, axes (slice, row, column)
        HU.
    spacing : tuple of float
        Voxel size in mm.
    radius : ndarray of float32, same shape
        Elliptic radius of each voxel, 1 on the mark's ellipsoid.
    centre : ndarray, shape (3,)
        Centre of the ellipsoid in indices of this array.
    size_mm : float
        Radius of the ball that has the ellipsoid's volume.

    Returns
    -------
    ndarray of float32, same shape
        Positive where lesion is likelier than not.
    """
    terms = features(image, spacing, radius, centre, size_mm)
    total = np.zeros(image.shape, np.float32)
    for weight, term in zip(_WEIGHTS, terms, strict=True):
        total += np.float32(weight) * term
    return total
