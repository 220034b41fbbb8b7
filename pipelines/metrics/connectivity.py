"""Connectivity error: does the prediction hang together where the reference does?"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from pipelines.metrics.pair import alphas

LEVELS = tuple(k / 10 for k in range(1, 11))
"""Thresholds of alpha."""

THETA = 0.15
"""A voxel less than this above the level at which it is connected counts as fully connected."""

_ROUNDING = 1e-6
"""A float32 of 0.7 is below 0.7: it still reaches that level."""


def _largest_components(mask: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """The largest face-connected component; all of them where several are equally large."""
    labels, count = ndimage.label(mask)
    if not count:
        return mask
    sizes = np.bincount(labels.ravel())
    sizes[0] = 0
    return (sizes == sizes.max())[labels] & mask


def connectivity_error(a: npt.ArrayLike, g: npt.ArrayLike) -> float:
    """Connectivity error (Conn): sum over voxels of |phi(a) - phi(g)|.

    At each threshold t of 0.1, 0.2, ..., 1.0 the source region is the largest component, connected
    by faces (6 neighbours, in an image 4), of the voxels with a >= t and g >= t. A voxel's level l
    is the last threshold before it first drops out of that region: 0 where it never belongs, 1
    where it never drops out. With d = x - l, phi(x) = 1 - d where d >= 0.15, else 1. After Rhemann
    et al., CVPR 2009, and Wang et al., 3D Matting. Equally large components all count as the
    source, so that the value does not hang on the order of the axes.

    Parameters
    ----------
    a, g : array_like, same shape
        Prediction and reference, alpha in [0, 1]. Axes of length one are left out.

    Raises
    ------
    ValueError
        If shapes differ or values are not finite.
    """
    a, g = alphas(a, g)
    both = np.atleast_1d(np.minimum(a, g))
    level = np.zeros(both.shape)
    inside = np.ones(both.shape, bool)
    for threshold in LEVELS:
        inside &= _largest_components(both >= threshold - _ROUNDING)
        level[inside] = threshold

    def phi(x: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        above = x - level
        return 1 - above * (above >= THETA)

    return float(np.abs(phi(np.atleast_1d(a)) - phi(np.atleast_1d(g))).sum())
