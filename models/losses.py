"""Losses of the matting networks, each as its paper has it."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from models.dsnet import SoftSegmentation
from models.matting_3d import Matte
from models.medical_matting import UncertainMatte

_CERTAIN = 0.1
"""Bits of uncertainty below which a pixel's gradient does not count in Medical Matting."""


def sobel(image: Tensor) -> Tensor:
    """Derivatives along each axis by Sobel's kernels, edges replicated.

    Parameters
    ----------
    image : Tensor, (batch, 1, height, width) or (batch, 1, depth, height, width)

    Returns
    -------
    Tensor, (batch, axes, ...)
        Unit slope gives one.
    """
    axes = image.dim() - 2
    slope = torch.tensor([-0.5, 0.0, 0.5], dtype=image.dtype, device=image.device)
    blur = torch.tensor([0.25, 0.5, 0.25], dtype=image.dtype, device=image.device)
    padded = nn.functional.pad(image, [1] * (2 * axes), mode="replicate")
    derivatives = []
    for axis in range(axes):
        result = padded
        for other in range(axes):
            taps = slope if other == axis else blur
            size = result.shape[2 + other] - 2
            result = sum(taps[t] * result.narrow(2 + other, t, size) for t in range(3))
        derivatives.append(result)
    return torch.cat(derivatives, dim=1)


def matting_3d_loss(
    matte: Matte, alpha: Tensor, overlap: Tensor, union: Tensor, weight: float = 10.0
) -> Tensor:
    """Loss of 3DMM: both masks by cross entropy, alpha and its gradient by absolute difference.

    Voxels of the union count twice. Wang et al., 3D Matting, with Sobel's gradient, which the paper
    does not name; nor does it say whether differences along the axes are summed, as in Medical
    Matting, or averaged, as here.

    Parameters
    ----------
    matte : Matte
    alpha : Tensor, (batch, 1, depth, height, width)
        Truth, in [0, 1].
    overlap, union : Tensor, same shape
        Truth, 0 or 1.
    weight : float
        Of the terms of alpha beside those of the masks.
    """
    cross_entropy = nn.functional.binary_cross_entropy_with_logits
    masks = cross_entropy(matte.overlap_logit, overlap) + cross_entropy(matte.union_logit, union)
    emphasis = 1 + union
    absolute = (emphasis * (matte.alpha - alpha).abs()).mean()
    gradient = (emphasis * (sobel(matte.alpha) - sobel(alpha)).abs()).mean()
    return masks + weight * (absolute + gradient)


class UncertaintyWeights(nn.Module):
    """Learned weights of a segmenting and a matting loss.

    Kendall, Gal, Cipolla, Multi-Task Learning Using Uncertainty to Weigh Losses, CVPR 2018.
    """

    def __init__(self, first: float = 4.0) -> None:
        super().__init__()
        self.log_variances = nn.Parameter(torch.full((2,), first))

    def forward(self, segmentation: Tensor, matting: Tensor) -> Tensor:
        """The weighted sum."""
        of_masks, of_alpha = self.log_variances
        weighted = torch.exp(-of_masks) * segmentation + 0.5 * torch.exp(-of_alpha) * matting
        return weighted + of_masks + of_alpha


def alternating_weight(epoch: float) -> float:
    """Share of the segmenting loss, which swings from one to the other and settles at one half.

    Medical Matting's second way to weigh its tasks.
    """
    return 0.5 * math.exp(-0.05 * epoch) * math.cos(0.03 * epoch**2) + 0.5


def medical_matting_losses(
    result: UncertainMatte, mask: Tensor, alpha: Tensor, divergence_weight: float = 10.0
) -> tuple[Tensor, Tensor]:
    """Segmenting and matting loss of Medical Matting and of its region-aware successor.

    Parameters
    ----------
    result : UncertainMatte
        Of a pass with `mask`.
    mask : Tensor, (batch, 1, height, width)
        The reader's that the posterior saw, 0 or 1.
    alpha : Tensor, (batch, 1, height, width)
        Truth, in [0, 1].
    divergence_weight : float

    Returns
    -------
    segmentation, matting : Tensor

    Raises
    ------
    ValueError
        If the pass saw no mask.
    """
    if result.divergence is None:
        raise ValueError("found a result of a pass without a mask, expected one with")
    target = mask.expand_as(result.mask_logits)
    cross_entropy = nn.functional.binary_cross_entropy_with_logits(result.mask_logits, target)
    segmentation = divergence_weight * result.divergence.mean() + cross_entropy
    absolute = (result.alpha - alpha).abs().mean()
    unsure = (result.uncertainty >= _CERTAIN).to(alpha.dtype).detach()
    difference = (sobel(result.alpha) - sobel(alpha)).abs().sum(dim=1, keepdim=True)
    # Normalised for each image by the size of its own uncertain region.
    size = unsure.sum(dim=(1, 2, 3)).clamp(min=1)
    gradient = ((difference * unsure).sum(dim=(1, 2, 3)) / size).mean()
    return segmentation, absolute + gradient


def dsnet_loss(
    result: SoftSegmentation, mask: Tensor, alpha: Tensor, judged: Tensor | None = None
) -> Tensor:
    """Loss of DSNet's segmenter: 0.5 Dice + 100 L1 of the soft mask + deceiving the discriminator.

    Parameters
    ----------
    result : SoftSegmentation
    mask, alpha : Tensor, (batch, 1, height, width)
        Truth.
    judged : Tensor, optional
        The discriminator's logits of ``result.alpha``.
    """
    # On the scale from -1 to 1, as the papers have it.
    loss = 0.5 * squared_dice_loss(torch.sigmoid(result.mask_logit), mask)
    loss = loss + 100 * 2 * (result.alpha - alpha).abs().mean()
    if judged is not None:
        loss = loss + nn.functional.softplus(-judged).mean()
    return loss


def discriminator_loss(of_truth: Tensor, of_result: Tensor) -> Tensor:
    """Binary cross entropy of a discriminator's logits."""
    return nn.functional.softplus(-of_truth).mean() + nn.functional.softplus(of_result).mean()


def squared_dice_loss(probability: Tensor, mask: Tensor) -> Tensor:
    """One minus Dice with squares in its denominator, mean over the batch."""
    axes = tuple(range(1, mask.dim()))
    both = (probability * mask).sum(dim=axes)
    size = (probability**2).sum(dim=axes) + (mask**2).sum(dim=axes)
    return (1 - (2 * both + 1e-6) / (size + 1e-6)).mean()


def prompted_loss(logits: Tensor, target: Tensor, weight: Tensor, overlap: float = 1.0) -> Tensor:
    """Loss of `models.recist_net`: cross entropy by planes, and overlap by lesions.

    The overlap is Wang et al.'s for soft targets (Dice Semimetric Losses, MICCAI 2023): of a soft
    truth it has its minimum at that truth, which the usual soft Dice has not.

    Parameters
    ----------
    logits, target : Tensor, (batch, planes, height, width)
        Target in [0, 1].
    weight : Tensor, (batch, planes)
        How much a plane counts.
    overlap : float
        Weight of the overlap.
    """
    each = nn.functional.binary_cross_entropy_with_logits(logits, target, reduction="none")
    entropy = (each.mean(dim=(2, 3)) * weight).sum() / weight.sum().clamp(min=1)
    counted = weight[:, :, None, None]
    probability = torch.sigmoid(logits)
    apart = ((probability - target).abs() * counted).sum(dim=(1, 2, 3))
    both = ((probability + target) * counted).sum(dim=(1, 2, 3))
    there = (target * counted).sum(dim=(1, 2, 3)) > 1
    lost = (apart / both.clamp(min=1e-6))[there]
    # A lesion's share of the frame is about a tenth; so weighed both terms pull alike.
    return 3 * entropy + overlap * (lost.mean() if len(lost) else 0 * entropy)
