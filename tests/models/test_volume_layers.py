"""The layers for few channels give what PyTorch's own give, and learn as they do."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from models.volume_layers import InstanceNorm, Pointwise


def _twins(kind: str) -> tuple[nn.Module, nn.Module]:
    torch.manual_seed(0)
    if kind == "pointwise":
        ours, torchs = Pointwise(6, 4), nn.Conv3d(6, 4, 1)
    else:
        affine = kind == "affine norm"
        ours, torchs = InstanceNorm(6, affine=affine), nn.InstanceNorm3d(6, affine=affine)
    with torch.no_grad():
        for parameter in torchs.parameters():
            parameter.normal_()
    ours.load_state_dict(torchs.state_dict())
    return ours, torchs


@pytest.mark.parametrize("kind", ["pointwise", "affine norm", "plain norm"])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last_3d])
def test_results_and_gradients_are_those_of_pytorch(kind, layout):
    ours, torchs = _twins(kind)
    # A mean far from zero would ruin a variance taken from squares alone.
    image = (50 + 3 * torch.randn(2, 6, 5, 4, 7)).contiguous(memory_format=layout)
    pull = torch.randn_like(torchs(image))
    found = []
    for layer in (ours, torchs):
        seen = image.clone().requires_grad_()
        result = layer(seen)
        (result * pull).sum().backward()
        found.append([result, seen.grad, *(p.grad for p in layer.parameters())])
    for mine, theirs in zip(*found, strict=True):
        torch.testing.assert_close(mine, theirs, atol=2e-3, rtol=1e-4)


@pytest.mark.parametrize("kind", ["pointwise", "affine norm"])
def test_without_gradients_the_input_is_left_alone(kind):
    ours, torchs = _twins(kind)
    image = torch.randn(1, 6, 3, 4, 5)
    before = image.clone()
    with torch.no_grad():
        torch.testing.assert_close(ours(image), torchs(image), atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(image, before, atol=0, rtol=0)
