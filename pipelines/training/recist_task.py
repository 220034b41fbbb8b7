"""What `models.recist_net` is trained on, and how it is scored."""

from __future__ import annotations

import hashlib
import statistics
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from models.losses import prompted_loss
from models.recist_net import RecistNet
from pipelines.dataset.annotated import AnnotatedLesion
from pipelines.dataset.prompted_samples import Disturbance, MarkedLesion, prompted_sample
from pipelines.metrics import dice
from pipelines.prompted.frame import MarkFrame
from pipelines.prompted.planes import on_grid, soft_planes
from pipelines.soft_mask import READERS_LEVEL
from pipelines.training.lesions import CONSENSUS, Lesions, load_lesions, lots
from pipelines.training.settings import TrainingSettings
from pipelines.training.task import MAIN


@dataclass(frozen=True)
class Batch:
    """See `pipelines.dataset.prompted_samples.Sample`; the first axis is the lesion."""

    channels: Tensor
    target: Tensor
    weight: Tensor


class RecistTask:
    """Lesions held in memory; a `pipelines.training.task.Task`."""

    name = "recist-net"
    turns: ClassVar = {MAIN: (MAIN,)}

    def __init__(self, settings: TrainingSettings) -> None:
        self.settings = settings
        self.how = Disturbance()

    @cached_property
    def _lesions(self) -> Lesions:
        return load_lesions(self.settings.data)

    @cached_property
    def _marked(self) -> dict[bool, list[MarkedLesion]]:
        """Phantoms, and readers' lesions."""
        found = {True: self._lesions.phantoms, False: self._lesions.readers}
        return {made: [MarkedLesion(lesion) for lesion in some] for made, some in found.items()}

    def about(self) -> dict[str, str]:
        """How wide the network is."""
        how = self.settings.network
        return {"widths": ",".join(str(width) for width in how.widths), "blocks": str(how.blocks)}

    def networks(self) -> dict[str, nn.Module]:
        """The network as it is before the first step."""
        torch.manual_seed(self.settings.seed)
        how = self.settings.network
        return {MAIN: RecistNet(widths=how.widths, blocks=how.blocks)}

    def batch(self, step: int) -> Batch:
        """The batch of one step."""
        seed, size = self.settings.seed, self.settings.batch
        rng = np.random.default_rng([seed, 1, step])
        data, counts = self.settings.data, (len(self._marked[False]), len(self._marked[True]))
        samples = [
            prompted_sample(self._marked[made][index], rng, data.planes, self.how)
            for made, index in lots(rng, seed, step, size, counts, data.phantom_share)
        ]
        return Batch(
            *(
                torch.from_numpy(np.stack([getattr(sample, name) for sample in samples]))
                for name in ("channels", "target", "weight")
            )
        )

    def loss(self, turn: str, networks: Mapping[str, nn.Module], batch: Batch, step: int) -> Tensor:
        """Of one batch."""
        logits = networks[MAIN](batch.channels).float()
        return prompted_loss(logits, batch.target, batch.weight)

    def validate(self, network: nn.Module, flips: bool = True) -> dict[str, float]:
        """Mean scores over the validation lesions, of a network in evaluation mode."""
        scores = [scored(network, lesion, flips) for lesion in self._lesions.validation]
        if not scores:
            return {}
        return {
            name: statistics.fmean(getattr(score, name) for score in scores)
            for name in Score.__dataclass_fields__
        }


@dataclass(frozen=True)
class Score:
    """Dice of one lesion against what at least half of the readers marked.

    Attributes
    ----------
    whole, key_slice : float
        In 3D and on the slice of the mark, on the data as they are.
    continued : float
        In 3D, where slices in which the lesion is replaced by its surroundings follow at the ends.
    reader : float
        In 3D, of the reader whose mark it was.
    """

    whole: float
    key_slice: float
    continued: float
    reader: float


def scored(network: nn.Module, lesion: AnnotatedLesion, flips: bool = True) -> Score:
    """Score a network on the mark of one reader, who is drawn by a hash of the lesion's name."""
    readers = lesion.readers
    lot = hashlib.sha256(f"{lesion.patient}/{lesion.name}".encode()).digest()[0]
    reader = readers[lot % len(readers)]
    marked = MarkedLesion(lesion)
    key = int(marked.areas[reader].argmax())
    truth = lesion.masks.mean(axis=0) >= CONSENSUS
    frame = MarkFrame.of(key, *marked.axes(reader, key), lesion.spacing)
    mask = segmented(network, frame, lesion.hu, flips)
    continued = mask
    if lesion.beyond is not None:
        count = int(np.ceil(frame.long_mm / lesion.spacing[0])) + 1
        ends = [np.repeat(end[None], count, axis=0) for end in lesion.beyond]
        hu = np.concatenate([ends[0], lesion.hu, ends[1]])
        moved = MarkFrame.of(key + count, *marked.axes(reader, key), lesion.spacing)
        continued = segmented(network, moved, hu, flips)
        truth_continued = np.pad(truth, ((count, count), (0, 0), (0, 0)))
    else:
        truth_continued = truth
    return Score(
        dice(mask, truth),
        dice(mask[key], truth[key]),
        dice(continued, truth_continued),
        dice(lesion.masks[reader], truth),
    )


def segmented(
    network: nn.Module, frame: MarkFrame, hu: np.ndarray, flips: bool = True
) -> np.ndarray:
    """Mask of what readers would mark on the whole, of the shape of `hu`.

    Between one reader of four and two lies a part of about `READERS_LEVEL`.
    """
    share, offset = on_grid(soft_planes(network, frame, hu, flips), hu.shape)
    mask = np.zeros(hu.shape, bool)
    box = tuple(slice(o, o + n) for o, n in zip(offset, share.shape, strict=True))
    mask[box] = share >= READERS_LEVEL
    return mask
