"""Probabilistic U-Net: many plausible masks of one image, and where they differ.

Kohl et al., A Probabilistic U-Net for Segmentation of Ambiguous Images, NeurIPS 2018, with the
widths of Medical Matting (Wang et al., MICCAI 2021). A latent code, drawn from a prior that sees
the image (in training from a posterior that sees a reader's mask, too), is joined to the features
of a U-Net and decides which mask comes out.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.distributions import Independent, Normal

WIDTHS = (32, 64, 128, 192)


class Opinions(NamedTuple):
    """What the sampled masks say.

    Attributes
    ----------
    logits : Tensor, (batch, samples, height, width)
        One mask a sample.
    features : Tensor, (batch, 32, height, width)
        Mean over samples of what each mask's last layer sees.
    """

    logits: Tensor
    features: Tensor


class ProbabilisticUNet(nn.Module):
    """U-Net, prior and posterior over a latent code, and the layers that join them.

    Parameters
    ----------
    channels : int
        Of the image.
    latent : int
        Length of the code.
    """

    def __init__(self, channels: int = 1, latent: int = 2) -> None:
        super().__init__()
        self.unet = _UNet(channels)
        self.prior = _CodeEncoder(channels, latent)
        self.posterior = _CodeEncoder(channels + 1, latent)
        self.join = nn.Sequential(
            *(nn.Conv2d(WIDTHS[0] + latent, WIDTHS[0], 1), nn.ReLU()),
            *(nn.Conv2d(WIDTHS[0], WIDTHS[0], 1), nn.ReLU()),
            *(nn.Conv2d(WIDTHS[0], WIDTHS[0], 1), nn.ReLU()),
        )
        self.to_logit = nn.Conv2d(WIDTHS[0], 1, 1)
        for layer in (*self.join, self.to_logit):
            if isinstance(layer, nn.Conv2d):
                nn.init.orthogonal_(layer.weight)
                nn.init.trunc_normal_(layer.bias, std=0.001)

    def forward(self, image: Tensor, codes: Tensor) -> Opinions:
        """Masks of an image, one for each code.

        Parameters
        ----------
        image : Tensor, (batch, channels, height, width)
        codes : Tensor, (samples, batch, latent)
        """
        shared = self.unet(image)
        samples, batch, _ = codes.shape
        height, width = shared.shape[2:]
        # The first layer sees the same features with every code: they go through it once.
        first, *rest = self.join
        of_features, of_code = first.weight.split([shared.shape[1], codes.shape[2]], dim=1)
        joined = nn.functional.conv2d(shared, of_features, first.bias)
        features = joined + (codes @ of_code.flatten(1).t())[..., None, None]
        features = features.flatten(0, 1)
        for layer in rest:
            features = layer(features)
        logits = self.to_logit(features).reshape(samples, batch, height, width)
        features = features.unflatten(0, (samples, batch))
        return Opinions(logits.transpose(0, 1), features.mean(dim=0))


def uncertainty(logits: Tensor) -> Tensor:
    """Entropy in bits of the mean of sampled masks, (batch, samples, ...) to (batch, 1, ...)."""
    p = torch.sigmoid(logits).mean(dim=1, keepdim=True)
    q = 1 - p
    return -p * torch.log2(p + 1e-6) - q * torch.log2(q + 1e-6)


class _UNet(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        inputs = (channels, *WIDTHS[:-1])
        self.down = nn.ModuleList(
            _convolutions(i, o, norm=True) for i, o in zip(inputs, WIDTHS, strict=True)
        )
        self.up = nn.ModuleList(
            _convolutions(coarse + fine, fine, norm=True)
            for fine, coarse in zip(WIDTHS[-2::-1], WIDTHS[:0:-1], strict=True)
        )

    def forward(self, image: Tensor) -> Tensor:
        skips: list[Tensor] = []
        features = image
        for number, stage in enumerate(self.down):
            features = stage(_halved(features) if number else features)
            skips.append(features)
        for stage, skip in zip(self.up, skips[-2::-1], strict=True):
            features = nn.functional.interpolate(
                features, size=skip.shape[2:], mode="bilinear", align_corners=True
            )
            features = stage(torch.cat([features, skip], dim=1))
        return features


class _CodeEncoder(nn.Module):
    """From an image to a normal distribution over codes."""

    def __init__(self, channels: int, latent: int) -> None:
        super().__init__()
        inputs = (channels, *WIDTHS[:-1])
        self.stages = nn.ModuleList(
            _convolutions(i, o, norm=False) for i, o in zip(inputs, WIDTHS, strict=True)
        )
        self.to_code = nn.Conv2d(WIDTHS[-1], 2 * latent, 1)
        _initialise(self.to_code)

    def forward(self, image: Tensor) -> Independent:
        features = image
        for number, stage in enumerate(self.stages):
            features = stage(_halved(features) if number else features)
        pooled = features.mean(dim=(2, 3), keepdim=True)
        mean, log_scale = self.to_code(pooled).flatten(1).chunk(2, dim=1)
        return Independent(Normal(mean, torch.exp(log_scale)), 1)


def _halved(features: Tensor) -> Tensor:
    return nn.functional.avg_pool2d(features, 2, ceil_mode=True)


def _convolutions(inputs: int, outputs: int, norm: bool) -> nn.Sequential:
    layers: list[nn.Module] = []
    for i in (inputs, outputs, outputs):
        convolution = nn.Conv2d(i, outputs, 3, padding=1)
        _initialise(convolution)
        layers += (
            [convolution, nn.BatchNorm2d(outputs), nn.ReLU()] if norm else [convolution, nn.ReLU()]
        )
    return nn.Sequential(*layers)


def _initialise(convolution: nn.Conv2d) -> None:
    nn.init.kaiming_normal_(convolution.weight, mode="fan_in", nonlinearity="relu")
    nn.init.trunc_normal_(convolution.bias, std=0.001)
