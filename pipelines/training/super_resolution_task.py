"""DSNet's teacher: slices at four times their resolution (SRGAN, Ledig et al., CVPR 2017)."""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor, nn

from models.dsnet import SCALE
from models.losses import discriminator_loss
from models.registry import REGISTRY
from models.super_resolution import SuperResolutionDiscriminator
from pipelines.dataset.slices import SliceDisturbance
from pipelines.training.settings import TrainingSettings
from pipelines.training.slice_scores import SliceBox, on_device_of, slices_of_lesion
from pipelines.training.slice_source import SliceBatch, SliceSource
from pipelines.training.task import MAIN

_JUDGE = "discriminator"


class SuperResolutionTask:
    """Slices made four times coarser, and what they were; a `pipelines.training.task.Task`.

    The generator first learns by squared error alone, then by its content loss and by deceiving a
    discriminator, which learns by turns with it.
    """

    name = "super-resolution"
    turns: ClassVar = {_JUDGE: (_JUDGE,), MAIN: (MAIN,)}

    def __init__(self, settings: TrainingSettings) -> None:
        self.settings = settings
        self.how = settings.network
        self.contract = REGISTRY[self.name].contract
        self.source = SliceSource(
            settings, self.contract, self.how.crop, SliceDisturbance(beyond=0.0)
        )

    def about(self) -> dict[str, str]:
        """Nothing that the name does not say."""
        return {}

    def networks(self) -> dict[str, nn.Module]:
        """Generator and discriminator."""
        torch.manual_seed(self.settings.seed)
        return {
            MAIN: REGISTRY[self.name].make(self.about()),
            _JUDGE: SuperResolutionDiscriminator(self.how.crop),
        }

    def batch(self, step: int) -> SliceBatch:
        """The batch of one step."""
        return self.source.batch(step)

    def loss(
        self, turn: str, networks: Mapping[str, nn.Module], batch: SliceBatch, step: int
    ) -> Tensor | None:
        """Of the discriminator, or of the generator."""
        generate, judge, truth = networks[MAIN], networks[_JUDGE], batch.image
        warming = step < self.how.warm_start
        if turn == _JUDGE:
            if warming:
                return None
            with torch.no_grad():
                made = generate(coarse(truth)).image
            return discriminator_loss(judge(truth).float(), judge(made).float())
        made = generate(coarse(truth)).image.float()
        if warming:
            return nn.functional.mse_loss(made, truth)
        content = {"l1": nn.functional.l1_loss, "mse": nn.functional.mse_loss}[self.how.content]
        deceived = nn.functional.softplus(-judge(made).float()).mean()
        return content(made, truth) + self.how.adversary * deceived

    def validate(self, network: nn.Module) -> dict[str, float]:
        """Peak signal to noise in dB, mean over lesions, beside that of bilinear enlargement."""
        found, plain = [], []
        for lesion in self.source.validation:
            box = SliceBox.around(lesion, (self.how.crop, self.how.crop))
            slices = slices_of_lesion(lesion, self.contract, box)
            # Phantoms may have many; some are enough to compare.
            truth = on_device_of(network, slices[:: max(len(slices) // 8, 1)])
            with torch.inference_mode():
                made = torch.cat([network(coarse(one)).image for one in truth.split(1)])
            found.append(_decibel(made, truth))
            plain.append(_decibel(enlarged(coarse(truth)), truth))
        if not found:
            return {}
        return {"psnr": statistics.fmean(found), "psnr_bilinear": statistics.fmean(plain)}


def coarse(image: Tensor) -> Tensor:
    """A slice of a quarter of the resolution: means over areas."""
    return nn.functional.avg_pool2d(image, SCALE)


def enlarged(image: Tensor) -> Tensor:
    """A slice at four times its resolution, bilinearly."""
    return nn.functional.interpolate(
        image, scale_factor=SCALE, mode="bilinear", align_corners=False
    )


def _decibel(image: Tensor, truth: Tensor) -> float:
    """Of values in [-1, 1]."""
    error = (image.float() - truth).square().mean(dim=(1, 2, 3)).clamp(min=1e-10)
    return float((10 * torch.log10(4 / error)).mean())
