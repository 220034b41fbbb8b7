"""Segmentation networks of MONAI, as baselines for single slices.

U-Net with residual units (Kerfoot et al., STACOM 2018), U-Net++ (Zhou et al., DLMIA 2018) and
Attention U-Net (Oktay et al., MIDL 2018), narrow enough for a CPU. Needs the extra `baselines`.
"""

from __future__ import annotations

from contextlib import redirect_stdout
from typing import NamedTuple

import torch
from monai.networks.nets import AttentionUnet, BasicUNetPlusPlus, UNet
from torch import Tensor, nn


class SlicePrediction(NamedTuple):
    """What a baseline says, each (batch, 1, height, width).

    Attributes
    ----------
    alpha : Tensor
        In [0, 1].
    logit : Tensor
    """

    alpha: Tensor
    logit: Tensor


_FIRST_LOGIT = -3.0
"""About a twentieth of a crop is lesion."""


class Baseline(nn.Module):
    """A network of MONAI, and one convolution to the logit of each pixel.

    MONAI's U-Net would end in a batch norm of one channel, which can learn to be sure only slowly.

    Parameters
    ----------
    body : nn.Module
        From (batch, channels, height, width) to features, or to a list that holds them.
    width : int
        Features.
    """

    def __init__(self, body: nn.Module, width: int) -> None:
        super().__init__()
        self.body = body
        self.head = nn.Conv2d(width, 1, 1)
        nn.init.constant_(self.head.bias, _FIRST_LOGIT)

    def forward(self, image: Tensor) -> SlicePrediction:
        """Segment (batch, channels, height, width), sides multiples of 16."""
        features = self.body(image)
        if isinstance(features, list):
            (features,) = features
        logit = self.head(features)
        return SlicePrediction(torch.sigmoid(logit), logit)


def monai_unet(widths: tuple[int, ...] = (16, 32, 64, 96, 128), channels: int = 1) -> Baseline:
    """U-Net with two convolutions in each residual unit, the first level at full resolution.

    Parameters
    ----------
    widths : tuple of int
        Features of each level, finest first; each has half the size of the one before, but the
        last, which has its size.
    channels : int
        Of the image.
    """
    strides = (1,) + (2,) * (len(widths) - 2)
    body = UNet(2, channels, widths[0], widths, strides, num_res_units=2, norm="BATCH")
    return Baseline(body, widths[0])


def monai_unet_plus_plus(
    widths: tuple[int, ...] = (16, 16, 32, 64, 96, 16), channels: int = 1
) -> Baseline:
    """U-Net++ without deep supervision.

    Parameters
    ----------
    widths : tuple of int
        Features of five levels, finest first, and of the last layer.
    channels : int
        Of the image.
    """
    # MONAI prints the widths.
    with redirect_stdout(None):
        body = BasicUNetPlusPlus(2, channels, widths[0], widths, norm="BATCH")
    return Baseline(body, widths[0])


def monai_attention_unet(
    widths: tuple[int, ...] = (16, 32, 64, 128), channels: int = 1
) -> Baseline:
    """U-Net whose skips pass attention gates.

    Parameters
    ----------
    widths : tuple of int
        Features of each level, finest first.
    channels : int
        Of the image.
    """
    body = AttentionUnet(2, channels, widths[0], widths, (2,) * (len(widths) - 1))
    return Baseline(body, widths[0])
