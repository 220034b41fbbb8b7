"""DSNet: a segmenter with a frozen teacher, and a discriminator of pixels, by turns."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor, nn

from models.dsnet import PixelDiscriminator, SoftSegmentation
from models.loading import contract_of, load_network
from models.losses import discriminator_loss, dsnet_loss
from models.registry import REGISTRY
from pipelines.training.lesions import CONSENSUS
from pipelines.training.settings import TrainingSettings
from pipelines.training.slice_scores import mean_scores, on_device_of, scored_slices
from pipelines.training.slice_source import SliceBatch, SliceSource
from pipelines.training.super_resolution_task import coarse, enlarged
from pipelines.training.task import MAIN

_JUDGE = "discriminator"


class DSNetTask:
    """Slices, and truth enlarged to what the network gives; a `pipelines.training.task.Task`.

    The papers do not say how results of four times the size are compared with the truth: here
    the truth is enlarged in training, and the result made as small as the slice for its scores.
    """

    name = "dsnet"
    turns: ClassVar = {_JUDGE: (_JUDGE,), MAIN: (MAIN,)}

    def __init__(self, settings: TrainingSettings) -> None:
        self.settings = settings
        self.how = settings.network
        self.contract = contract_of(self.name, self.about())
        self.source = SliceSource(settings, self.contract, self.how.crop)

    def about(self) -> dict[str, str]:
        """How the teacher's features are joined, what alpha means, and on what crops it learned."""
        size = f"{self.how.crop},{self.how.crop}"
        return {"join": self.how.join, "meaning": "PROBABILITY", "size": size}

    def networks(self) -> dict[str, nn.Module]:
        """Segmenter with its teacher, and discriminator.

        Raises
        ------
        models.NoWeightsError
            If the teacher's weights are not there or do not fit.
        """
        torch.manual_seed(self.settings.seed)
        network = REGISTRY[self.name].make(self.about())
        teacher = load_network("super-resolution", self.how.teacher)
        network.teacher.load_state_dict(teacher.state_dict())
        return {MAIN: network, _JUDGE: PixelDiscriminator()}

    def batch(self, step: int) -> SliceBatch:
        """The batch of one step."""
        return self.source.batch(step)

    def loss(
        self, turn: str, networks: Mapping[str, nn.Module], batch: SliceBatch, step: int
    ) -> Tensor:
        """Of the discriminator, or of the segmenter."""
        segment, judge = networks[MAIN], networks[_JUDGE]
        image, alpha = enlarged(batch.image), enlarged(batch.alpha)
        if turn == _JUDGE:
            with torch.no_grad():
                found = segment(batch.image).alpha
            return discriminator_loss(judge(image, alpha).float(), judge(image, found).float())
        result = SoftSegmentation(*(part.float() for part in segment(batch.image)))
        mask = (alpha >= CONSENSUS).float()
        return dsnet_loss(result, mask, alpha, judge(image, result.alpha).float())

    def validate(self, network: nn.Module) -> dict[str, float]:
        """Mean scores over the validation lesions, at the slices' own size."""

        def predict(images: Tensor) -> Tensor:
            return coarse(network(on_device_of(network, images)).alpha)

        return mean_scores(
            scored_slices(lesion, self.contract, predict) for lesion in self.source.validation
        )
