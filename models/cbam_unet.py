"""The backbone of DSNet: a U-Net of residual blocks with channel and spatial attention.

Widths are not printed in the papers; 32 to 512 are our choice (14,459,352 parameters with 64 input
channels). Each 3 x 3 convolution is followed by ReLU and then batch norm, in that order, as the
papers draw it.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn

from models.residual_2d import ChannelAttention

WIDTHS = (32, 64, 128, 256, 512)


class SpatialAttention(nn.Module):
    """Scales pixels by what the maximum and the mean over channels say around them.

    The spatial half of CBAM (Woo et al., ECCV 2018).
    """

    def __init__(self) -> None:
        super().__init__()
        self.gate = nn.Conv2d(2, 1, 7, padding=3)

    def forward(self, features: Tensor) -> Tensor:
        """Shape in, shape out: (batch, channels, height, width)."""
        greatest, mean = features.amax(dim=1, keepdim=True), features.mean(dim=1, keepdim=True)
        return features * torch.sigmoid(self.gate(torch.cat([greatest, mean], dim=1)))


class AttentionBlock(nn.Module):
    """Two convolutions and both attentions, beside a shortcut."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            *(nn.Conv2d(inputs, outputs, 3, padding=1), nn.ReLU(), nn.BatchNorm2d(outputs)),
            *(nn.Conv2d(outputs, outputs, 3, padding=1), nn.ReLU(), nn.BatchNorm2d(outputs)),
            *(ChannelAttention(outputs), SpatialAttention()),
        )
        self.shortcut: nn.Module = nn.Identity()
        if inputs != outputs:
            self.shortcut = nn.Conv2d(inputs, outputs, 1)

    def forward(self, features: Tensor) -> Tensor:
        """Channels change from `inputs` to `outputs`, the rest of the shape stays."""
        return self.body(features) + self.shortcut(features)


class AttentionUNet(nn.Module):
    """From features to one map.

    Parameters
    ----------
    inputs : int
        Channels.
    """

    def __init__(self, inputs: int) -> None:
        super().__init__()
        self.first = AttentionBlock(inputs, WIDTHS[0])
        pairs = list(pairwise(WIDTHS))
        self.down = nn.ModuleList(
            nn.Sequential(nn.Conv2d(i, o, 4, 2, 1), nn.ReLU(), AttentionBlock(o, o))
            for i, o in pairs
        )
        self.up = nn.ModuleList(
            nn.Sequential(nn.ConvTranspose2d(o, i, 4, 2, 1), nn.ReLU()) for i, o in pairs[::-1]
        )
        self.merge = nn.ModuleList(AttentionBlock(2 * i, i) for i, _ in pairs[::-1])
        self.head = nn.Conv2d(WIDTHS[0], 1, 3, padding=1)

    def forward(self, features: Tensor) -> Tensor:
        """(batch, inputs, height, width), sides multiples of 16, to (batch, 1, height, width)."""
        features = self.first(features)
        skips = [features]
        for stage in self.down:
            features = stage(features)
            skips.append(features)
        for up, merge, skip in zip(self.up, self.merge, skips[-2::-1], strict=True):
            features = merge(torch.cat([up(features), skip], dim=1))
        return self.head(features)
