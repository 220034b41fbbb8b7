"""3DMM, 3DMM-M and 3DMM-MG: trimap-free 3D matting with overlap and union masks as guidance.

Wang et al., 3D Matting: A Soft Segmentation Method Applied in Computed Tomography (conference and
journal version). The papers print parameters and operations, not layers; these layers give all of
the printed numbers exactly, which does not prove that they are the authors'. The widths of the
ghost network's matting part (8, 4, 4 with three blocks each) are not a quarter of the plain one's
(8, 8, 4 with two): no layout that is a quarter gives the printed numbers.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor, nn

from models.volume_blocks import (
    ConvNormAct,
    GhostResidualBlock,
    PointwiseNormAct,
    ResidualBlock,
    UNet3d,
)
from models.volume_layers import Pointwise


class Matte(NamedTuple):
    """What a 3D matting network says, each (batch, 1, depth, height, width).

    Attributes
    ----------
    alpha : Tensor
        In [0, 1].
    overlap_logit, union_logit : Tensor
        Of what all readers call lesion, and of what any of them does.
    """

    alpha: Tensor
    overlap_logit: Tensor
    union_logit: Tensor


class MaskGuidedMatting(nn.Module):
    """A U-Net, auxiliary masks from its features, and a matting part that they guide.

    Parameters
    ----------
    unet : nn.Module
        From (batch, 1, ...) to features of the same size.
    mask_branches : sequence of nn.Module
        Two with one output channel each (overlap, union), or one with two.
    guided : sequence of nn.Module
        Groups of the matting part; each is given the masks beside the features.
    head : nn.Module
        To two channels, of which the second's softmax is alpha.
    guidance : bool
        Whether the masks are given to the matting part. Without, they are still learned.
    """

    def __init__(
        self,
        unet: nn.Module,
        mask_branches: list[nn.Module],
        guided: list[nn.Module],
        head: nn.Module,
        guidance: bool,
    ) -> None:
        super().__init__()
        self.unet = unet
        self.mask_branches = nn.ModuleList(mask_branches)
        self.guided = nn.ModuleList(guided)
        self.head = head
        self.guidance = guidance

    def forward(self, image: Tensor) -> Matte:
        """Matte of (batch, 1, depth, height, width), sides multiples of 16."""
        shared = self.unet(image)
        logits = torch.cat([branch(shared) for branch in self.mask_branches], dim=1)
        masks = torch.sigmoid(logits)
        features = torch.cat([shared, image], dim=1)
        for group in self.guided:
            features = group(torch.cat([features, masks], dim=1) if self.guidance else features)
        alpha = torch.softmax(self.head(features), dim=1)[:, 1:]
        return Matte(alpha, logits[:, :1], logits[:, 1:])


_MASKS = 2


def matting_3d(guidance: bool = True) -> MaskGuidedMatting:
    """3DMM: a branch for the overlap and a branch for the union. 2,940,327 parameters."""
    return _plain([_mask_branch(1), _mask_branch(1)], guidance)


def matting_3d_merged(guidance: bool = True) -> MaskGuidedMatting:
    """3DMM-M: one branch for both masks. 2,829,603 parameters."""
    return _plain([_mask_branch(2)], guidance)


def matting_3d_ghost(guidance: bool = True) -> MaskGuidedMatting:
    """3DMM-MG: one branch, a quarter of the width, ghost modules. 32,577 parameters."""
    stage = partial(GhostResidualBlock, activation=nn.PReLU)
    block = partial(GhostResidualBlock, activation=nn.LeakyReLU)
    branch = nn.Sequential(block(8, 8), block(8, 8), Pointwise(8, 2))

    def group(inputs: int, outputs: int) -> nn.Module:
        fuse = PointwiseNormAct(inputs, outputs, nn.PReLU())
        return nn.Sequential(fuse, *(block(outputs, outputs) for _ in range(3)))

    return MaskGuidedMatting(
        UNet3d((8, 8, 16, 24, 32), stage),
        [branch],
        _groups(group, (8 + 1, 8, 4), (8, 4, 4), guidance),
        Pointwise(4, 2),
        guidance,
    )


def _plain(branches: list[nn.Module], guidance: bool) -> MaskGuidedMatting:
    def stage(inputs: int, outputs: int) -> nn.Module:
        first = ConvNormAct(inputs, outputs, 3, True, nn.LeakyReLU(0.1))
        return nn.Sequential(first, ConvNormAct(outputs, outputs, 3, True, nn.LeakyReLU(0.1)))

    def group(inputs: int, outputs: int) -> nn.Module:
        fuse = ConvNormAct(inputs, outputs, 1, False, nn.PReLU())
        return nn.Sequential(fuse, ResidualBlock(outputs), ResidualBlock(outputs))

    return MaskGuidedMatting(
        UNet3d((32, 32, 64, 96, 128), stage),
        branches,
        _groups(group, (32 + 1, 8, 8), (8, 8, 4), guidance),
        nn.Conv3d(4, 2, 1),
        guidance,
    )


def _mask_branch(masks: int) -> nn.Module:
    return nn.Sequential(ResidualBlock(32), ResidualBlock(32), nn.Conv3d(32, masks, 1))


def _groups(
    group: Callable[[int, int], nn.Module],
    inputs: tuple[int, ...],
    outputs: tuple[int, ...],
    guidance: bool,
) -> list[nn.Module]:
    extra = _MASKS if guidance else 0
    return [group(i + extra, o) for i, o in zip(inputs, outputs, strict=True)]
