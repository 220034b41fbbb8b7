"""Alpha of any network that segments, at the size of what it was given."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from models.medical_matting import UncertaintyGuidedMatting

CODES_SEED = 0
"""Of the codes that a probabilistic network draws: each pass draws the same ones."""


def alpha_of(network: nn.Module, images: Tensor) -> Tensor:
    """Alpha of images, in single precision.

    Parameters
    ----------
    network : nn.Module
        In evaluation mode. Its answer has an attribute ``alpha`` in [0, 1], or is a logit.
    images : Tensor, (batch, channels, height, width) or (batch, channels, depth, height, width)
        As its input contract says, on its device.

    Returns
    -------
    Tensor of float32, (batch, 1, ...)
        Of a network that answers at a multiple of the size (DSNet at four times) the mean over
        each pixel. What is given for an image does not depend on the others of the batch.
    """
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
