"""MONAI's networks on single slices: the part of the readers who marked each pixel."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor, nn

from models.alpha import alpha_of
from models.losses import prompted_loss
from models.registry import REGISTRY
from pipelines.training.settings import TrainingSettings
from pipelines.training.slice_scores import mean_scores, on_device_of, scored_slices
from pipelines.training.slice_source import SliceBatch, SliceSource
from pipelines.training.task import MAIN


class BaselineTask:
    """One of the baselines; a `pipelines.training.task.Task`."""

    turns: ClassVar = {MAIN: (MAIN,)}

    def __init__(self, settings: TrainingSettings) -> None:
        self.settings = settings
        self.name = settings.network.name
        self.contract = REGISTRY[self.name].contract
        self.source = SliceSource(settings, self.contract, settings.network.crop)

    def about(self) -> dict[str, str]:
        """How wide the network is, and over how many views alpha is the mean."""
        how = self.settings.network
        return {"widths": ",".join(str(width) for width in how.widths), "views": str(how.views)}

    def networks(self) -> dict[str, nn.Module]:
        """The network as it is before the first step."""
        torch.manual_seed(self.settings.seed)
        return {MAIN: REGISTRY[self.name].make(self.about())}

    def batch(self, step: int) -> SliceBatch:
        """The batch of one step."""
        return self.source.batch(step)

    def loss(
        self, turn: str, networks: Mapping[str, nn.Module], batch: SliceBatch, step: int
    ) -> Tensor:
        """Cross entropy, and overlap with a soft truth, slice by slice."""
        logit = networks[MAIN](batch.image).logit.float()
        return prompted_loss(logit, batch.alpha, torch.ones_like(logit[:, :, 0, 0]))

    def validate(self, network: nn.Module) -> dict[str, float]:
        """Mean scores over the validation lesions."""

        def predict(images: Tensor) -> Tensor:
            return alpha_of(network, on_device_of(network, images), self.settings.network.views)

        return mean_scores(
            scored_slices(lesion, self.contract, predict) for lesion in self.source.validation
        )
