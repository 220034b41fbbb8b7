"""Scores of a trimap-free 3D matting network on lesions that several readers outlined."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from scipy import ndimage
from torch import nn

from pipelines.dataset.annotated import AnnotatedLesion
from pipelines.dataset.own_grid import on_own_grid
from pipelines.dataset.patch_crops import middle_crop
from pipelines.dataset.patches import PADDING_SLICES, LesionPatch
from pipelines.metrics import dice, mse, sad
from pipelines.soft_mask import READERS_LEVEL

CONSENSUS = 0.5
"""A voxel belongs to the lesion if at least this part of the readers marked it."""
_MARGIN = 8
"""Voxels that a patch holds around a lesion at least."""


@dataclass(frozen=True)
class Matting3dScore:
    """Of one lesion.

    Attributes
    ----------
    dice : float
        In 3D on the lesion's own slices, of alpha from `READERS_LEVEL` on against what at least
        half of the readers marked; only the region under the lesion's centre is kept.
    continued : float
        The same with the slices that were added at the ends, in which there is no lesion.
    overlap, union : float
        Dice of the auxiliary masks, on the patch at 0.5 mm.
    sad : float
        Sum of absolute differences of alpha on the patch, in voxels of 0.5 mm.
    mse : float
        Mean squared difference over the patch.
    """

    dice: float
    continued: float
    overlap: float
    union: float
    sad: float
    mse: float


def scored_matte(
    network: nn.Module, patch: LesionPatch, lesion: AnnotatedLesion, side: int
) -> Matting3dScore:
    """Score a network in evaluation mode on the patch in whose middle the lesion lies.

    Parameters
    ----------
    network : nn.Module
        Of `models.matting_3d`.
    patch : LesionPatch
    lesion : AnnotatedLesion
        From which `patch` was made.
    side : int
        Of the patch in voxels; a lesion that it does not hold is given a larger one.
    """
    crop, corner = middle_crop(patch, _side_for(patch, side))
    device = next(network.parameters()).device
    with torch.no_grad():
        matte = network(torch.from_numpy(crop.image)[None, None].to(device))
    alpha, overlap, union = (part[0, 0].float().cpu().numpy() for part in matte)
    alpha = np.clip(alpha, 0, 1)
    padding = 0 if lesion.beyond is None else PADDING_SLICES
    truth = np.pad(lesion.masks.mean(axis=0) >= CONSENSUS, ((padding, padding), (0, 0), (0, 0)))
    found = on_own_grid(alpha, patch, corner, truth.shape, padding) >= READERS_LEVEL
    centre = np.array(patch.first) + patch.centre * patch.step + (padding, 0, 0)
    found = region_at(found, centre, lesion.spacing)
    own = slice(padding, len(truth) - padding)
    return Matting3dScore(
        dice(found[own], truth[own]),
        dice(found, truth),
        dice(overlap > 0, crop.overlap > 0),
        dice(union > 0, crop.union > 0),
        sad(alpha, crop.alpha),
        mse(alpha, crop.alpha),
    )


def region_at(
    mask: npt.NDArray[np.bool_],
    centre: npt.NDArray[np.float64],
    spacing: tuple[float, float, float],
) -> npt.NDArray[np.bool_]:
    """The one of a mask's regions, joined by faces, that comes nearest to a place.

    Parameters
    ----------
    mask : ndarray of bool
    centre : ndarray, shape (3,)
        In voxels.
    spacing : tuple of float
        In mm.
    """
    if not mask.any():
        return mask
    labels, _ = ndimage.label(mask)
    places = np.argwhere(mask)
    nearest = places[(((places - centre) * spacing) ** 2).sum(axis=1).argmin()]
    return labels == labels[tuple(nearest)]


def _side_for(patch: LesionPatch, side: int) -> int:
    marked = np.argwhere(patch.union)
    reach = np.abs(marked - patch.centre).max() + _MARGIN
    return max(side, 16 * int(np.ceil(2 * reach / 16)))
