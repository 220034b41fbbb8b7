"""Patches through a network, as many at a time as the device's memory holds."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Iterator

import numpy as np
import numpy.typing as npt
import torch

from models.alpha import alpha_of
from pipelines.networks.ghost_on_cpu import alpha_on_cpu, runs_on_cpu
from pipelines.networks.loaded import LoadedNetwork
from pipelines.networks.options import CPU

logger = logging.getLogger(__name__)

Array = npt.NDArray[np.float32]

_TYPES = {"fp16": torch.float16, "bf16": torch.bfloat16}


def alphas(
    network: LoadedNetwork, patch: Callable[[int], Array], count: int, batch: int
) -> Iterator[tuple[int, Array]]:
    """Alpha of patches, one after the other.

    A batch that the device cannot hold is halved, down to single patches.

    Parameters
    ----------
    network : LoadedNetwork
    patch : callable
        Gives patch ``0 <= i < count`` in the contract's values, float32, shape (channels, ...) with
        the contract's size; called when it is needed.
    count : int
    batch : int
        Patches at a time; on the CPU it is 1 whatever is given.

    Yields
    ------
    int, ndarray of float32
        The patch's number and its alpha, in [0, 1], of the contract's size.

    Raises
    ------
    torch.OutOfMemoryError
        If not even one patch fits.
    """
    start = 0
    while start < count:
        chunk = range(start, min(start + batch, count))
        found = None
        try:
            found = _forward(network, np.stack([patch(i) for i in chunk]))
        except torch.OutOfMemoryError:
            if len(chunk) == 1:
                raise
        if found is None:  # out of the handler, which keeps the failed pass's tensors alive
            batch = max(len(chunk) // 2, 1)
            logger.warning(
                "network.memory network=%s device=%s batch=%d",
                network.name,
                network.place.device,
                batch,
            )
            if network.place.device != "cpu":
                torch.cuda.empty_cache()
            continue
        yield from zip(chunk, found, strict=True)
        start = chunk.stop


def _forward(network: LoadedNetwork, patches: Array) -> Array:
    """Alpha (n, ...) of patches (n, channels, ...)."""
    if network.place == CPU and runs_on_cpu(network.module):
        return np.stack([alpha_on_cpu(network.module, patch[0]) for patch in patches])
    device, precision = network.place.device, network.place.precision
    images = torch.from_numpy(patches).to(device)
    mixed = contextlib.nullcontext()
    if precision in _TYPES:
        mixed = torch.autocast(torch.device(device).type, _TYPES[precision])
    with torch.inference_mode(), mixed:
        alpha = alpha_of(network.module, images, network.contract.views)
    return alpha[:, 0].clamp(0, 1).cpu().numpy()
