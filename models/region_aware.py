"""Medical Matting with a region-aware implicit function in place of fixed up-sampling.

Wang et al., Medical Matting: Medical Image Segmentation with Uncertainty from the Matting
Perspective. Each pixel between the pixels of a coarse map is read from a region that the network
itself places: a deformable convolution gathers it, and a small perceptron turns what was gathered,
with the offsets, into the pixel's features. Channel widths are not printed; these are our choice.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from models.deformable import TAPS, deformable_convolution
from models.medical_matting import UncertaintyGuidedMatting
from models.residual_2d import ChannelAttention, residual_group

_WIDTHS = (32, 64, 128)


class RegionAwareUpsampling(nn.Module):
    """Enlarge a map, each new pixel from a learned region.

    Parameters
    ----------
    inputs, outputs : int
        Channels.
    scale : int
    """

    def __init__(self, inputs: int, outputs: int, scale: int = 2) -> None:
        super().__init__()
        self.scale = scale
        self.offsets = nn.ModuleList(
            _offset_convolution(inputs, phase, scale) for phase in range(scale**2)
        )
        self.weight = nn.Parameter(torch.empty(outputs, inputs, 2, 2))
        self.bias = nn.Parameter(torch.zeros(outputs))
        nn.init.kaiming_normal_(self.weight, mode="fan_in", nonlinearity="relu")
        self.perceptron = nn.Sequential(
            nn.Conv2d(outputs + 2 * TAPS, outputs, 1),
            nn.ReLU(),
            nn.Conv2d(outputs, outputs, 1),
        )

    def forward(self, features: Tensor) -> Tensor:
        """(batch, inputs, height, width) to (batch, outputs, scale height, scale width)."""
        count, size = self.scale**2, features.shape[2:]
        offsets = torch.cat([convolution(features) for convolution in self.offsets], dim=1)
        regions = deformable_convolution(features, offsets, self.weight, self.bias)
        # Each phase through the same perceptron.
        given = [part.unflatten(1, (count, -1)) for part in (regions, offsets)]
        phases = self.perceptron(torch.cat(given, dim=2).flatten(0, 1))
        phases = phases.unflatten(0, (-1, count)).transpose(1, 2)
        return nn.functional.pixel_shuffle(
            phases.reshape(-1, count * phases.shape[1], *size), self.scale
        )


def _offset_convolution(inputs: int, phase: int, scale: int) -> nn.Conv2d:
    """At first the four taps lie around the new pixel's own place, half a pixel to each side."""
    convolution = nn.Conv2d(inputs, 2 * TAPS, 3, padding=1)
    place = [(index + 0.5) / scale - 0.5 for index in divmod(phase, scale)]
    with torch.no_grad():
        convolution.weight.zero_()
        convolution.bias.copy_(torch.tensor(place).sub(0.5).repeat(TAPS))
    return convolution


class RegionAwareUNet(nn.Module):
    """The matting part at three scales: residual groups down, region-aware up-sampling back."""

    def __init__(self, channels: int = 1) -> None:
        super().__init__()
        fine, middle, coarse = _WIDTHS
        self.first = residual_group(fine + channels, fine)
        self.attention = ChannelAttention(fine)
        self.second = residual_group(fine + 1, middle)
        self.third = residual_group(middle + 1, coarse)
        self.to_middle = RegionAwareUpsampling(coarse, middle)
        self.to_fine = RegionAwareUpsampling(2 * middle, fine)
        self.head = nn.Sequential(
            *(nn.Conv2d(2 * fine, fine, 3, padding=1), nn.BatchNorm2d(fine), nn.ReLU()),
            nn.Conv2d(fine, 1, 3, padding=1),
        )

    def forward(self, features: Tensor, entropy: Tensor) -> Tensor:
        """Logit of alpha, (batch, 1, height, width)."""
        fine = self.attention(self.first(features))
        entropy = _halved(entropy, nn.functional.avg_pool2d)
        middle = self.second(torch.cat([_halved(fine, nn.functional.max_pool2d), entropy], dim=1))
        entropy = _halved(entropy, nn.functional.avg_pool2d)
        coarse = self.third(torch.cat([_halved(middle, nn.functional.max_pool2d), entropy], dim=1))
        middle = torch.cat([_cropped(self.to_middle(coarse), middle), middle], dim=1)
        fine = torch.cat([_cropped(self.to_fine(middle), fine), fine], dim=1)
        return self.head(fine)


def region_aware_matting(channels: int = 1) -> UncertaintyGuidedMatting:
    """The region-aware network for images of so many channels."""
    return UncertaintyGuidedMatting(RegionAwareUNet(channels), channels)


def _halved(features: Tensor, pool) -> Tensor:
    return pool(features, 2, ceil_mode=True)


def _cropped(features: Tensor, like: Tensor) -> Tensor:
    """Without the row or column that an odd size gained on its way down and up."""
    return features[:, :, : like.shape[2], : like.shape[3]]
