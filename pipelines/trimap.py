"""From a binary mask to a trimap: an unknown band around its outline, in mm."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from pipelines.errors import EmptyMaskError, TrimapError, UnknownParameterError
from pipelines.soft_mask import BACKGROUND, FOREGROUND, UNKNOWN

_SMALLEST_CORE = 0.7
"""Where the band would swallow the lesion, what is deeper than this part of its depth stays."""


def trimap_from_mask(
    mask: npt.NDArray[np.bool_],
    spacing: tuple[float, ...],
    *,
    inner_mm: float,
    outer_mm: float,
) -> npt.NDArray[np.uint8]:
    """Unknown band from `inner_mm` inside to `outer_mm` outside of a mask's outline.

    Distances are exact and anisotropic, from voxel centre to the nearest centre on the other side,
    less half of the smallest voxel side. The voxels next to the outline in the plane are therefore
    unknown for every band that is not zero; thick slices are unknown only where the band reaches
    their centre.

    Parameters
    ----------
    mask : ndarray of bool
        The lesion; some voxels inside and some outside.
    spacing : tuple of float
        Voxel size in mm, one for each axis.
    inner_mm, outer_mm : float
        Width of the band in mm, not negative.

    Returns
    -------
    ndarray of uint8, same shape
        0 background, 1 unknown, 2 foreground. There is always some foreground: where the band would
        take the whole lesion, its deepest voxels stay.

    Raises
    ------
    EmptyMaskError
        If no voxel is set.
    TrimapError
        If every voxel is set, or `spacing` does not fit the mask.
    UnknownParameterError
        If a width is negative or not finite.
    """
    mask = np.asarray(mask, dtype=bool)
    if len(spacing) != mask.ndim:
        raise TrimapError(f"found {len(spacing)} spacings for a mask of {mask.ndim} axes")
    for name, width in (("inner_mm", inner_mm), ("outer_mm", outer_mm)):
        if not (np.isfinite(width) and width >= 0):
            raise UnknownParameterError(f"{name}: found {width}, expected a length in mm")
    if not mask.any():
        raise EmptyMaskError("found an empty mask, expected a lesion to make a trimap of")
    if mask.all():
        raise TrimapError("the lesion fills the whole crop, expected some background around it")
    half = min(spacing) / 2
    depth = ndimage.distance_transform_edt(mask, sampling=spacing) - half
    distance = ndimage.distance_transform_edt(~mask, sampling=spacing) - half
    trimap = np.full(mask.shape, UNKNOWN, np.uint8)
    deep = mask & (depth > inner_mm)
    if not deep.any():
        deep = mask & (depth >= _SMALLEST_CORE * depth.max())
    trimap[deep] = FOREGROUND
    trimap[~mask & (distance > outer_mm)] = BACKGROUND
    return trimap
