"""Medical Matting and its region-aware successor: masks that differ as readers do, and alpha."""

from __future__ import annotations

import statistics
from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor, nn

from models.loading import contract_of
from models.losses import UncertaintyWeights, alternating_weight, medical_matting_losses
from models.medical_matting import UncertainMatte
from models.registry import REGISTRY
from pipelines.dataset.annotated import AnnotatedLesion
from pipelines.metrics import generalised_energy_distance
from pipelines.training.settings import TrainingSettings
from pipelines.training.slice_scores import (
    SliceBox,
    SliceScore,
    mean_scores,
    on_device_of,
    scored_slices,
)
from pipelines.training.slice_source import SliceBatch, SliceSource
from pipelines.training.task import MAIN

_WEIGHTS = "task_weights"


class MedicalMattingTask:
    """A Probabilistic U-Net with a matting part; a `pipelines.training.task.Task`.

    Each crop is shown with the mask of one reader drawn by lot, which the posterior sees. Alpha is
    the mean of the readers' masks, where the papers have alpha mattes.
    """

    def __init__(self, settings: TrainingSettings) -> None:
        self.settings = settings
        self.how = settings.network
        self.name = self.how.name
        self.contract = contract_of(self.name, self.about())
        self.source = SliceSource(settings, self.contract, self.how.crop)
        learned = self.how.weighting == "uncertainty"
        self.turns = {MAIN: (MAIN, _WEIGHTS) if learned else (MAIN,)}

    def about(self) -> dict[str, str]:
        """What alpha means, for it was learned from readers' masks, and on what crops.

        The networks take means over all that they see, and so are to be given as much later.
        """
        return {"meaning": "PROBABILITY", "size": f"{self.how.crop},{self.how.crop}"}

    def networks(self) -> dict[str, nn.Module]:
        """The network, and the weights of its two tasks if they are learned."""
        torch.manual_seed(self.settings.seed)
        networks = {MAIN: REGISTRY[self.name].make(self.about())}
        if _WEIGHTS in self.turns[MAIN]:
            networks[_WEIGHTS] = UncertaintyWeights()
        return networks

    def batch(self, step: int) -> SliceBatch:
        """The batch of one step."""
        return self.source.batch(step)

    def loss(
        self, turn: str, networks: Mapping[str, nn.Module], batch: SliceBatch, step: int
    ) -> Tensor:
        """Of masks and of alpha, weighed."""
        result = networks[MAIN](batch.image, batch.mask, self.how.samples)
        result = UncertainMatte(*(part.float() for part in result))
        of_masks, of_alpha = medical_matting_losses(result, batch.mask, batch.alpha)
        if _WEIGHTS in networks:
            return networks[_WEIGHTS](of_masks, of_alpha)
        weight = alternating_weight(step / self.how.epoch)
        return weight * of_masks + (1 - weight) * of_alpha

    def validate(self, network: nn.Module) -> dict[str, float]:
        """Mean scores over the validation lesions.

        Beside those of all networks that see slices the energy distance of the prior's masks to
        the readers', mean over the slices of a lesion.
        """
        scored = [_scored(network, self, lesion) for lesion in self.source.validation]
        if not scored:
            return {}
        distance = statistics.fmean(distance for _, distance in scored)
        return mean_scores(score for score, _ in scored) | {"energy_distance": distance}


def _scored(
    network: nn.Module, task: MedicalMattingTask, lesion: AnnotatedLesion
) -> tuple[SliceScore, float]:
    masks: list[Tensor] = []

    def predict(images: Tensor) -> Tensor:
        images = on_device_of(network, images)
        # The same codes for each slice: a sample is one opinion of the whole lesion.
        codes = torch.Generator(images.device).manual_seed(0)
        result = network(images, samples=task.how.samples, generator=codes)
        masks.append((result.mask_logits > 0).cpu())
        return result.alpha

    score = scored_slices(lesion, task.contract, predict)
    # What was asked first are the lesion's own slices.
    sampled = torch.cat(masks)[: len(lesion.hu)].numpy()
    readers = SliceBox.around(lesion, task.contract.size).cut(lesion.masks)
    distances = [
        generalised_energy_distance(list(found), list(readers[:, index]))
        for index, found in enumerate(sampled)
    ]
    return score, float(np.mean(distances))
