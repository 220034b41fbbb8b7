"""How well a network that sees slices, and is not told which lesion is meant, finds a lesion."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable
from dataclasses import astuple, dataclass, fields, replace

import numpy as np
import numpy.typing as npt
import torch
from scipy import ndimage
from torch import Tensor, nn

from models.registry import InputContract
from pipelines.dataset.annotated import AnnotatedLesion
from pipelines.dataset.slices import planes
from pipelines.metrics import dice
from pipelines.networks.values import windowed
from pipelines.soft_mask import READERS_LEVEL
from pipelines.training.lesions import CONSENSUS

_SIDE = 16
"""Networks take sides of multiples of it; what is missing is filled with the edge."""

_AT_ONCE = 8
_BEYOND = 2


@dataclass(frozen=True)
class SliceScore:
    """Dice in 3D of one lesion against what at least half of the readers marked.

    Alpha counts as lesion from `READERS_LEVEL` on, which lies between one reader of four and two.

    Attributes
    ----------
    whole : float
        Of the component nearest to the lesion's centre, as of a mark that says which is meant. The
        centre is that of all that any reader marked; components touch by faces, edges or corners.
    continued : float
        The same where slices in which the lesion is replaced by its surroundings follow at the
        ends.
    unpicked : float
        Of all components in the crop.
    """

    whole: float
    continued: float
    unpicked: float


def mean_scores(scores: Iterable[SliceScore]) -> dict[str, float]:
    """Mean of each score; empty where there are none."""
    rows = [astuple(score) for score in scores]
    names = [field.name for field in fields(SliceScore)]
    return dict(zip(names, map(statistics.fmean, zip(*rows, strict=True)), strict=False))


def slices_of_lesion(
    lesion: AnnotatedLesion, contract: InputContract
) -> tuple[Tensor, tuple[slice, slice]]:
    """A network's input for all slices of a lesion, and where the lesion's pixels are in it.

    Parameters
    ----------
    lesion : AnnotatedLesion
    contract : InputContract

    Returns
    -------
    images : Tensor, (slices, channels, height, width)
        Sides are multiples of 16; beyond the lesion's own they repeat its edge. Beyond the ends
        the last slice comes again.
    part : tuple of slice
        Rows and columns.
    """
    stacks = [planes(lesion, i, contract.channels // 2) for i in range(len(lesion.hu))]
    rows, columns = lesion.hu.shape[1:]
    images = np.pad(
        windowed(np.stack(stacks), contract),
        ((0, 0), (0, 0), (0, -rows % _SIDE), (0, -columns % _SIDE)),
        mode="edge",
    )
    return torch.from_numpy(images), (slice(rows), slice(columns))


def alpha_of(
    lesion: AnnotatedLesion, contract: InputContract, predict: Callable[[Tensor], Tensor]
) -> npt.NDArray[np.float32]:
    """Alpha of all slices, of the shape of the lesion's HU.

    Parameters
    ----------
    lesion : AnnotatedLesion
    contract : InputContract
    predict : callable
        From (slices, channels, height, width) to alpha (slices, 1, height, width).
    """
    images, part = slices_of_lesion(lesion, contract)
    with torch.inference_mode():
        found = [predict(some)[:, 0].float().cpu() for some in images.split(_AT_ONCE)]
    return torch.cat(found)[(slice(None), *part)].numpy()


def scored_slices(
    lesion: AnnotatedLesion, contract: InputContract, predict: Callable[[Tensor], Tensor]
) -> SliceScore:
    """Score one lesion; parameters as of `alpha_of`."""
    mask = alpha_of(lesion, contract, predict) >= READERS_LEVEL
    truth = lesion.masks.mean(axis=0) >= CONSENSUS
    whole = dice(picked(mask, lesion), truth)
    beyond = whole
    if lesion.beyond is not None:
        longer = _continued(lesion)
        mask_longer = alpha_of(longer, contract, predict) >= READERS_LEVEL
        truth_longer = longer.masks.mean(axis=0) >= CONSENSUS
        beyond = dice(picked(mask_longer, longer), truth_longer)
    return SliceScore(whole, beyond, dice(mask, truth))


def picked(mask: npt.NDArray[np.bool_], lesion: AnnotatedLesion) -> npt.NDArray[np.bool_]:
    """The component that is nearest to the centre of what readers marked, in mm."""
    labels, count = ndimage.label(mask, structure=np.ones((3, 3, 3)))
    if count < 2:
        return mask
    centre = np.argwhere(lesion.masks.any(axis=0)).mean(axis=0)
    voxels = np.argwhere(mask)
    away = np.linalg.norm((voxels - centre) * lesion.spacing, axis=1)
    return labels == labels[tuple(voxels[away.argmin()])]


def on_device_of(network: nn.Module, images: Tensor) -> Tensor:
    """Images on the device where a network is."""
    return images.to(next(network.parameters()).device)


def _continued(lesion: AnnotatedLesion) -> AnnotatedLesion:
    first, last = (np.repeat(end[None], _BEYOND, axis=0) for end in lesion.beyond)
    return replace(
        lesion,
        hu=np.concatenate([first, lesion.hu, last]),
        masks=np.pad(lesion.masks, ((0, 0), (_BEYOND, _BEYOND), (0, 0), (0, 0))),
    )
