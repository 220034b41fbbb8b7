"""What a network found, as a soft mask."""

from __future__ import annotations

from collections.abc import Mapping

import highdicom as hd
import numpy as np
import numpy.typing as npt

from pipelines.soft_mask import (
    BACKGROUND,
    FOREGROUND,
    READERS_LEVEL,
    UNKNOWN,
    Parameter,
    SoftMask,
)

_LEAST = 0.02
"""Less of a voxel is not told from nothing."""

_WHOLLY = 0.95
"""More of a voxel is not told from all of it."""

NOTHING_FOUND = "the network found no lesion at the mark"
"""A warning of a result whose alpha stays below where readers draw."""


def network_soft_mask(
    volume: hd.Volume,
    box: tuple[slice, slice, slice],
    alpha: npt.NDArray[np.float32],
    *,
    method: str,
    parameters: Mapping[str, Parameter],
    quantity: str,
) -> SoftMask:
    """The soft mask of alpha on a box of a CT.

    Its trimap says where alpha is 0, where it is nearly 1, and where it is between.

    Parameters
    ----------
    volume : highdicom.Volume
        The CT.
    box : tuple of slice
        Of its indices.
    alpha : ndarray of float32
        In [0, 1], of the box's shape.
    method, parameters, quantity
        As of `SoftMask`.
    """
    alpha = np.where(alpha < _LEAST, 0, alpha).astype(np.float32)
    trimap = np.full(alpha.shape, UNKNOWN, np.uint8)
    trimap[alpha == 0], trimap[alpha >= _WHOLLY] = BACKGROUND, FOREGROUND
    crop = volume[box]
    return SoftMask(
        alpha=crop.with_array(alpha),
        trimap=crop.with_array(trimap),
        method=method,
        parameters=parameters,
        offset=tuple(held.start for held in box),
        quantity=quantity,
        warnings=() if (alpha >= READERS_LEVEL).any() else (NOTHING_FOUND,),
    )
