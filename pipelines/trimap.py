"""Trimaps: from one mask, or from several readers' masks. Bands in mm, distances exact.

The three strategies of You et al., 3D soft masks of lung nodules, section III-A: erosion and
dilation of one mask; intersection and complement of the union of several readers' masks; a mask
that GrabCut makes from a RECIST mark (`pipelines.lesion`), then as the first.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from pipelines.distance import distance_within
from pipelines.errors import EmptyMaskError, TrimapError, UnknownParameterError
from pipelines.soft_mask import FOREGROUND, UNKNOWN

_SMALLEST_CORE = 0.7
"""Where the band would swallow the lesion, what is deeper than this part of its depth stays."""

_SHAPE_REACH_MM = 4.0
"""Farther from its outline than this, a mask is one reader's certainty."""


def trimap_from_mask(
    mask: npt.NDArray[np.bool_],
    spacing: tuple[float, ...],
    *,
    inner_mm: float,
    outer_mm: float,
) -> npt.NDArray[np.uint8]:
    """Unknown band from `inner_mm` inside to `outer_mm` outside of a mask's outline.

    Distances are exact and anisotropic, from voxel centre to the nearest centre on the other side,
    less half of the smallest voxel side. Voxels next to the outline along any axis are unknown for
    every width that is not zero, thick as they may be: the lesion ends somewhere within them.

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
        take the whole lesion, its deepest voxels stay; `mask_has_core` says so.

    Raises
    ------
    EmptyMaskError
        If no voxel is set.
    TrimapError
        If every voxel is set, or `spacing` does not fit the mask.
    UnknownParameterError
        If a width is negative or not finite.
    """
    mask = as_masks(mask)
    _check(mask, spacing, inner_mm=inner_mm, outer_mm=outer_mm)
    half = min(spacing) / 2
    trimap = np.zeros(mask.shape, np.uint8)
    # Nothing farther than the band's width from the mask is looked at.
    box = _around(mask, spacing, outer_mm + half)
    inside = mask[box]
    near = distance_within(inside, spacing, outer_mm + half) <= outer_mm + half
    depth, edge, deep = _within_one(inside, spacing, inner_mm)
    near = near | edge if outer_mm > 0 else near
    if not deep.any():
        deep = inside & (depth >= _SMALLEST_CORE * depth[inside].max())
    trimap[box][near] = UNKNOWN
    trimap[box][deep] = FOREGROUND
    return trimap


def trimap_from_masks(
    masks: npt.NDArray[np.bool_],
    spacing: tuple[float, ...],
    *,
    margin_mm: float = 1.0,
) -> npt.NDArray[np.uint8]:
    """Foreground where all readers agree, background where none marked, the rest unknown.

    The unknown part is dilated by `margin_mm`, since what readers agree on may be wrong by so much.
    Two voxels that touch, one marked by all and one by none, are in doubt too: a thick slice that
    every reader calls the last one holds the lesion's end somewhere within it.

    Parameters
    ----------
    masks : ndarray of bool, shape (readers, ...)
        One mask a reader; readers who marked nothing do not vote.
    spacing : tuple of float
        Voxel size in mm, one for each axis of the image.
    margin_mm : float
        Not negative.

    Returns
    -------
    ndarray of uint8, shape of the image
        0 background, 1 unknown, 2 foreground. There is always some foreground: where readers share
        no voxel, or the margin takes all that they share, the deepest of what most of them marked;
        `masks_have_core` says so.

    Raises
    ------
    EmptyMaskError
        If no reader marked a voxel.
    TrimapError
        If there is no axis of readers, the readers' union is everything, or `spacing` does not fit.
    UnknownParameterError
        If the margin is negative or not finite.
    """
    masks = _readers(masks)
    union = masks.any(axis=0)
    _check(union, spacing, margin_mm=margin_mm)
    trimap = np.zeros(union.shape, np.uint8)
    box = _around(union, spacing, margin_mm)
    votes = masks[(slice(None), *box)].sum(axis=0)
    agreed = votes == votes.max()
    unknown = _in_doubt(agreed, votes > 0, spacing, margin_mm)
    deep = agreed & ~unknown
    if not deep.any():
        depth = np.minimum(distance_within(~agreed, spacing, 2 * margin_mm + max(spacing)), 1e6)
        deep = agreed & (depth >= _SMALLEST_CORE * depth[agreed].max())
    part = trimap[box]
    part[agreed] = FOREGROUND
    part[unknown] = UNKNOWN
    part[deep] = FOREGROUND
    return trimap


def mask_has_core(
    mask: npt.NDArray[np.bool_], spacing: tuple[float, ...], *, inner_mm: float
) -> bool:
    """Whether the foreground of `trimap_from_mask` lies deeper than its band.

    If not, all of that foreground is a guess: the deepest voxels of a lesion too thin for the band.
    Parameters and errors are those of `trimap_from_mask`.
    """
    mask = as_masks(mask)
    _check(mask, spacing, inner_mm=inner_mm)
    inside = mask[_around(mask, spacing, 0)]
    return bool(_within_one(inside, spacing, inner_mm)[2].any())


def masks_have_core(
    masks: npt.NDArray[np.bool_], spacing: tuple[float, ...], *, margin_mm: float = 1.0
) -> bool:
    """Whether the foreground of `trimap_from_masks` is what all readers share, beyond the margin.

    If not, all of that foreground is a guess: the deepest of what most readers marked. Parameters
    and errors are those of `trimap_from_masks`.
    """
    masks = _readers(masks)
    union = masks.any(axis=0)
    _check(union, spacing, margin_mm=margin_mm)
    votes = masks[(slice(None), *_around(union, spacing, 0))].sum(axis=0)
    agreed = votes == len(masks)
    return bool((agreed & ~_in_doubt(agreed, votes > 0, spacing, margin_mm)).any())


def shape_from_masks(
    masks: npt.NDArray[np.bool_], spacing: tuple[float, ...]
) -> npt.NDArray[np.float32]:
    """Alpha as the readers' mean outline alone suggests it.

    Signed distances to the outlines are averaged, not masks: the mean of masks is soft because
    readers differ, but the lesion's outline is as sharp as a voxel is small.

    Parameters
    ----------
    masks : ndarray of bool, shape (readers, ...)
        One mask a reader, or one mask in an axis of one.
    spacing : tuple of float
        Voxel size in mm.

    Returns
    -------
    ndarray of float32, shape of the image
        In [0, 1]; the prior of `pipelines.matting.occupancy`.

    Raises
    ------
    EmptyMaskError
        If no reader marked a voxel.
    TrimapError
        If there is no axis of readers, or `spacing` does not fit.
    """
    masks = _readers(masks)
    union = masks.any(axis=0)
    _check_spacing(union, spacing)
    shape = np.zeros(union.shape, np.float32)
    box = _around(union, spacing, _SHAPE_REACH_MM)
    total = np.zeros(shape[box].shape, np.float32)
    for mask in masks[(slice(None), *box)]:
        total += np.minimum(distance_within(~mask, spacing, _SHAPE_REACH_MM), _SHAPE_REACH_MM)
        total -= np.minimum(distance_within(mask, spacing, _SHAPE_REACH_MM), _SHAPE_REACH_MM)
    shape[box] = np.clip(total / (len(masks) * min(spacing)) + 0.5, 0, 1)
    return shape


def _within_one(
    inside: npt.NDArray[np.bool_], spacing: tuple[float, ...], inner_mm: float
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
    """Depth in a mask in mm, voxels on either side of its outline, and what is deep within."""
    half = min(spacing) / 2
    depth = distance_within(~inside, spacing, inner_mm + half) - half
    edge = _touching(inside, ~inside)
    deep = inside & (depth > inner_mm)
    return depth, edge, deep & ~edge if inner_mm > 0 else deep


def _in_doubt(
    agreed: npt.NDArray[np.bool_],
    marked: npt.NDArray[np.bool_],
    spacing: tuple[float, ...],
    margin_mm: float,
) -> npt.NDArray[np.bool_]:
    """Where readers differ or the lesion ends between two voxels, and the margin around it."""
    doubt = (marked & ~agreed) | _touching(agreed, ~marked)
    return distance_within(doubt, spacing, margin_mm) <= margin_mm


def _touching(a: npt.NDArray[np.bool_], b: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """Voxels of either mask that share a face with the other."""
    edge = np.zeros(a.shape, bool)
    for axis in range(a.ndim):
        p, q, e = (np.moveaxis(x, axis, 0) for x in (a, b, edge))
        meet = (p[1:] & q[:-1]) | (p[:-1] & q[1:])
        e[1:] |= meet
        e[:-1] |= meet
    return edge


def _readers(masks: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """The masks of those who marked something."""
    masks = as_masks(masks)
    if masks.ndim < 3:
        raise TrimapError(f"found masks of shape {masks.shape}, expected (readers, image axes)")
    masks = masks[masks.reshape(len(masks), -1).any(axis=1)]
    if not len(masks):
        raise EmptyMaskError("found no reader who marked a voxel, expected a lesion")
    return masks


def as_masks(masks: npt.ArrayLike) -> npt.NDArray[np.bool_]:
    """Masks as bool.

    Raises
    ------
    TrimapError
        If a value is neither 0 nor 1: whoever has a soft mask decides where to cut it.
    """
    masks = np.asarray(masks)
    if masks.dtype == bool:
        return masks
    if masks.dtype.kind not in "iu" or not np.isin(masks, (0, 1)).all():
        raise TrimapError(f"found masks of {masks.dtype}, expected bool, or integers 0 and 1")
    return masks.astype(bool)


def _check_spacing(mask: npt.NDArray[np.bool_], spacing: tuple[float, ...]) -> None:
    if len(spacing) != mask.ndim or not all(np.isfinite(s) and s > 0 for s in spacing):
        raise TrimapError(f"found spacing {spacing}, expected {mask.ndim} lengths in mm")


def _check(mask: npt.NDArray[np.bool_], spacing: tuple[float, ...], **widths: float) -> None:
    _check_spacing(mask, spacing)
    for name, width in widths.items():
        if not (np.isfinite(width) and width >= 0):
            raise UnknownParameterError(f"{name}: found {width}, expected a length in mm")
    if not mask.any():
        raise EmptyMaskError("found an empty mask, expected a lesion to make a trimap of")
    if mask.all():
        raise TrimapError("the lesion fills the whole crop, expected some background around it")


def _around(
    mask: npt.NDArray[np.bool_], spacing: tuple[float, ...], margin_mm: float
) -> tuple[slice, ...]:
    """The box of a mask, a margin and one voxel, within the image."""
    box = []
    for axis, s in enumerate(spacing):
        others = tuple(k for k in range(mask.ndim) if k != axis)
        (there,) = mask.any(axis=others).nonzero()
        more = int(margin_mm / s) + 1
        box.append(slice(max(int(there[0]) - more, 0), int(there[-1]) + 1 + more))
    return tuple(box)
