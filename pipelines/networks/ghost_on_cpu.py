"""3DMM-MG on one core without PyTorch's overhead for convolutions of few channels.

The same weights give the same alpha but for rounding; a patch of 96 voxels takes a fraction of the
time, since PyTorch moves every map of features through memory several times for little arithmetic.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from scipy.special import expit
from torch import nn

from models.matting_3d import MaskGuidedMatting, matting_3d_ghost
from models.volume_blocks import GhostModule, GhostResidualBlock, PointwiseNormAct, UNet3d
from pipelines.networks.ghost_kernels import activate, depthwise, moments, pointwise

Array = npt.NDArray[np.float32]


def runs_on_cpu(network: nn.Module) -> bool:
    """Whether `alpha_on_cpu` knows all parts of a network."""
    return isinstance(network, MaskGuidedMatting) and any(
        isinstance(module, GhostModule) for module in network.modules()
    )


def alpha_on_cpu(network: MaskGuidedMatting, image: Array) -> Array:
    """Alpha of one patch.

    Parameters
    ----------
    network : MaskGuidedMatting
        One that `runs_on_cpu`, in single precision.
    image : ndarray of float32, shape (depth, height, width)
        Values as `pipelines.networks.values.windowed` gives them; sides multiples of 16.

    Returns
    -------
    ndarray of float32, of the same shape, in [0, 1]
    """
    patch = np.ascontiguousarray(image, np.float32)[None]
    with torch.no_grad():
        shared = _unet(network.unet, patch)
        branch = [_run(branch, shared) for branch in network.mask_branches]
        features = np.concatenate([shared, patch])
        if network.guidance:
            masks = expit(np.concatenate(branch))
        for group in network.guided:
            given = np.concatenate([features, masks]) if network.guidance else features
            features = _run(group, given)
        background, foreground = _run(network.head, features)
    # The second channel's softmax.
    return expit(foreground - background)


def compile_ghost_kernels() -> None:
    """Compile the kernels, or load them from the cache on disk: runs a new network once."""
    alpha_on_cpu(matting_3d_ghost().eval(), np.zeros((16, 16, 16), np.float32))


def _unet(unet: UNet3d, image: Array) -> Array:
    skips: list[Array] = []
    features = image
    for number, stage in enumerate(unet.down):
        features = _run(stage, _halved(features) if number else features)
        skips.append(features)
    for up, merge, skip in zip(unet.up, unet.merge, reversed(skips[:-1]), strict=True):
        features = _run(merge, np.concatenate([skip, _doubled(up, features)]))
    return features


def _run(module: nn.Module, features: Array) -> Array:
    match module:
        case GhostResidualBlock():
            made = features
            for part in module.body:
                made = _run(part, made)
            made += _run(module.shortcut, features)
            return made
        case GhostModule():
            return _normed(_ghost(module[0], features), module[1], module[2])
        case PointwiseNormAct():
            return _normed(_run(module[0], features), module[1], module[2])
        case nn.Sequential():
            for part in module:
                features = _run(part, features)
            return features
        case nn.Identity():
            return features
        case nn.Conv3d(kernel_size=(1, 1, 1)):
            made = np.empty((module.out_channels, *features.shape[1:]), np.float32)
            pointwise(features, module.weight.flatten(1).numpy(), module.bias.numpy(), made)
            return made
        case nn.Conv3d(kernel_size=(3, 3, 3), groups=groups) if groups == module.out_channels:
            made = np.empty_like(features)
            depthwise(features, module.weight[:, 0].numpy(), module.bias.numpy(), made)
            return made
    raise TypeError(f"found a {type(module).__name__}, expected a part of a ghost network")


def _ghost(module: nn.Module, features: Array) -> Array:
    """Half of the channels from a pointwise convolution, the rest from them, depthwise."""
    half = module.primary.out_channels
    made = np.empty((2 * half, *features.shape[1:]), np.float32)
    primary, cheap = module.primary, module.cheap
    pointwise(features, primary.weight.flatten(1).numpy(), primary.bias.numpy(), made[:half])
    depthwise(made[:half], cheap.weight[:, 0].numpy(), cheap.bias.numpy(), made[half:])
    return made


def _normed(features: Array, norm: nn.InstanceNorm3d, activation: nn.Module) -> Array:
    """Instance norm and activation, in place."""
    mean, variance = moments(features)
    scale = norm.weight.numpy() / np.sqrt(variance + norm.eps)
    shift = norm.bias.numpy() - mean * scale
    prelu = isinstance(activation, nn.PReLU)
    slope = np.float32(activation.weight.item() if prelu else activation.negative_slope)
    activate(features, scale.astype(np.float32), shift.astype(np.float32), slope)
    return features


def _halved(features: Array) -> Array:
    features = np.maximum(features[:, ::2], features[:, 1::2])
    features = np.maximum(features[:, :, ::2], features[:, :, 1::2])
    return np.maximum(features[..., ::2], features[..., 1::2])


def _doubled(up: nn.ConvTranspose3d, features: Array) -> Array:
    return up(torch.from_numpy(features)[None])[0].numpy()
