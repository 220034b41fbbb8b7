"""From a mark on a CT to the soft mask of one lesion, by a network that is given no mark."""

from __future__ import annotations

import logging
from dataclasses import replace

import highdicom as hd
import numpy as np

from pipelines.grabcut import RecistEllipsoid
from pipelines.mark_size import suggested_mm3, unlike_mark
from pipelines.marked_region import marked_region
from pipelines.networks.loaded import LoadedNetwork, loaded_network
from pipelines.networks.options import CPU, NetworkOptions
from pipelines.networks.result import NOTHING_FOUND, network_soft_mask
from pipelines.recist import RecistAxes
from pipelines.soft_mask import SoftMask

logger = logging.getLogger(__name__)


def soft_mask_at_mark(
    volume: hd.Volume,
    axes: RecistAxes,
    method: str,
    box: tuple[slice, slice, slice],
    ends: bool,
    options: NetworkOptions,
) -> SoftMask:
    """Segment softly what lies at a mark; the mark says where, and chooses among what is found.

    What the device's memory cannot hold is computed on the CPU, in single precision; the result's
    parameters say in which precision it was.

    Parameters
    ----------
    volume : highdicom.Volume, axes (slice, row, column)
        CT in HU.
    axes : RecistAxes
        The mark, in any direction.
    method : str
        A network of the kind "volume" or "slice" in `models.REGISTRY`.
    box : tuple of slice
        Region of the volume that the result takes up.
    ends : bool
        Whether the CT ends before the region does that the lesion may reach.
    options : NetworkOptions

    Raises
    ------
    UnusableVolumeError
        If a 3D network is given a single slice, or HU are not finite.
    models.NoWeightsError
        If the network has no weights, or a package that it needs is not installed.
    DeviceError
        If the device is not there.
    """
    network = loaded_network(method, options)
    centre = volume.map_reference_to_indices(axes.centre[None])[0]
    found = _alpha(network, volume, centre, box, options)
    if found is None:
        logger.warning(
            "network.memory network=%s device=%s too small, using the CPU",
            method,
            network.place.device,
        )
        on_cpu = replace(options, device=CPU.device, precision="auto")
        network = loaded_network(method, on_cpu)
        found = _alpha(network, volume, centre, box, on_cpu)
    spacing = tuple(float(s) for s in volume.spacing)
    offset = tuple(held.start for held in box)
    ellipsoid = RecistEllipsoid.from_axes(axes, volume)
    mark = ellipsoid.radius(found.shape, spacing, offset) <= 1
    soft = network_soft_mask(
        volume,
        box,
        marked_region(found, centre - offset, mark),
        method=method,
        parameters={"weights": network.digest, "precision": network.place.precision},
        quantity=network.quantity,
    )
    if NOTHING_FOUND in soft.warnings:
        return soft
    suggested = suggested_mm3(ellipsoid, found.shape, spacing, offset, ends)
    ratio = float(soft.alpha.array.sum(dtype=np.float64)) * float(np.prod(spacing)) / suggested
    return replace(soft, warnings=soft.warnings + unlike_mark(ratio))


def _alpha(
    network: LoadedNetwork,
    volume: hd.Volume,
    centre: np.ndarray,
    box: tuple[slice, slice, slice],
    options: NetworkOptions,
) -> np.ndarray | None:
    """Alpha of the box; None where the device's memory does not hold a single patch."""
    # Only here: a node without networks has no PyTorch.
    import torch

    from pipelines.networks.place_alpha import place_alpha

    batch = 1 if network.place == CPU else options.batch
    try:
        return place_alpha(network, volume, centre, box, batch)
    except torch.OutOfMemoryError:
        if network.place == CPU:
            raise
    torch.cuda.empty_cache()
    return None
