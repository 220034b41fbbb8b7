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


class Baseline(nn.Module):
    """A network of MONAI that gives one logit a pixel.

    Parameters
    ----------
    body : nn.Module
        From (batch, channels, height, width) to the logit, or to a list with the logit.
    """

    def __init__(self, body: nn.Module) -> None:
        super().__init__()
        self.body = body

    def forward(self, image: Tensor) -> SlicePrediction:
        """Segment (batch, channels, height, width), sides multiples of 16."""
        logit = self.body(image)
        if isinstance(logit, list):
            (logit,) = logit
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
    return Baseline(UNet(2, channels, 1, widths, strides, num_res_units=2, norm="BATCH"))


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
        return Baseline(BasicUNetPlusPlus(2, channels, 1, widths, norm="BATCH"))


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
    return Baseline(AttentionUnet(2, channels, 1, widths, (2,) * (len(widths) - 1)))
