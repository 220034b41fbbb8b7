"""Networks as methods: each in the way of its kind, from axes or from readers' masks."""

from __future__ import annotations

import highdicom as hd
import numpy as np
import numpy.typing as npt

from models import REGISTRY
from pipelines.longest_axes import axes_from_mask
from pipelines.networks.options import NetworkOptions
from pipelines.recist import RecistAxes
from pipelines.soft_mask import SoftMask

_PROMPTED = "prompted-planes"
_FROM_AXES = "the network looked at the longest diameters of the readers' masks only"
_FROM_PLACE = "the network looked at the place of the readers' masks, and not at the masks"


def segmented_by_network(
    volume: hd.Volume,
    axes: RecistAxes,
    method: str,
    box: tuple[slice, slice, slice],
    ends: bool,
    options: NetworkOptions,
) -> SoftMask:
    """The soft mask of a marked lesion by a network of the registry.

    Parameters and errors are those of `pipelines.networks.segment.soft_mask_at_mark`, or of
    `pipelines.prompted.segment.soft_mask_by_network` for a network that a mark prompts.
    """
    # Only here: networks need PyTorch, and other methods do not.
    if REGISTRY[method].contract.kind == _PROMPTED:
        from pipelines.prompted.segment import soft_mask_by_network

        return soft_mask_by_network(volume, axes, method, box, options)
    from pipelines.networks.segment import soft_mask_at_mark

    return soft_mask_at_mark(volume, axes, method, box, ends, options)


def axes_for_network(
    volume: hd.Volume, masks: npt.NDArray[np.bool_], method: str
) -> tuple[RecistAxes, str]:
    """What tells a network which lesion readers' masks mean, and what is to be said of that.

    Parameters
    ----------
    volume : highdicom.Volume
    masks : ndarray of bool, axes (reader, slice, row, column)
        Of which one marks a voxel. Readers who marked nothing do not vote.
    method : str

    Returns
    -------
    RecistAxes
        Of what most readers marked, or of what any did where most agree on nothing.
    str
        A warning.
    """
    voting = masks[masks.any(axis=(1, 2, 3))]
    most = 2 * voting.sum(axis=0) >= len(voting)
    axes = axes_from_mask(most if most.any() else voting.any(axis=0), volume)
    return axes, _FROM_AXES if REGISTRY[method].contract.kind == _PROMPTED else _FROM_PLACE
