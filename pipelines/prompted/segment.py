"""From a RECIST mark on a CT to the soft mask of one lesion, by a network."""

from __future__ import annotations

import highdicom as hd
import numpy as np

from pipelines.errors import UnusableMarkError
from pipelines.marked_region import marked_region
from pipelines.networks.loaded import loaded_network
from pipelines.networks.options import NetworkOptions
from pipelines.networks.result import network_soft_mask
from pipelines.prompted.frame import MarkFrame
from pipelines.recist import RecistAxes
from pipelines.soft_mask import SoftMask

_MOST_TILTED = 0.7
"""A mark whose long axis, seen in the slice, is shorter than this part of it lies across slices."""


def frame_of(axes: RecistAxes, volume: hd.VolumeGeometry | hd.Volume) -> MarkFrame:
    """The frame of a mark on a CT.

    Raises
    ------
    UnusableMarkError
        If the mark does not lie in a slice.
    """
    spacing = tuple(float(s) for s in volume.spacing)
    ends = volume.map_reference_to_indices(np.asarray(axes.long_axis))
    mm = (ends[1] - ends[0]) * spacing
    part = float(np.linalg.norm(mm[1:])) / max(float(np.linalg.norm(mm)), 1e-9)
    if part < _MOST_TILTED:
        raise UnusableMarkError(
            f"found a long axis of which {100 * part:.0f} % shows in a slice, expected at least "
            f"{100 * _MOST_TILTED:.0f} %: the network takes marks in the plane of slices"
        )
    key = int(np.clip(np.rint(ends[:, 0].mean()), 0, volume.spatial_shape[0] - 1))
    short = None
    if axes.short_axis is not None:
        across = volume.map_reference_to_indices(np.asarray(axes.short_axis))
        length = float(np.linalg.norm((across[1] - across[0])[1:] * spacing[1:]))
        if length >= _MOST_TILTED * (axes.short_mm or 0.0):
            short = across[:, 1:]
    return MarkFrame.of(key, ends[:, 1:], short, spacing)


def soft_mask_by_network(
    volume: hd.Volume,
    axes: RecistAxes,
    method: str,
    box: tuple[slice, slice, slice],
    options: NetworkOptions,
) -> SoftMask:
    """Segment the lesion under a RECIST mark softly by a network.

    Parameters
    ----------
    volume : highdicom.Volume, axes (slice, row, column)
        CT in HU.
    axes : RecistAxes
        A mark in the plane of slices.
    method : str
        Name in `models.REGISTRY`.
    box : tuple of slice
        Region of the volume that the result does not leave.
    options : NetworkOptions
        Its precision and batch are not for this kind: planes of a mark are one small batch.

    Returns
    -------
    SoftMask
        Its alpha is the mean of readers' masks, and so on the scale of the other methods: what two
        of four readers marked has more than `pipelines.soft_mask.READERS_LEVEL` of either. Its
        trimap says where alpha is 0, where it is nearly 1, and where it is between.

    Raises
    ------
    UnusableMarkError
        If the mark does not lie in a slice.
    models.NoWeightsError
        If the network has no weights, or PyTorch is not installed.
    DeviceError
        If the device is not there.
    """
    network = loaded_network(method, options)
    # Only here: a node without networks has no PyTorch.
    from pipelines.prompted.planes import on_grid, soft_planes

    frame = frame_of(axes, volume)
    share, offset = on_grid(soft_planes(network.module, frame, volume.array), volume.spatial_shape)
    centre = np.array([frame.key, *(frame.centre / frame.spacing[1:])]) - offset
    share = marked_region(share, centre)
    held = [slice(o, o + n) for o, n in zip(offset, share.shape, strict=True)]
    part = tuple(
        slice(max(a.start, b.start), min(a.stop, b.stop)) for a, b in zip(box, held, strict=True)
    )
    inner = tuple(slice(p.start - o, p.stop - o) for p, o in zip(part, offset, strict=True))
    return network_soft_mask(
        volume,
        part,
        share[inner],
        method=method,
        parameters={"weights": network.digest},
        quantity=network.quantity,
    )
