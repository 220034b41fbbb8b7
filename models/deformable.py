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
    offsets : Tensor, (batch, 8 n, height, width)
        Pixels, for n convolutions with the same weights; of each, channel 2k is the row offset of
        tap k, 2k + 1 its column offset.
    weight : Tensor, (outputs, inputs, 2, 2)
    bias : Tensor, (outputs,), optional

    Returns
    -------
    Tensor, (batch, n outputs, height, width)
    """
    batch, inputs, height, width = image.shape
    outputs = weight.shape[0]
    # Sampling and weighing commute, and there are mostly fewer outputs than inputs to sample.
    weighed = nn.functional.conv2d(image, weight.permute(2, 3, 0, 1).reshape(-1, inputs, 1, 1))
    taps = weighed.unflatten(1, (TAPS, outputs)).unbind(1)
    # In half precision places would be off by parts of a pixel, the more the larger the image.
    exact = torch.promote_types(offsets.dtype, torch.float32)
    # (batch, n, tap, row or column, height, width)
    offsets = offsets.to(exact).unflatten(1, (-1, TAPS, 2))
    rows = torch.arange(height, device=image.device, dtype=exact)[:, None]
    columns = torch.arange(width, device=image.device, dtype=exact)[None, :]
    read = []
    for tap in range(TAPS):
        row = rows + tap // 2 + offsets[:, :, tap, 0]
        column = columns + tap % 2 + offsets[:, :, tap, 1]
        # With corners aligned to pixel edges this also holds for images of one row or column.
        grid = torch.stack([(2 * column + 1) / width - 1, (2 * row + 1) / height - 1], dim=-1)
        read.append(
            nn.functional.grid_sample(
                taps[tap].to(exact),
                grid.flatten(1, 2),
                mode="bilinear",
                padding_mode="zeros",
                align_corners=False,
            )
        )
    # (batch, outputs, n height, width)
    result = torch.stack(read).sum(0)
    result = result if bias is None else result + bias[:, None, None]
    return result.unflatten(2, (-1, height)).transpose(1, 2).reshape(batch, -1, height, width)
