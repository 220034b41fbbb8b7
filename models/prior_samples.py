"""Masks that a probabilistic network draws from its prior, one at a time, as if each were alpha."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from models.medical_matting import SAMPLES, UncertaintyGuidedMatting


class PriorSamples(nn.Module):
    """The Probabilistic U-Net of a matting network, which answers with one of its masks.

    All masks of an image come from one pass and are kept, so that the next is had for nothing. The
    same codes are drawn for every image: a sample of a volume is the same opinion on each slice.

    Parameters
    ----------
    network : UncertaintyGuidedMatting
        In evaluation mode.
    count : int
        Masks of an image.
    seed : int
        Of the codes.

    Attributes
    ----------
    number : int
        Which of the masks is the answer.
    """

    def __init__(
        self, network: UncertaintyGuidedMatting, count: int = SAMPLES, seed: int = 0
    ) -> None:
        super().__init__()
        self.network = network
        self.count, self.seed = count, seed
        self.number = 0
        self._kept: dict[bytes, Tensor] = {}

    def forward(self, images: Tensor) -> Tensor:
        """Logit of a mask, (batch, 1, height, width)."""
        key = images.detach().cpu().contiguous().numpy().tobytes()
        if key not in self._kept:
            self._kept[key] = self._logits(images)
        return self._kept[key][:, self.number : self.number + 1]

    def _logits(self, images: Tensor) -> Tensor:
        segmentation = self.network.segmentation
        prior = segmentation.prior(images).base_dist
        generator = torch.Generator().manual_seed(self.seed)
        noise = torch.randn((self.count, 1, prior.loc.shape[1]), generator=generator)
        return segmentation(images, prior.loc + prior.scale * noise.to(prior.loc)).logits
