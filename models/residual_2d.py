"""Residual blocks and channel attention of the 2D matting networks."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class ResidualBlock2d(nn.Module):
    """Two 3 x 3 convolutions with batch norm beside a shortcut, ReLU after their sum.

    Parameters
    ----------
    inputs, outputs : int
        Channels.
    projects : bool
        Whether the shortcut is a 1 x 1 convolution; it must be where channels differ.
    """

    def __init__(self, inputs: int, outputs: int, projects: bool = False) -> None:
        super().__init__()
        self.body = nn.Sequential(
            *(nn.Conv2d(inputs, outputs, 3, padding=1), nn.BatchNorm2d(outputs), nn.ReLU()),
            *(nn.Conv2d(outputs, outputs, 3, padding=1), nn.BatchNorm2d(outputs)),
        )
        self.shortcut: nn.Module = nn.Identity()
        if projects or inputs != outputs:
            self.shortcut = nn.Sequential(nn.Conv2d(inputs, outputs, 1), nn.BatchNorm2d(outputs))

    def forward(self, features: Tensor) -> Tensor:
        """Channels change from `inputs` to `outputs`, the rest of the shape stays."""
        return torch.relu(self.body(features) + self.shortcut(features))


def residual_group(inputs: int, outputs: int) -> nn.Sequential:
    """Three residual blocks; the first projects."""
    return nn.Sequential(
        ResidualBlock2d(inputs, outputs, projects=True),
        ResidualBlock2d(outputs, outputs),
        ResidualBlock2d(outputs, outputs),
    )


class ChannelAttention(nn.Module):
    """Scales channels by what their mean and their maximum say.

    The channel half of CBAM (Woo et al., ECCV 2018).

    Parameters
    ----------
    channels : int
    reduction : int
        Ratio of the middle layer's width to `channels`.
    bias : bool
    """

    def __init__(self, channels: int, reduction: int = 16, bias: bool = True) -> None:
        super().__init__()
        middle = max(channels // reduction, 1)
        self.mlp = nn.Sequential(
            nn.Linear(channels, middle, bias=bias),
            nn.ReLU(),
            nn.Linear(middle, channels, bias=bias),
        )

    def forward(self, features: Tensor) -> Tensor:
        """Shape in, shape out: (batch, channels, height, width)."""
        gate = self.mlp(features.mean(dim=(2, 3))) + self.mlp(features.amax(dim=(2, 3)))
        return features * torch.sigmoid(gate)[:, :, None, None]
