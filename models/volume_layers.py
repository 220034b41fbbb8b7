"""Layers of 3D networks for tensors whose channels lie side by side in memory, on a CPU above all.

PyTorch's own layers do the same, but are slow on a CPU where there are few channels: a 1 x 1 x 1
convolution is a product of matrices, and sums over voxels are products of matrices, too.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


def by_voxel(features: Tensor) -> Tensor:
    """Views (batch, channels, depth, height, width) as (batch, voxels, channels)."""
    features = features.contiguous(memory_format=torch.channels_last_3d)
    return features.permute(0, 2, 3, 4, 1).flatten(1, 3)


def by_channel(voxels: Tensor, like: Tensor) -> Tensor:
    """Views (batch, voxels, channels) with the extent of another tensor, channels first."""
    batch, _, channels = voxels.shape
    return voxels.view(batch, *like.shape[2:], channels).permute(0, 4, 1, 2, 3)


class Pointwise(nn.Conv3d):
    """A 1 x 1 x 1 convolution."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__(inputs, outputs, 1)

    def forward(self, features: Tensor) -> Tensor:
        """Channels change, the rest of the shape stays."""
        if features.device.type != "cpu":
            return super().forward(features)
        voxels = by_voxel(features)
        weight = self.weight.flatten(1).t()
        made = torch.addmm(self.bias, voxels.flatten(0, 1), weight)
        return by_channel(made.view(*voxels.shape[:2], -1), features)


class InstanceNorm(nn.InstanceNorm3d):
    """Each channel of each volume to mean zero and variance one, then, if affine, scaled."""

    def forward(self, features: Tensor) -> Tensor:
        """Shape in, shape out."""
        if features.device.type != "cpu":
            return super().forward(features)
        voxels = by_voxel(features)
        count = voxels.shape[1]
        # The mean goes first: what is left squares without loss of digits.
        centred = voxels - voxels.mean(dim=1, keepdim=True)
        variance = torch.bmm(centred.transpose(1, 2), centred).diagonal(dim1=1, dim2=2) / count
        scale = torch.rsqrt(variance + self.eps)
        if self.affine:
            scale = scale * self.weight
        scale = scale[:, None]
        if torch.is_grad_enabled():
            normed = centred * scale
            normed = normed + self.bias if self.affine else normed
        else:
            normed = centred.mul_(scale)
            normed = normed.add_(self.bias) if self.affine else normed
        return by_channel(normed, features)
