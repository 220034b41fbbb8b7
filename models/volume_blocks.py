"""Building blocks of the 3D matting networks: convolution, norm, activation; residual blocks."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from models.volume_layers import InstanceNorm, Pointwise


class ConvNormAct(nn.Sequential):
    """3D convolution with bias that keeps the size, instance norm, activation.

    Parameters
    ----------
    inputs, outputs : int
        Channels.
    kernel : int
        Odd.
    affine : bool
        Whether the norm learns a scale and a shift.
    activation : nn.Module
    """

    def __init__(
        self, inputs: int, outputs: int, kernel: int, affine: bool, activation: nn.Module
    ) -> None:
        super().__init__(
            nn.Conv3d(inputs, outputs, kernel, padding=kernel // 2),
            nn.InstanceNorm3d(outputs, affine=affine),
            activation,
        )


class ResidualBlock(nn.Module):
    """Two 3 x 3 x 3 convolutions beside an identity; norms without affine, PReLU of one slope."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            ConvNormAct(channels, channels, 3, False, nn.PReLU()),
            ConvNormAct(channels, channels, 3, False, nn.PReLU()),
        )

    def forward(self, features: Tensor) -> Tensor:
        """Shape in, shape out: (batch, channels, depth, height, width)."""
        return features + self.body(features)


class PointwiseNormAct(nn.Sequential):
    """1 x 1 x 1 convolution, instance norm with affine, activation."""

    def __init__(self, inputs: int, outputs: int, activation: nn.Module) -> None:
        super().__init__(Pointwise(inputs, outputs), InstanceNorm(outputs, affine=True), activation)


class GhostModule(nn.Sequential):
    """Half of the channels from a 1 x 1 x 1 convolution, the rest from them, depthwise.

    Han et al., GhostNet, CVPR 2020, in 3D.
    """

    def __init__(self, inputs: int, outputs: int, activation: nn.Module) -> None:
        super().__init__(_Ghost(inputs, outputs), InstanceNorm(outputs, affine=True), activation)


class _Ghost(nn.Module):
    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        half = outputs // 2
        self.primary = Pointwise(inputs, half)
        self.cheap = nn.Conv3d(half, half, 3, padding=1, groups=half)

    def forward(self, features: Tensor) -> Tensor:
        primary = self.primary(features)
        return torch.cat([primary, self.cheap(primary)], dim=1)


class GhostResidualBlock(nn.Module):
    """Ghost modules to twice the width and back, beside a shortcut.

    The shortcut is the identity where channels agree, else a depthwise and a pointwise convolution.

    Parameters
    ----------
    inputs, outputs : int
        Channels.
    activation : type of nn.Module
        `nn.PReLU` or `nn.LeakyReLU`.
    """

    def __init__(self, inputs: int, outputs: int, activation: type[nn.Module]) -> None:
        super().__init__()
        self.body = nn.Sequential(
            GhostModule(inputs, 2 * outputs, activation()),
            GhostModule(2 * outputs, outputs, activation()),
        )
        self.shortcut: nn.Module = nn.Identity()
        if inputs != outputs:
            self.shortcut = nn.Sequential(
                nn.Conv3d(inputs, inputs, 3, padding=1, groups=inputs),
                Pointwise(inputs, outputs),
            )

    def forward(self, features: Tensor) -> Tensor:
        """Channels change from `inputs` to `outputs`, the rest of the shape stays."""
        return self.shortcut(features) + self.body(features)


class UNet3d(nn.Module):
    """U-Net with max pooling, transposed convolutions and concatenated skips, four levels deep.

    Parameters
    ----------
    widths : tuple of int
        Channels of the stages, finest first.
    stage : callable
        ``stage(inputs, outputs)`` makes the module of one stage.
    """

    def __init__(self, widths: tuple[int, ...], stage: Callable[[int, int], nn.Module]) -> None:
        super().__init__()
        self.down = nn.ModuleList()
        inputs = 1
        for width in widths:
            self.down.append(stage(inputs, width))
            inputs = width
        self.up, self.merge = nn.ModuleList(), nn.ModuleList()
        for level in reversed(range(len(widths) - 1)):
            # The finest level keeps the width of what comes up.
            carried = inputs // 2 if level else inputs
            self.up.append(nn.ConvTranspose3d(inputs, carried, 2, stride=2))
            self.merge.append(stage(widths[level] + carried, widths[level]))
            inputs = widths[level]

    def forward(self, image: Tensor) -> Tensor:
        """(batch, 1, depth, height, width), sides multiples of 16, to the finest stage's width."""
        skips: list[Tensor] = []
        features = image
        for number, stage in enumerate(self.down):
            if number:
                features = nn.functional.max_pool3d(features, 2)
            features = stage(features)
            skips.append(features)
        for up, merge, skip in zip(self.up, self.merge, reversed(skips[:-1]), strict=True):
            features = merge(torch.cat([skip, up(features)], dim=1))
        return features
