"""Windows over a region that is larger than a network's patch, and their blending.

Own code and not MONAI's sliding window: that would make MONAI, an extra for baselines, a need of
every network, for what is here a few lines.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float32]
Corner = tuple[int, ...]

_OVERLAP = 0.25
"""Least part of a window that its neighbour covers, too."""

_LEAST_WEIGHT = 1e-3


def corners(shape: tuple[int, ...], size: tuple[int, ...]) -> list[Corner]:
    """First indices of windows that cover a region, evenly spread.

    Parameters
    ----------
    shape : tuple of int
        Of the region, nowhere smaller than a window.
    size : tuple of int
        Of a window. Neighbours overlap by a quarter of it or more.

    Raises
    ------
    ValueError
        If the region is smaller than a window.
    """
    if any(n < s for n, s in zip(shape, size, strict=True)):
        raise ValueError(f"found a region of {shape}, expected one of at least {size}")
    axes = []
    for n, s in zip(shape, size, strict=True):
        count = 1 + int(np.ceil((n - s) / ((1 - _OVERLAP) * s)))
        axes.append([round(first) for first in np.linspace(0, n - s, count)])
    return list(itertools.product(*axes))


def weights(size: tuple[int, ...]) -> Array:
    """How much each voxel of a window counts: most in its middle, smoothly less to its edges."""
    weight = np.ones(size, np.float32)
    for axis, n in enumerate(size):
        hann = 0.5 - 0.5 * np.cos(2 * np.pi * (np.arange(n) + 0.5) / n)
        line = np.maximum(hann, _LEAST_WEIGHT).astype(np.float32)
        weight *= line.reshape([-1 if a == axis else 1 for a in range(len(size))])
    return weight


def blended(
    shape: tuple[int, ...], size: tuple[int, ...], windows: Iterable[tuple[Corner, Array]]
) -> Array:
    """The weighted mean of windows; one window alone stays as it is.

    Parameters
    ----------
    shape : tuple of int
        Of the region, every voxel of which lies in a window.
    size : tuple of int
    windows : iterable of (tuple of int, ndarray)
        First index and values, shape `size`.
    """
    if shape == size:
        ((_, values),) = windows
        return values
    total, weight = np.zeros(shape, np.float32), np.zeros(shape, np.float32)
    one = weights(size)
    for corner, values in windows:
        held = tuple(slice(c, c + s) for c, s in zip(corner, size, strict=True))
        total[held] += one * values
        weight[held] += one
    return total / weight
