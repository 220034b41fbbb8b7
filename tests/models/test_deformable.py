"""The deformable convolution against a loop, against a plain convolution, and its gradients."""

from __future__ import annotations

import math

import pytest
import torch

from models.deformable import TAPS, deformable_convolution


def naive(image, offsets, weight, bias):
    batch, inputs, height, width = image.shape
    result = bias[None, :, None, None].expand(batch, -1, height, width).clone()

    def at(b, c, row, column):
        value = 0.0
        for r in (math.floor(row), math.floor(row) + 1):
            for q in (math.floor(column), math.floor(column) + 1):
                if 0 <= r < height and 0 <= q < width:
                    part = (1 - abs(row - r)) * (1 - abs(column - q))
                    value += part * image[b, c, r, q].item()
        return value

    for b in range(batch):
        for r in range(height):
            for q in range(width):
                for tap in range(TAPS):
                    dy, dx = offsets[b, 2 * tap, r, q].item(), offsets[b, 2 * tap + 1, r, q].item()
                    for c in range(inputs):
                        value = at(b, c, r + tap // 2 + dy, q + tap % 2 + dx)
                        result[b, :, r, q] += weight[:, c, tap // 2, tap % 2] * value
    return result


def case(height=4, width=5, reach=3.0):
    generator = torch.Generator().manual_seed(0)
    image = torch.randn(2, 3, height, width, dtype=torch.float64, generator=generator)
    offsets = torch.randn(2, 8, height, width, dtype=torch.float64, generator=generator) * reach
    weight = torch.randn(4, 3, 2, 2, dtype=torch.float64, generator=generator)
    bias = torch.randn(4, dtype=torch.float64, generator=generator)
    return image, offsets, weight, bias


def test_offsets_of_several_pixels_agree_with_a_loop():
    torch.testing.assert_close(
        deformable_convolution(*case()), naive(*case()), atol=1e-12, rtol=1e-12
    )


def test_an_image_of_one_row_agrees_with_a_loop():
    torch.testing.assert_close(
        deformable_convolution(*case(height=1)), naive(*case(height=1)), atol=1e-12, rtol=1e-12
    )


def test_without_offsets_it_is_a_convolution_with_zeros_below_and_to_the_right():
    image, offsets, weight, bias = case()
    padded = torch.nn.functional.pad(image, (0, 1, 0, 1))
    torch.testing.assert_close(
        deformable_convolution(image, torch.zeros_like(offsets), weight, bias),
        torch.nn.functional.conv2d(padded, weight, bias),
        atol=1e-12,
        rtol=1e-12,
    )


def test_gradients_are_those_of_finite_differences():
    image, offsets, weight, bias = case(height=3, width=3, reach=0.7)
    inputs = [tensor.requires_grad_() for tensor in (image[:1, :2], offsets[:1], weight[:, :2])]
    inputs = [tensor.detach().requires_grad_() for tensor in inputs]
    assert torch.autograd.gradcheck(deformable_convolution, (*inputs, bias))


@pytest.mark.parametrize("precision", [torch.bfloat16, torch.float16])
def test_places_are_exact_in_mixed_precision(precision):
    # Values that half precision holds exactly, between which each part of a pixel counts.
    image = (torch.arange(100) % 2).to(precision).expand(1, 1, 4, 100)
    offsets = torch.zeros(1, 8, 4, 100, dtype=precision)
    offsets[:, 1] = 0.125
    weight = torch.zeros(1, 1, 2, 2)
    weight[..., 0, 0] = 1
    with torch.autocast("cpu", precision):
        found = deformable_convolution(image, offsets, weight)
    even = found[0, 0, :, :-1:2].float()
    torch.testing.assert_close(even, torch.full_like(even, 0.125), atol=1e-3, rtol=0)
