"""SRGAN for CT: the teacher whose features DSNet distils.

Ledig et al., Photo-Realistic Single Image Super-Resolution Using a Generative Adversarial Network,
CVPR 2017, for one channel. There is no perceptual loss: no VGG is shipped, and none saw CT.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

FEATURES = 64
_BLOCKS = 16


class Enlarged(NamedTuple):
    """A slice at four times its resolution.

    Attributes
    ----------
    image : Tensor, (batch, 1, 4 height, 4 width)
        In [-1, 1].
    features : Tensor, (batch, 64, 4 height, 4 width)
        What the image is made from.
    """

    image: Tensor
    features: Tensor


class SuperResolution(nn.Module):
    """The generator: 16 residual blocks, two pixel shuffles. 1,528,724 parameters."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Sequential(nn.Conv2d(1, FEATURES, 9, padding=4), nn.PReLU())
        self.blocks = nn.Sequential(*(_Residual() for _ in range(_BLOCKS)))
        self.last = nn.Sequential(
            nn.Conv2d(FEATURES, FEATURES, 3, padding=1), nn.BatchNorm2d(FEATURES)
        )
        self.enlarge = nn.Sequential(*_twice(), *_twice())
        self.to_image = nn.Conv2d(FEATURES, 1, 9, padding=4)

    def forward(self, image: Tensor) -> Enlarged:
        """Enlarge (batch, 1, height, width), values in [-1, 1]."""
        first = self.first(image)
        features = self.enlarge(first + self.last(self.blocks(first)))
        return Enlarged(torch.tanh(self.to_image(features)), features)


class SuperResolutionDiscriminator(nn.Module):
    """Says whether an enlarged slice is a real one, as a logit.

    Parameters
    ----------
    size : int
        Rows and columns of the slice; a multiple of 16.
    """

    def __init__(self, size: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        inputs = 1
        for number, (width, stride) in enumerate(
            (w, s) for w in (64, 128, 256, 512) for s in (1, 2)
        ):
            layers.append(nn.Conv2d(inputs, width, 3, stride=stride, padding=1))
            if number:
                layers.append(nn.BatchNorm2d(width))
            layers.append(nn.LeakyReLU(0.2))
            inputs = width
        self.convolutions = nn.Sequential(*layers)
        self.decide = nn.Sequential(
            *(nn.Flatten(), nn.Linear(512 * (size // 16) ** 2, 1024)),
            *(nn.LeakyReLU(0.2), nn.Linear(1024, 1)),
        )

    def forward(self, image: Tensor) -> Tensor:
        """(batch, 1, size, size) to (batch, 1)."""
        return self.decide(self.convolutions(image))


class _Residual(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(
            *(nn.Conv2d(FEATURES, FEATURES, 3, padding=1), nn.BatchNorm2d(FEATURES), nn.PReLU()),
            *(nn.Conv2d(FEATURES, FEATURES, 3, padding=1), nn.BatchNorm2d(FEATURES)),
        )

    def forward(self, features: Tensor) -> Tensor:
        return features + self.body(features)


def _twice() -> tuple[nn.Module, ...]:
    return (nn.Conv2d(FEATURES, 4 * FEATURES, 3, padding=1), nn.PixelShuffle(2), nn.PReLU())
