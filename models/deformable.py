"""Deformable convolution of 2 x 2 taps in plain torch.

Dai et al., Deformable Convolutional Networks, ICCV 2017. Every tap is read where an offset that
differs from pixel to pixel says, between pixels by bilinear interpolation, beyond the image as
zero.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

TAPS = 4


def deformable_convolution(
    image: Tensor, offsets: Tensor, weight: Tensor, bias: Tensor | None = None
) -> Tensor:
    """Convolve with 2 x 2 taps at (0, 0), (0, 1), (1, 0), (1, 1), each moved by its offset.

    Parameters
    ----------
    image : Tensor, (batch, inputs, height, width)
    offsets : Tensor, (batch, 8, height, width)
        Pixels; channel 2k is the row offset of tap k, 2k + 1 its column offset.
    weight : Tensor, (outputs, inputs, 2, 2)
    bias : Tensor, (outputs,), optional

    Returns
    -------
    Tensor, (batch, outputs, height, width)
    """
    _, _, height, width = image.shape
    rows = torch.arange(height, device=image.device, dtype=image.dtype)[:, None]
    columns = torch.arange(width, device=image.device, dtype=image.dtype)[None, :]
    taps = []
    for tap in range(TAPS):
        row = rows + tap // 2 + offsets[:, 2 * tap]
        column = columns + tap % 2 + offsets[:, 2 * tap + 1]
        # With corners aligned to pixel edges this also holds for images of one row or column.
        grid = torch.stack([(2 * column + 1) / width - 1, (2 * row + 1) / height - 1], dim=-1)
        taps.append(
            nn.functional.grid_sample(
                image, grid, mode="bilinear", padding_mode="zeros", align_corners=False
            )
        )
    result = torch.einsum("bckhw,ock->bohw", torch.stack(taps, dim=2), weight.flatten(2))
    return result if bias is None else result + bias[:, None, None]
