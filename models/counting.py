"""Parameters and multiply-accumulates of a network, by the rule of the papers' tables."""

from __future__ import annotations

import torch
from torch import Tensor, nn

_CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
_TRANSPOSED = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)


def parameter_count(network: nn.Module) -> int:
    """Number of learned values."""
    return sum(parameter.numel() for parameter in network.parameters())


def multiply_accumulates(network: nn.Module, *inputs: Tensor) -> int:
    """Multiply-accumulates of one pass, as old versions of thop count them.

    Convolutions and their bias count, each output once for each weight that it sees; norms and
    activations do not. A transposed convolution counts as if each of its outputs saw its whole
    kernel, which is more than it does (by the stride in each direction); the papers' figures are
    met only so. Linear layers count without bias.

    Parameters
    ----------
    network : nn.Module
    *inputs : Tensor
        One input of the size that is to be counted.

    Returns
    -------
    int
    """
    total = 0

    def count(module: nn.Module, _: object, output: Tensor) -> None:
        nonlocal total
        if isinstance(module, nn.Linear):
            total += output.numel() * module.in_features
            return
        weights = module.weight[0].numel()
        if isinstance(module, _TRANSPOSED):
            weights = module.weight.numel() // module.out_channels
        total += output.numel() * (weights + (module.bias is not None))

    counted = (nn.Linear, *_CONVOLUTIONS, *_TRANSPOSED)
    hooks = [
        module.register_forward_hook(count)
        for module in network.modules()
        if isinstance(module, counted)
    ]
    try:
        with torch.no_grad():
            network(*inputs)
    finally:
        for hook in hooks:
            hook.remove()
    return total
