"""Crops of lesions at 0.5 mm: by lot for training, in the middle for validation."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import SimpleITK as sitk

from pipelines.dataset.patches import CONTRACT, LesionPatch
from pipelines.networks.values import windowed

Array = npt.NDArray[np.float32]
_HALF = 128
"""Of 255: soft masks are cut here."""


@dataclass(frozen=True)
class CropDisturbance:
    """How much crops differ from the middle of what the data hold; 0 is not at all.

    Attributes
    ----------
    off_centre : float
        The lesion's centre lies at most so far from the crop's, in parts of the crop's side.
    rotated : float
        Share of crops that are turned by a small angle about an axis drawn by lot.
    degrees : float
        Largest such angle.
    shift_hu, noise_hu : float
        Standard deviation of a shift of all HU; largest standard deviation of noise.
    """

    off_centre: float = 0.25
    rotated: float = 0.5
    degrees: float = 15.0
    shift_hu: float = 15.0
    noise_hu: float = 20.0


@dataclass(frozen=True, eq=False)
class Crop:
    """One training sample, all of shape (side, side, side).

    Attributes
    ----------
    image : ndarray of float32
        By `pipelines.networks.values.windowed` and `pipelines.dataset.patches.CONTRACT`.
    alpha : ndarray of float32
        In [0, 1].
    overlap, union : ndarray of float32
        0 or 1.
    """

    image: Array
    alpha: Array
    overlap: Array
    union: Array


def drawn_crop(
    patch: LesionPatch, side: int, rng: np.random.Generator, how: CropDisturbance
) -> Crop:
    """A crop about a lesion, moved, turned and mirrored by lot.

    What lies beyond a patch repeats its edge; the papers do not say what they do where a nodule's
    slices and 3 more at each end are fewer than 48 mm.

    Parameters
    ----------
    patch : LesionPatch
    side : int
        A positive multiple of 16, in voxels.
    rng : numpy.random.Generator
        The same state gives the same crop.
    how : CropDisturbance

    Raises
    ------
    ValueError
        If the side is no positive multiple of 16.
    """
    if side <= 0 or side % 16:
        raise ValueError(f"found a side of {side} voxels, expected a positive multiple of 16")
    middle = patch.centre + rng.uniform(-how.off_centre, how.off_centre, 3) * side
    axis = rng.standard_normal(3)
    angle = np.deg2rad(rng.uniform(-how.degrees, how.degrees))
    turned = rng.random() < how.rotated
    quarter, flips = int(rng.integers(4)), rng.random(3) < 0.5

    def part(values: npt.NDArray) -> Array:
        found = _turned(values, side, middle, axis, angle) if turned else _cut(values, side, middle)
        found = np.rot90(found, quarter, axes=(1, 2))
        return np.flip(found, tuple(np.flatnonzero(flips)))

    hu = part(patch.hu).astype(np.float32) + how.shift_hu * rng.standard_normal()
    hu = hu + rng.uniform(0, how.noise_hu) * rng.standard_normal(hu.shape, np.float32)
    return _as_crop(hu, part(patch.alpha), part(patch.overlap), part(patch.union))


def middle_crop(patch: LesionPatch, side: int) -> tuple[Crop, tuple[int, int, int]]:
    """The crop with the lesion's centre in its middle, and its first voxel in the patch."""
    found = _as_crop(
        *(
            _cut(values, side, patch.centre)
            for values in (patch.hu, patch.alpha, patch.overlap, patch.union)
        )
    )
    return found, tuple(int(v) for v in _corner(side, patch.centre))


def _as_crop(hu: Array, alpha: Array, overlap: Array, union: Array) -> Crop:
    return Crop(
        windowed(hu, CONTRACT),
        np.ascontiguousarray(alpha, np.float32) / np.float32(255),
        np.ascontiguousarray(overlap >= _HALF, np.float32),
        np.ascontiguousarray(union >= _HALF, np.float32),
    )


def _corner(side: int, middle: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
    return np.rint(middle - (side - 1) / 2).astype(np.int64)


def _cut(values: npt.NDArray, side: int, middle: npt.NDArray[np.float64]) -> npt.NDArray:
    """A cube of voxels as they are, the edge repeated beyond it."""
    at = [
        np.clip(begin + np.arange(side), 0, n - 1)
        for begin, n in zip(_corner(side, middle), values.shape, strict=True)
    ]
    return values[np.ix_(*at)]


def _turned(
    values: npt.NDArray,
    side: int,
    middle: npt.NDArray[np.float64],
    axis: npt.NDArray[np.float64],
    angle: float,
) -> Array:
    """A cube of linearly interpolated values, turned about `axis` through its middle."""
    turn = sitk.VersorRigid3DTransform()
    turn.SetRotation(axis[::-1].tolist(), float(angle))
    turn.SetCenter(middle[::-1].tolist())
    how = sitk.ResampleImageFilter()
    how.SetTransform(turn)
    how.SetInterpolator(sitk.sitkLinear)
    how.SetUseNearestNeighborExtrapolator(True)
    how.SetSize([side] * 3)
    how.SetOutputOrigin((middle - (side - 1) / 2)[::-1].tolist())
    how.SetOutputPixelType(sitk.sitkFloat32)
    return sitk.GetArrayFromImage(how.Execute(sitk.GetImageFromArray(values)))
