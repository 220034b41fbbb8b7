"""Of everything that a network calls lesion, what the mark means."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import ndimage

Array = npt.NDArray[np.float32]

APART = 0.25
"""Regions with less than this between them are not one lesion."""


def marked_region(
    alpha: Array, centre: npt.NDArray[np.float64], mark: npt.NDArray[np.bool_] | None = None
) -> Array:
    """Alpha without regions that do not touch the one under the mark.

    Parameters
    ----------
    alpha : ndarray of float32, axes (slice, row, column)
    centre : ndarray, shape (3,)
        Index coordinates of the middle of the mark.
    mark : ndarray of bool, same shape as `alpha`, optional
        Voxels within the mark's ellipsoid.

    Returns
    -------
    ndarray of float32
        The region with the mark's centre. Where that is in none, the one that has most of its
        alpha within the mark; nothing if none reaches into it. Without `mark` the largest one. Of
        what lies below `APART` all is kept without `mark`, and with it what is joined to the
        region.
    """
    labels, count = ndimage.label(alpha >= APART)
    if mark is None and count < 2:
        return alpha
    middle = np.clip(np.rint(centre).astype(int), 0, np.array(alpha.shape) - 1)
    label = labels[tuple(middle)]
    if not label:
        votes = np.ones_like(alpha) if mark is None else np.where(mark, alpha, 0)
        most = np.bincount(labels.ravel(), votes.ravel())[1:]
        if not most.any():
            return np.zeros_like(alpha)
        label = 1 + int(np.argmax(most))
    kept = np.where((labels == 0) | (labels == label), alpha, 0)
    if mark is None:
        return kept
    joined, _ = ndimage.label(kept > 0)
    (first, *_) = np.flatnonzero(labels == label)
    return np.where(joined == joined.ravel()[first], kept, 0)
