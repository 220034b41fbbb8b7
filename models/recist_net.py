"""A network that segments the lesion under a RECIST mark, on planes in the mark's own frame.

Our own design. The mark is drawn into the input, so that the network knows which lesion is meant
and how large; the frame is turned and scaled to the mark, so that it sees lesions of one size in
one position. Planes are the CT's own slices: convolutions in the plane, and beside them some along
z that mix neighbouring planes at the coarser levels. Batch norms, not group norms: a plane's result
depends on planes next to it only, not on how many there are.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn

CHANNELS = 13
"""Channels of the input; `pipelines.prompted.channels` makes them."""


class RecistNet(nn.Module):
    """Residual U-Net over stacks of planes.

    Parameters
    ----------
    channels : int
        Of the input.
    widths : tuple of int
        Features of each level, finest first.
    blocks : int
        Residual blocks of each level but the finest on the way down.
    """

    def __init__(
        self,
        channels: int = CHANNELS,
        widths: tuple[int, ...] = (16, 32, 64, 128),
        blocks: int = 1,
    ) -> None:
        super().__init__()
        self.stride = 2 ** (len(widths) - 1)
        self.stem = _Convolution(channels, widths[0], 3)
        self.down = nn.ModuleList(_Stage(a, b, blocks) for a, b in pairwise(widths))
        self.narrow = nn.ModuleList(
            nn.Conv2d(b, a, 1, bias=False) for a, b in reversed(list(pairwise(widths)))
        )
        self.merge = nn.ModuleList(_ResidualBlock(a) for a in reversed(widths[:-1]))
        self.head = nn.Conv2d(widths[0], 1, 1)
        # About a tenth of the frame is lesion.
        nn.init.constant_(self.head.bias, -2.2)

    def forward(self, planes: Tensor) -> Tensor:
        """Logits of what readers mark.

        Parameters
        ----------
        planes : Tensor, (batch, planes, channels, height, width)
            Height and width are multiples of ``stride``.

        Returns
        -------
        Tensor, (batch, planes, height, width)
        """
        batch, count = planes.shape[:2]
        features = planes.flatten(0, 1).contiguous(memory_format=torch.channels_last)
        features = self.stem(features)
        skips = [features]
        for stage in self.down:
            features = stage(features, batch)
            skips.append(features)
        for narrow, merge, skip in zip(self.narrow, self.merge, reversed(skips[:-1]), strict=True):
            up = nn.functional.interpolate(
                narrow(features), scale_factor=2, mode="bilinear", align_corners=False
            )
            features = merge(skip + up)
        return self.head(features).unflatten(0, (batch, count)).squeeze(2)


class _Convolution(nn.Sequential):
    """Convolution in the plane, norm, SiLU."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int = 1) -> None:
        super().__init__(
            nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False),
            nn.BatchNorm2d(outputs),
            nn.SiLU(inplace=True),
        )


class _ResidualBlock(nn.Module):
    """Two convolutions beside an identity."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = _Convolution(width, width, 3)
        self.second = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(width)
        self.activation = nn.SiLU(inplace=True)

    def forward(self, features: Tensor) -> Tensor:
        return self.activation(features + self.norm(self.second(self.first(features))))


class _AcrossPlanes(nn.Module):
    """A convolution of three along z beside an identity."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(width, width, (3, 1), padding=(1, 0), bias=False)
        self.norm = nn.BatchNorm2d(width)
        self.activation = nn.SiLU(inplace=True)

    def forward(self, features: Tensor, batch: int) -> Tensor:
        planes, width, height, columns = features.shape
        # Rows are planes and columns are pixels: with channels last this is a view, not a copy.
        stack = features.permute(0, 2, 3, 1).reshape(batch, planes // batch, -1, width)
        mixed = self.norm(self.convolution(stack.permute(0, 3, 1, 2)))
        mixed = mixed.permute(0, 2, 3, 1).reshape(planes, height, columns, width)
        return self.activation(features + mixed.permute(0, 3, 1, 2))


class _Stage(nn.Module):
    """Half the size, then residual blocks with a mixing of planes after the first."""

    def __init__(self, inputs: int, outputs: int, blocks: int) -> None:
        super().__init__()
        self.shrink = _Convolution(inputs, outputs, 3, stride=2)
        self.blocks = nn.ModuleList(_ResidualBlock(outputs) for _ in range(blocks))
        self.across = _AcrossPlanes(outputs)

    def forward(self, features: Tensor, batch: int) -> Tensor:
        features = self.shrink(features)
        for number, block in enumerate(self.blocks):
            features = block(features)
            if number == 0:
                features = self.across(features, batch)
        return features
