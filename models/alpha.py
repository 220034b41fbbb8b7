"""Alpha of any network that segments, at the size of what it was given."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from models.medical_matting import UncertaintyGuidedMatting

CODES_SEED = 0
"""Of the codes that a probabilistic network draws: each pass draws the same ones."""


def alpha_of(network: nn.Module, images: Tensor, views: int = 1) -> Tensor:
    """Alpha of images, in single precision.

    Parameters
    ----------
    network : nn.Module
        In evaluation mode. Its answer has an attribute ``alpha`` in [0, 1], or is a logit.
    images : Tensor, (batch, channels, height, width) or (batch, channels, depth, height, width)
        As its input contract says, on its device.
    views : int
        One of `models.contract.VIEWS`; more than one of slices only.

    Returns
    -------
    Tensor of float32, (batch, 1, ...)
        Of a network that answers at a multiple of the size (DSNet at four times) the mean over
        each pixel. What is given for an image does not depend on the others of the batch.
    """
    if views == 1:
        return _alpha(network, images)
    mirrored = ((), (2,), (3,), (2, 3))
    found = sum(_alpha(network, images.flip(axes)).flip(axes) for axes in mirrored)
    if views == 8:
        turned = images.transpose(2, 3)
        found = found + sum(
            _alpha(network, turned.flip(axes)).flip(axes).transpose(2, 3) for axes in mirrored
        )
    return found / views


def _alpha(network: nn.Module, images: Tensor) -> Tensor:
    drawn = {}
    if isinstance(network, UncertaintyGuidedMatting):
        drawn["generator"] = torch.Generator().manual_seed(CODES_SEED)
    answer = network(images, **drawn)
    alpha = answer.alpha.float() if hasattr(answer, "alpha") else torch.sigmoid(answer.float())
    factors = tuple(a // i for a, i in zip(alpha.shape[2:], images.shape[2:], strict=True))
    if any(factor > 1 for factor in factors):
        pool = nn.functional.avg_pool2d if len(factors) == 2 else nn.functional.avg_pool3d
        alpha = pool(alpha, factors)
    return alpha
