"""Medical Matting: a Probabilistic U-Net's uncertainty guides a matting network.

Wang et al., Medical Matting: A New Perspective on Medical Segmentation with Uncertainty, MICCAI
2021.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.distributions import Distribution, kl_divergence

from models.probabilistic_unet import Opinions, ProbabilisticUNet, uncertainty
from models.residual_2d import ChannelAttention, residual_group

SAMPLES = 8
"""Masks that the uncertainty is taken over."""


class UncertainMatte(NamedTuple):
    """What a 2D matting network says.

    Attributes
    ----------
    alpha : Tensor, (batch, 1, height, width)
        In [0, 1].
    uncertainty : Tensor, same shape
        Entropy of the sampled masks, in bits.
    mask_logits : Tensor, (batch, samples, height, width)
    divergence : Tensor, (batch,), or None
        Of the posterior from the prior, in nats; None where no mask was given.
    """

    alpha: Tensor
    uncertainty: Tensor
    mask_logits: Tensor
    divergence: Tensor | None


class UncertaintyGuidedMatting(nn.Module):
    """A Probabilistic U-Net and a matting part that is given its features and uncertainty.

    Parameters
    ----------
    matting : nn.Module
        ``matting(features, uncertainty)`` gives the logit of alpha.
    channels : int
        Of the image.
    """

    def __init__(self, matting: nn.Module, channels: int = 1) -> None:
        super().__init__()
        self.segmentation = ProbabilisticUNet(channels)
        self.matting = matting

    def forward(
        self,
        image: Tensor,
        mask: Tensor | None = None,
        samples: int = SAMPLES,
        generator: torch.Generator | None = None,
    ) -> UncertainMatte:
        """Alpha of an image.

        Parameters
        ----------
        image : Tensor, (batch, channels, height, width)
        mask : Tensor, (batch, 1, height, width), optional
            A reader's, in training: codes are then drawn from the posterior.
        samples : int
        generator : torch.Generator, optional
            Of the codes. Without a mask every image of a batch gets the same draws, so that a
            result does not depend on what else is in the batch.
        """
        prior = self.segmentation.prior(image)
        posterior = None
        if mask is not None:
            posterior = self.segmentation.posterior(torch.cat([image, mask], dim=1))
        draws = image.shape[0] if mask is not None else 1
        codes = _draw(prior if posterior is None else posterior, samples, draws, generator)
        opinions: Opinions = self.segmentation(image, codes)
        entropy = uncertainty(opinions.logits)
        logit = self.matting(torch.cat([opinions.features, image], dim=1), entropy)
        divergence = None if posterior is None else kl_divergence(posterior, prior)
        return UncertainMatte(torch.sigmoid(logit), entropy, opinions.logits, divergence)


class UncertaintyUNet(nn.Module):
    """The matting part of Medical Matting: three groups, each given the uncertainty."""

    def __init__(self, channels: int = 1) -> None:
        super().__init__()
        self.first = residual_group(32 + channels + 1, 32)
        self.attention = ChannelAttention(32)
        self.second = residual_group(32 + 1, 128)
        self.third = residual_group(128 + 1, 128)
        self.head = nn.Sequential(
            *(nn.Conv2d(128, 32, 3, padding=1), nn.BatchNorm2d(32), nn.ReLU()),
            nn.Conv2d(32, 1, 3, padding=1),
        )

    def forward(self, features: Tensor, entropy: Tensor) -> Tensor:
        """Logit of alpha, (batch, 1, height, width)."""
        features = self.attention(self.first(torch.cat([features, entropy], dim=1)))
        features = self.second(torch.cat([features, entropy], dim=1))
        features = self.third(torch.cat([features, entropy], dim=1))
        return self.head(features)


def medical_matting(channels: int = 1) -> UncertaintyGuidedMatting:
    """Medical Matting for images of so many channels."""
    return UncertaintyGuidedMatting(UncertaintyUNet(channels), channels)


def _draw(
    distribution: Distribution, samples: int, draws: int, generator: torch.Generator | None
) -> Tensor:
    """Codes, (samples, batch, latent), with gradients to the distribution's parameters."""
    mean, scale = distribution.base_dist.loc, distribution.base_dist.scale
    # A generator of the CPU gives the same codes wherever the network runs.
    device = mean.device if generator is None else generator.device
    noise = torch.randn((samples, draws, mean.shape[1]), generator=generator, device=device)
    return mean + scale * noise.to(mean)
