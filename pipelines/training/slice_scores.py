"""How well a network that sees slices, and is not told which lesion is meant, finds a lesion."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable
from dataclasses import astuple, dataclass, fields, replace

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from models.registry import InputContract
from pipelines.dataset.annotated import AnnotatedLesion
from pipelines.dataset.slices import planes
from pipelines.metrics import dice
from pipelines.networks.values import windowed
from pipelines.soft_mask import READERS_LEVEL
from pipelines.training.lesions import CONSENSUS
from pipelines.training.nearest_region import nearest_region

_SIDE = 16
"""Networks take sides of multiples of it."""

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
        Of all components in what the network saw.
    """

    whole: float
    continued: float
    unpicked: float


def mean_scores(scores: Iterable[SliceScore]) -> dict[str, float]:
    """Mean of each score; empty where there are none."""
    rows = [astuple(score) for score in scores]
    names = [field.name for field in fields(SliceScore)]
    return dict(zip(names, map(statistics.fmean, zip(*rows, strict=True)), strict=False))


@dataclass(frozen=True, eq=False)
class SliceBox:
    """Rows and columns of a lesion's slices that a network is given.

    Attributes
    ----------
    rows, columns : ndarray of int
        Indices, as many as a multiple of 16; beyond the data their edge comes again.
    """

    rows: npt.NDArray[np.int64]
    columns: npt.NDArray[np.int64]

    @classmethod
    def around(cls, lesion: AnnotatedLesion, size: tuple[int, ...]) -> SliceBox:
        """As large as a network's contract has it, about the centre; larger for larger lesions."""
        marked = np.argwhere(lesion.masks.any(axis=(0, 1)))
        axes = []
        for place, least in zip(marked.T, size, strict=True):
            centre = round(float(place.mean()))
            reach = max(centre - int(place.min()), int(place.max()) - centre) + 1
            side = max(least, -(-2 * reach // _SIDE) * _SIDE)
            axes.append(centre - side // 2 + np.arange(side))
        return cls(*axes)

    def cut(self, slices: npt.NDArray) -> npt.NDArray:
        """The box of an array of axes (..., row, column)."""
        rows, columns = slices.shape[-2:]
        return slices[..., np.clip(self.rows, 0, rows - 1), :][
            ..., np.clip(self.columns, 0, columns - 1)
        ]

    def put(self, box: npt.NDArray, shape: tuple[int, ...]) -> npt.NDArray:
        """An array of the lesion's shape that holds the box, and nothing beside it."""
        whole = np.zeros(shape, box.dtype)
        rows, columns = shape[-2:]
        row = (self.rows >= 0) & (self.rows < rows)
        column = (self.columns >= 0) & (self.columns < columns)
        inner = box[..., row, :][..., column]
        first = int(self.rows[row][0]), int(self.columns[column][0])
        whole[
            ...,
            first[0] : first[0] + inner.shape[-2],
            first[1] : first[1] + inner.shape[-1],
        ] = inner
        return whole


def slices_of_lesion(lesion: AnnotatedLesion, contract: InputContract, box: SliceBox) -> Tensor:
    """A network's input for all slices of a lesion, (slices, channels, height, width).

    Beyond the ends the last slice comes again, as where a CT ends.
    """
    stacks = [planes(lesion, i, contract.channels // 2) for i in range(len(lesion.hu))]
    return torch.from_numpy(windowed(box.cut(np.stack(stacks)), contract))


def lesion_alpha(
    lesion: AnnotatedLesion, contract: InputContract, predict: Callable[[Tensor], Tensor]
) -> npt.NDArray[np.float32]:
    """Alpha of all slices, of the shape of the lesion's HU.

    Parameters
    ----------
    lesion : AnnotatedLesion
    contract : InputContract
        Its size is that of the box about the lesion's centre that the network sees.
    predict : callable
        From (slices, channels, height, width) to alpha (slices, 1, height, width).
    """
    box = SliceBox.around(lesion, contract.size)
    with torch.inference_mode():
        found = [
            predict(some)[:, 0].float().cpu()
            for some in slices_of_lesion(lesion, contract, box).split(_AT_ONCE)
        ]
    return box.put(torch.cat(found).numpy(), lesion.hu.shape)


def scored_slices(
    lesion: AnnotatedLesion, contract: InputContract, predict: Callable[[Tensor], Tensor]
) -> SliceScore:
    """Score one lesion; parameters as of `lesion_alpha`."""
    mask = lesion_alpha(lesion, contract, predict) >= READERS_LEVEL
    truth = lesion.masks.mean(axis=0) >= CONSENSUS
    whole = dice(picked(mask, lesion), truth)
    beyond = whole
    if lesion.beyond is not None:
        longer = _continued(lesion)
        mask_longer = lesion_alpha(longer, contract, predict) >= READERS_LEVEL
        truth_longer = longer.masks.mean(axis=0) >= CONSENSUS
        beyond = dice(picked(mask_longer, longer), truth_longer)
    return SliceScore(whole, beyond, dice(mask, truth))


def picked(mask: npt.NDArray[np.bool_], lesion: AnnotatedLesion) -> npt.NDArray[np.bool_]:
    """The component that is nearest to the centre of what readers marked, in mm."""
    centre = np.argwhere(lesion.masks.any(axis=0)).mean(axis=0)
    return nearest_region(mask, centre, lesion.spacing, corners=True)


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
