"""DSNet: a lesion and its soft mask from a slice and what a super-resolution teacher sees in it.

Two papers: one joins the teacher's features by feature relation modules (EDRFM, SDRFM), the other
by a detail-relevant transfer module (DRTM). One map gives both results: its sigmoid is the mask,
its tanh the soft mask on a scale from -1 to 1.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from models.cbam_unet import AttentionUNet
from models.super_resolution import FEATURES, SuperResolution

SCALE = 4
"""The teacher's enlargement: results are so much larger than the slice."""


class SoftSegmentation(NamedTuple):
    """What DSNet says, each (batch, 1, 4 height, 4 width).

    Attributes
    ----------
    mask_logit : Tensor
    alpha : Tensor
        In [0, 1].
    """

    mask_logit: Tensor
    alpha: Tensor


class DSNet(nn.Module):
    """The frozen teacher, a module that joins its features with the slice, and the backbone.

    Parameters
    ----------
    join : nn.Module
        ``join(enlarged slice, teacher's slice, teacher's features)`` gives 64 channels.
    teacher : SuperResolution
        Learns nothing here.
    """

    def __init__(self, join: nn.Module, teacher: SuperResolution) -> None:
        super().__init__()
        self.teacher = teacher.requires_grad_(False)
        self.join = join
        self.backbone = AttentionUNet(FEATURES)

    def train(self, mode: bool = True) -> DSNet:
        """As any module, but for the teacher's batch norms, which stay as they were learned."""
        super().train(mode)
        self.teacher.eval()
        return self

    def forward(self, image: Tensor) -> SoftSegmentation:
        """Segment (batch, 1, height, width), values in [-1, 1], sides multiples of 4."""
        with torch.no_grad():
            detail = self.teacher(image)
        enlarged = nn.functional.interpolate(
            image, scale_factor=SCALE, mode="bilinear", align_corners=False
        )
        logit = self.backbone(self.join(enlarged, detail.image, detail.features))
        return SoftSegmentation(logit, (torch.tanh(logit) + 1) / 2)


class DetailRelevantTransfer(nn.Module):
    """DRTM (DSNet, journal version, eq. 9 to 14): details where they matter, and context.

    59,008 parameters.
    """

    def __init__(self) -> None:
        super().__init__()
        c = FEATURES
        self.point = nn.Conv2d(c, c, 1)
        self.surround = nn.Conv2d(c, c, 3, padding=2, dilation=2)
        self.context = nn.Sequential(nn.Conv2d(2, c, 3, padding=1), nn.BatchNorm2d(c))
        self.squeeze = nn.Linear(2 * c, c)
        self.to_context, self.to_detail = nn.Linear(c, c), nn.Linear(c, c)

    def forward(self, enlarged: Tensor, teacher_image: Tensor, features: Tensor) -> Tensor:
        """Join (batch, 1, h, w), (batch, 1, h, w) and (batch, 64, h, w) to (batch, 64, h, w)."""
        high = torch.sigmoid(self.point(features) - self.surround(features))
        detail = features * high
        context = self.context(torch.cat([enlarged, teacher_image], dim=1))
        pooled = torch.cat([context, detail], dim=1).mean(dim=(2, 3))
        squeezed = self.squeeze(pooled)
        votes = torch.stack([self.to_context(squeezed), self.to_detail(squeezed)])
        of_context, of_detail = torch.softmax(votes, dim=0)[..., None, None]
        return of_context * context + of_detail * detail


class EarlyRelation(nn.Module):
    """EDRFM: slice, enlarged slice and features through one convolution."""

    def __init__(self) -> None:
        super().__init__()
        self.merge = nn.Conv2d(FEATURES + 2, FEATURES, 3, padding=1)

    def forward(self, enlarged: Tensor, teacher_image: Tensor, features: Tensor) -> Tensor:
        """Join as `DetailRelevantTransfer.forward` does."""
        return self.merge(torch.cat([enlarged, teacher_image, features], dim=1))


class SelectiveRelation(nn.Module):
    """SDRFM: a branch of context and one of detail, and per channel how much each counts."""

    def __init__(self) -> None:
        super().__init__()
        self.context = nn.Conv2d(2, FEATURES, 3, padding=1)
        self.detail = nn.Conv2d(FEATURES, FEATURES, 3, padding=1)
        self.select = nn.Linear(2 * FEATURES, 2 * FEATURES)

    def forward(self, enlarged: Tensor, teacher_image: Tensor, features: Tensor) -> Tensor:
        """Join as `DetailRelevantTransfer.forward` does."""
        context = self.context(torch.cat([enlarged, teacher_image], dim=1))
        detail = self.detail(features)
        votes = self.select(torch.cat([context, detail], dim=1).mean(dim=(2, 3)))
        shares = torch.softmax(torch.stack(votes.chunk(2, dim=1)), dim=0)[..., None, None]
        return shares[0] * context + shares[1] * detail


class PixelDiscriminator(nn.Module):
    """Says of each pixel whether image and soft mask belong together, as a logit."""

    def __init__(self) -> None:
        super().__init__()
        self.decide = nn.Sequential(
            *(nn.Conv2d(2, 64, 1), nn.LeakyReLU(0.2)),
            *(nn.Conv2d(64, 128, 1), nn.BatchNorm2d(128), nn.LeakyReLU(0.2)),
            nn.Conv2d(128, 1, 1),
        )

    def forward(self, image: Tensor, soft_mask: Tensor) -> Tensor:
        """(batch, 1, h, w) twice to (batch, 1, h, w)."""
        return self.decide(torch.cat([image, soft_mask], dim=1))


def dsnet() -> DSNet:
    """DSNet with the detail-relevant transfer module."""
    return DSNet(DetailRelevantTransfer(), SuperResolution())


def dsnet_early() -> DSNet:
    """DSNet with the early relation module."""
    return DSNet(EarlyRelation(), SuperResolution())


def dsnet_selective() -> DSNet:
    """DSNet with the selective relation module."""
    return DSNet(SelectiveRelation(), SuperResolution())
