"""From a RECIST mark, or from readers' masks, on a CT to the soft mask of one lesion."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial

import highdicom as hd
import numpy as np
import numpy.typing as npt

from models import REGISTRY
from pipelines.by_network import axes_for_network, segmented_by_network
from pipelines.errors import (
    EmptyMaskError,
    NotConvergedWarning,
    TrimapError,
    UnknownParameterError,
    UnusableMarkError,
    UnusableVolumeError,
)
from pipelines.grabcut import Cut, RecistEllipsoid, grabcut
from pipelines.grabcut.opencv_2d import grabcut_opencv_2d
from pipelines.grabcut.outline import shape_from_cut
from pipelines.mark_size import suggested_mm3, unlike_mark
from pipelines.matting import METHODS, quantity_of
from pipelines.networks.options import NetworkOptions
from pipelines.parameters import (
    DEFAULT_METHOD,
    complete_parameters,
    known_methods,
    method_settings,
    parameters_of,
)
from pipelines.reach import CONTEXT_MM, MARGIN_MM, REACH
from pipelines.recist import RecistAxes
from pipelines.soft_mask import (
    BACKGROUND,
    FOREGROUND,
    MENDED_BY_HAND,
    UNKNOWN,
    Parameter,
    SoftMask,
)
from pipelines.trimap import (
    as_masks,
    mask_has_core,
    masks_have_core,
    shape_from_masks,
    trimap_from_mask,
    trimap_from_masks,
)

_MOST_VOXELS = 40_000_000
_LONGEST_MM = 400.0
_PADDING_HU = -1024.0
_RUN_HERE = NetworkOptions()


def crop_around(volume: hd.Volume, axes: RecistAxes) -> tuple[tuple[slice, slice, slice], bool]:
    """The region around a mark that the pipeline looks at.

    Parameters
    ----------
    volume : highdicom.Volume, axes (slice, row, column)
        CT in HU.
    axes : RecistAxes
        The mark.

    Returns
    -------
    tuple of slice, bool
        The region in the volume's indices, and whether the volume ends before it does.

    Raises
    ------
    UnusableMarkError
        If the mark lies outside of the volume, is longer than 400 mm or needs too many voxels.
    """
    if max(axes.long_mm, axes.short_mm or 0.0) > _LONGEST_MM:
        raise UnusableMarkError(
            f"found an axis of {axes.long_mm:.0f} mm, expected less than {_LONGEST_MM:.0f} mm"
        )
    spacing = np.asarray(volume.spacing)
    shape = np.asarray(volume.spatial_shape)
    centre = volume.map_reference_to_indices(axes.centre[None])[0]
    if (centre < -0.5).any() or (centre > shape - 0.5).any():
        raise UnusableMarkError(
            "the centre of the mark lies outside of the CT volume: found index "
            f"{[round(float(c), 1) for c in centre]}, expected within {shape.tolist()} "
            "(slice, row, column)"
        )
    box = RecistEllipsoid.from_axes(axes, volume).half_extent()
    half = (REACH * box + MARGIN_MM) / spacing
    first = np.ceil(centre - half).astype(int)
    last = np.floor(centre + half).astype(int)
    nearest = np.clip(np.rint(centre).astype(int), 0, shape - 1)
    first, last = np.minimum(first, nearest), np.maximum(last, nearest)
    ends = bool((first < 0).any() or (last > shape - 1).any())
    first, last = np.maximum(first, 0), np.minimum(last, shape - 1)
    count = int(np.prod(last - first + 1))
    if count > _MOST_VOXELS:
        raise UnusableMarkError(
            f"the mark needs a crop of {count} voxels, expected at most {_MOST_VOXELS}"
        )
    return tuple(slice(int(a), int(b) + 1) for a, b in zip(first, last, strict=True)), ends


def hounsfield(crop: hd.Volume) -> npt.NDArray[np.float32]:
    """The crop's HU as float32, with padding raised to air.

    Raises
    ------
    UnusableVolumeError
        If they are not real and finite.
    """
    array = crop.array
    if not (np.issubdtype(array.dtype, np.integer) or np.issubdtype(array.dtype, np.floating)):
        raise UnusableVolumeError(f"found voxels of type {array.dtype}, expected numbers in HU")
    if not np.isfinite(array).all():
        raise UnusableVolumeError("found HU that are not finite around the mark")
    return np.maximum(array, _PADDING_HU).astype(np.float32)


def _warnings(alpha: npt.NDArray, sure: bool, ends: bool) -> tuple[str, ...]:
    """What a reader should know of any result; `sure` where some voxel is wholly lesion."""
    found = []
    if ends:
        found.append("the CT ends within the region that the lesion may reach")
    faces = [alpha.take(i, axis=a) for a in range(3) if alpha.shape[a] > 1 for i in (0, -1)]
    if any((face >= 0.5).any() for face in faces):
        found.append("the lesion touches the edge of the region that was looked at")
    slices = int((alpha >= 0.5).any(axis=(1, 2)).sum())
    if slices < 3:
        found.append(f"the lesion shows on {slices} slices only; its extent across them is coarse")
    if not sure:
        found.append("the lesion has no voxel that is surely wholly lesion")
    return tuple(found)


def _mark_warnings(cut: Cut, ratio: float) -> tuple[str, ...]:
    """What a reader should know of a result that came from a mark."""
    found = []
    if not cut.found:
        found.append("no voxel looks like a lesion; the result is the core of the mark")
    if not cut.levels.clear:
        found.append(
            "the mark is hardly denser than its surroundings; the outline follows the mark"
        )
    return (*found, *unlike_mark(ratio))


def _method(method: str, volume: hd.Volume) -> None:
    """Refuse an unknown method and volumes with channels."""
    if method not in known_methods():
        known = ", ".join(known_methods())
        raise UnknownParameterError(f"found the method {method!r}, known are: {known}")
    if volume.number_of_channel_dimensions:
        raise UnusableVolumeError(f"found a volume of shape {volume.shape}, expected three axes")


def _shape_of_cut(cut: Cut, spacing: tuple[float, float, float]) -> npt.NDArray[np.float32]:
    """The cut's outline, between voxels where a probability is known beside the mask."""
    if cut.found and ((cut.probability > 0) & (cut.probability < 1)).any():
        return shape_from_cut(cut.mask, cut.probability, spacing)
    return shape_from_masks(cut.mask[None], spacing)


def _matte(
    method: str,
    values: Mapping[str, Parameter],
    image: npt.NDArray[np.float32],
    trimap: npt.NDArray[np.uint8],
    spacing: tuple[float, float, float],
    shape: Callable[[], npt.NDArray[np.float32]],
) -> tuple[npt.NDArray[np.float32], tuple[str, ...]]:
    """Alpha by one of the methods, and what it warns of; `shape` makes one method's prior."""
    settings = method_settings(method, values)
    if method == "occupancy":
        settings["prior"] = shape()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", NotConvergedWarning)
        alpha = METHODS[method](image, trimap, spacing, **settings)
    said = []
    for found in caught:
        if issubclass(found.category, NotConvergedWarning):
            said.append(str(found.message))
        else:
            warnings.warn_explicit(found.message, found.category, found.filename, found.lineno)
    return alpha, tuple(said)


def soft_mask_from_recist(
    volume: hd.Volume,
    axes: RecistAxes,
    *,
    method: str = DEFAULT_METHOD,
    parameters: Mapping[str, Parameter] | None = None,
    networks: NetworkOptions = _RUN_HERE,
) -> SoftMask:
    """Segment the lesion under a RECIST mark softly.

    The same input gives the same bytes.

    Parameters
    ----------
    volume : highdicom.Volume, integer or float, axes (slice, row, column)
        CT in HU. Any orientation and order of slices; it needs to reach `reach_mm(axes)` around
        the mark, and gives a warning where it does not.
    axes : RecistAxes
        The mark.
    method : str
        One of `pipelines.parameters.known_methods`; a network takes no parameters.
    parameters : Mapping, optional
        Overrides of `pipelines.parameters.DEFAULT_PARAMETERS`.
    networks : NetworkOptions
        Where the weights of networks lie, and on what they run.

    Returns
    -------
    SoftMask
        Alpha and trimap on a crop of the volume's grid; `offset` says where.

    Raises
    ------
    UnknownParameterError
        If the method or a parameter is unknown, or a value impossible.
    UnusableVolumeError
        If the volume has channels or HU that are not finite around the mark.
    UnusableMarkError
        If the mark lies outside of the volume or is longer than 400 mm.
    SegmentationError
        If a trimap cannot be made; the common base of all of these, itself a ValueError.
    """
    _method(method, volume)
    values = complete_parameters(parameters)
    box, ends = crop_around(volume, axes)
    if method in REGISTRY:
        hounsfield(volume[box])  # Refuses what is not finite around the mark.
        soft = segmented_by_network(volume, axes, method, box, ends, networks)
        sure = bool((soft.trimap.array == FOREGROUND).any())
        said = soft.warnings + _warnings(soft.alpha.array, sure, ends)
        return replace(soft, warnings=said)
    crop = volume[box]
    offset = tuple(s.start for s in box)
    image = hounsfield(crop)
    spacing = tuple(float(s) for s in volume.spacing)
    ellipsoid = RecistEllipsoid.from_axes(axes, volume)
    if values["grabcut"] == "opencv-2d":
        cut = grabcut_opencv_2d(image, spacing, ellipsoid, offset)
    else:
        cut = grabcut(
            image,
            spacing,
            ellipsoid,
            offset,
            smoothness_mm=values["smoothness_mm"],
            mixture_weight=values["mixture_weight"],
            rounds=values["rounds"],
        )
    inner, outer = values["band_inner_mm"], values["band_outer_mm"]
    trimap = trimap_from_mask(cut.mask, spacing, inner_mm=inner, outer_mm=outer)
    sure = mask_has_core(cut.mask, spacing, inner_mm=inner)
    alpha, said = _matte(
        method, values, image, trimap, spacing, partial(_shape_of_cut, cut, spacing)
    )
    # A density-weighted alpha is no extent: then the cut is judged.
    quantity = quantity_of(method)
    extent = alpha if quantity == "occupancy" else cut.mask.astype(np.float32)
    voxel_mm3 = float(np.prod(spacing))
    suggested = suggested_mm3(ellipsoid, image.shape, spacing, offset, ends)
    ratio = float(extent.sum(dtype=np.float64)) * voxel_mm3 / suggested
    return SoftMask(
        alpha=crop.with_array(alpha),
        trimap=crop.with_array(trimap),
        method=method,
        parameters=parameters_of(method, values),
        offset=offset,
        warnings=_mark_warnings(cut, ratio) + _warnings(extent, sure, ends) + said,
        quantity=quantity,
    )


def soft_mask_from_masks(
    volume: hd.Volume,
    masks: npt.NDArray[np.bool_],
    *,
    method: str = DEFAULT_METHOD,
    parameters: Mapping[str, Parameter] | None = None,
    networks: NetworkOptions = _RUN_HERE,
) -> SoftMask:
    """Segment softly what one or several readers outlined.

    One mask gives the trimap of `trimap_from_mask`, several that of `trimap_from_masks`.

    Parameters
    ----------
    volume : highdicom.Volume, integer or float, axes (slice, row, column)
        CT in HU.
    masks : ndarray of bool, shape (readers, slices, rows, columns) or (slices, rows, columns)
        On the volume's grid. Readers who marked nothing do not vote.
    method : str
        One of `pipelines.parameters.known_methods`; a network takes no parameters.
    parameters : Mapping, optional
        Overrides of `pipelines.parameters.DEFAULT_PARAMETERS`.
    networks : NetworkOptions
        Where the weights of networks lie, and on what they run.

    Returns
    -------
    SoftMask
        Alpha and trimap on a crop of the volume's grid; `offset` says where.

    Raises
    ------
    UnknownParameterError
        If the method or a parameter is unknown, or a value impossible.
    UnusableVolumeError
        If the volume has channels or HU that are not finite around the masks, or the masks do not
        have its shape.
    EmptyMaskError
        If no reader marked a voxel.
    TrimapError
        If the readers' union is the whole volume, or masks hold more than 0 and 1.
    """
    _method(method, volume)
    values = complete_parameters(parameters)
    masks = as_masks(masks)
    masks = masks[None] if masks.ndim == 3 else masks
    if masks.ndim != 4 or masks.shape[1:] != tuple(volume.spatial_shape):
        raise UnusableVolumeError(
            f"found masks of shape {masks.shape} on a volume of {volume.spatial_shape}"
        )
    union = masks.any(axis=0)
    if not union.any():
        raise EmptyMaskError("found no reader who marked a voxel, expected a lesion")
    if method in REGISTRY:
        axes, said = axes_for_network(volume, masks, method)
        found = soft_mask_from_recist(volume, axes, method=method, networks=networks)
        return replace(found, warnings=(said, *found.warnings))
    spacing = tuple(float(s) for s in volume.spacing)
    box, ends = [], False
    for axis, (n, s) in enumerate(zip(union.shape, spacing, strict=True)):
        (there,) = union.any(axis=tuple(k for k in range(3) if k != axis)).nonzero()
        more = int(np.ceil(CONTEXT_MM / s))
        first, last = int(there[0]) - more, int(there[-1]) + more
        ends = ends or first < 0 or last > n - 1
        box.append(slice(max(first, 0), min(last, n - 1) + 1))
    box = tuple(box)
    crop = volume[box]
    image, masks = hounsfield(crop), masks[(slice(None), *box)]
    masks = masks[masks.any(axis=(1, 2, 3))]
    if len(masks) == 1:
        inner, outer = values["band_inner_mm"], values["band_outer_mm"]
        trimap = trimap_from_mask(masks[0], spacing, inner_mm=inner, outer_mm=outer)
        sure = mask_has_core(masks[0], spacing, inner_mm=inner)
    else:
        margin = values["margin_mm"]
        trimap = trimap_from_masks(masks, spacing, margin_mm=margin)
        sure = masks_have_core(masks, spacing, margin_mm=margin)
    alpha, said = _matte(
        method, values, image, trimap, spacing, partial(shape_from_masks, masks, spacing)
    )
    quantity = quantity_of(method)
    extent = alpha if quantity == "occupancy" else masks.mean(axis=0)
    return SoftMask(
        alpha=crop.with_array(alpha),
        trimap=crop.with_array(trimap),
        method=method,
        parameters=parameters_of(method, values),
        offset=tuple(s.start for s in box),
        warnings=_warnings(extent, sure, ends) + said,
        quantity=quantity,
    )


def soft_mask_from_trimap(
    crop: hd.Volume, trimap: npt.NDArray[np.uint8], before: SoftMask
) -> SoftMask:
    """Matte again within a trimap that a reader mended by hand.

    By the method and the parameters of the soft mask before; by closed-form matting where a network
    made it, which takes no trimap. What is sure in the trimap is so in alpha; the outline that one
    method starts from is that of the soft mask before, mended the same way.

    Parameters
    ----------
    crop : highdicom.Volume
        CT in HU on the grid of `before`.
    trimap : ndarray of uint8, shape of `crop`
    before : SoftMask

    Raises
    ------
    TrimapError
        If the trimap has another shape, values other than 0, 1, 2, or nothing that is sure to lie
        inside or outside of the lesion.
    UnusableVolumeError
        If the CT is not on the grid, or not finite.
    """
    if crop.array.shape != before.alpha.array.shape:
        raise UnusableVolumeError(
            f"found a CT of shape {crop.array.shape}, expected {before.alpha.array.shape}"
        )
    if trimap.shape != before.alpha.array.shape or trimap.max(initial=0) > FOREGROUND:
        raise TrimapError(
            f"found a trimap of shape {trimap.shape} with values up to {trimap.max(initial=0)}, "
            f"expected {before.alpha.array.shape} and 0, 1 or 2"
        )
    if not ((trimap == FOREGROUND).any() and (trimap == BACKGROUND).any()):
        raise TrimapError("found nothing that is surely lesion or surely not, expected both")
    own = before.method in METHODS
    method = before.method if own else "closed-form"
    values = complete_parameters(before.parameters if own else None)
    spacing = tuple(float(s) for s in crop.spacing)
    outline = np.where(trimap == UNKNOWN, before.alpha.array >= 0.5, trimap == FOREGROUND)
    alpha, said = _matte(
        method,
        values,
        hounsfield(crop),
        trimap,
        spacing,
        partial(shape_from_masks, outline[None], spacing),
    )
    return replace(
        before,
        alpha=crop.with_array(alpha),
        trimap=crop.with_array(trimap),
        method=method,
        parameters=parameters_of(method, values),
        warnings=(MENDED_BY_HAND, *_warnings(alpha, True, False), *said),
        quantity=quantity_of(method),
    )
