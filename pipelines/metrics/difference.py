"""Voxel-wise differences of two soft masks, and of their volumes."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from pipelines.metrics.pair import alphas


def sad(a: npt.ArrayLike, g: npt.ArrayLike) -> float:
    """Sum of absolute differences of two soft masks, in voxels."""
    a, g = alphas(a, g)
    return float(np.abs(a.astype(np.float64) - g).sum())


def mse(a: npt.ArrayLike, g: npt.ArrayLike) -> float:
    """Mean squared difference of two soft masks over all voxels given."""
    a, g = alphas(a, g)
    if a.size == 0:
        raise ValueError("found no voxel, expected at least one")
    return float(((a.astype(np.float64) - g) ** 2).mean())


def volume_error(a: npt.ArrayLike, g: npt.ArrayLike) -> float:
    """Signed relative error of the soft volume: (sum a - sum g) / sum g.

    Raises
    ------
    ValueError
        If shapes differ or the reference is empty.
    """
    a, g = alphas(a, g)
    truth = float(g.sum(dtype=np.float64))
    if truth <= 0:
        raise ValueError("the reference is empty, a relative volume error needs some volume")
    return (float(a.sum(dtype=np.float64)) - truth) / truth
