"""Batches of slices, for all networks that see slices."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from models.registry import InputContract
from pipelines.dataset.annotated import AnnotatedLesion
from pipelines.dataset.slices import SliceDisturbance, SlicedLesion, SliceSample, slice_sample
from pipelines.training.lesions import Lesions, load_lesions, lots
from pipelines.training.settings import TrainingSettings


@dataclass(frozen=True)
class SliceBatch:
    """See `pipelines.dataset.slices.SliceSample`; the first axis is the slice."""

    image: Tensor
    alpha: Tensor
    mask: Tensor


class SliceSource:
    """Lesions held in memory from the first batch on; batches follow from seed and step alone.

    Parameters
    ----------
    settings : TrainingSettings
    contract : InputContract
        Of the network.
    side : int
        Rows and columns of a crop.
    how : SliceDisturbance, optional
    """

    def __init__(
        self,
        settings: TrainingSettings,
        contract: InputContract,
        side: int,
        how: SliceDisturbance | None = None,
    ) -> None:
        self.settings, self.contract, self.side = settings, contract, side
        self.how = how or SliceDisturbance()

    @cached_property
    def _lesions(self) -> Lesions:
        return load_lesions(self.settings.data)

    @cached_property
    def _sliced(self) -> dict[bool, list[SlicedLesion]]:
        """Phantoms, and readers' lesions."""
        found = {True: self._lesions.phantoms, False: self._lesions.readers}
        return {made: [SlicedLesion(lesion) for lesion in some] for made, some in found.items()}

    @property
    def validation(self) -> list[AnnotatedLesion]:
        """Lesions to score on."""
        return self._lesions.validation

    def samples(self, step: int) -> list[SliceSample]:
        """The samples of one step."""
        seed, size = self.settings.seed, self.settings.batch
        rng = np.random.default_rng([seed, 1, step])
        counts = len(self._sliced[False]), len(self._sliced[True])
        share = self.settings.data.phantom_share
        return [
            slice_sample(self._sliced[made][index], rng, self.side, self.contract, self.how)
            for made, index in lots(rng, seed, step, size, counts, share)
        ]

    def batch(self, step: int) -> SliceBatch:
        """The batch of one step."""
        samples = self.samples(step)
        return SliceBatch(
            *(
                torch.from_numpy(np.stack([getattr(sample, name) for sample in samples]))
                for name in ("image", "alpha", "mask")
            )
        )
