"""From a RECIST mark on a CT to the soft mask of one lesion, by a network."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import highdicom as hd
import numpy as np
import numpy.typing as npt
from scipy import ndimage

from models import REGISTRY, load_network, weights_digest
from pipelines.errors import UnusableMarkError
from pipelines.prompted.frame import MarkFrame
from pipelines.recist import RecistAxes
from pipelines.soft_mask import (
    BACKGROUND,
    FOREGROUND,
    READERS_LEVEL,
    UNKNOWN,
    SoftMask,
)

if TYPE_CHECKING:
    from torch import nn

_MOST_TILTED = 0.7
"""A mark whose long axis, seen in the slice, is shorter than this part of it lies across slices."""

_LEAST = 0.02
"""Less of a voxel is not told from nothing."""

_WHOLLY = 0.95
"""More of a voxel is not told from all of it."""

NOTHING_FOUND = "the network found no lesion at the mark"
"""A warning of a result whose alpha stays below where readers draw."""


@lru_cache(maxsize=4)
def network_of(method: str) -> tuple[nn.Module, str]:
    """The network of a method and the digest of its weights, loaded once a process.

    Raises
    ------
    models.NoWeightsError
        If it has no weights, or PyTorch is not installed.
    """
    loaded = load_network(method), weights_digest(method)
    import torch

    # Lesions run side by side in processes; threads of each would wait for one another.
    torch.set_num_threads(1)
    return loaded


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
    volume: hd.Volume, axes: RecistAxes, method: str, box: tuple[slice, slice, slice]
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
    """
    network, digest = network_of(method)
    # Only here: a node without networks has no PyTorch.
    from pipelines.prompted.planes import on_grid, soft_planes

    frame = frame_of(axes, volume)
    share, offset = on_grid(soft_planes(network, frame, volume.array), volume.spatial_shape)
    share = _marked(share, frame, offset)
    held = [slice(o, o + n) for o, n in zip(offset, share.shape, strict=True)]
    part = tuple(
        slice(max(a.start, b.start), min(a.stop, b.stop)) for a, b in zip(box, held, strict=True)
    )
    inner = tuple(slice(p.start - o, p.stop - o) for p, o in zip(part, offset, strict=True))
    alpha = share[inner].astype(np.float32)
    alpha[alpha < _LEAST] = 0
    trimap = np.full(alpha.shape, UNKNOWN, np.uint8)
    trimap[alpha == 0], trimap[alpha >= _WHOLLY] = BACKGROUND, FOREGROUND
    crop = volume[part]
    return SoftMask(
        alpha=crop.with_array(alpha),
        trimap=crop.with_array(trimap),
        method=method,
        parameters={"weights": digest},
        offset=tuple(p.start for p in part),
        quantity=REGISTRY[method].meaning.lower(),
        warnings=() if (alpha >= READERS_LEVEL).any() else (NOTHING_FOUND,),
    )


def _marked(
    share: npt.NDArray[np.float32], frame: MarkFrame, offset: tuple[int, int, int]
) -> npt.NDArray[np.float32]:
    """Without regions that do not touch the one under the mark."""
    labels, count = ndimage.label(share >= 0.25)
    if count < 2:
        return share
    row, column = (frame.centre / frame.spacing[1:]) - offset[1:]
    middle = np.array([frame.key - offset[0], row, column])
    middle = np.clip(np.rint(middle).astype(int), 0, np.array(share.shape) - 1)
    label = labels[tuple(middle)]
    if not label:
        sizes = np.bincount(labels.ravel())
        label = 1 + int(np.argmax(sizes[1:]))
    return np.where((labels == 0) | (labels == label), share, 0)
