"""Slices beyond the ends of a stack that ends where its lesion ends.

Some data sets hold only slices on which a reader drew. A network trained on them learns that there
is a lesion wherever there is data. Slices in which the lesion is replaced by its surroundings
stand in for the neighbours that are missing; they are no real neighbours, and scores say so.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import ndimage

LUNG_HU = -860.0
_ROUNDS = 200
_ROUGHEST_HU = 100


def without_lesion(
    image: npt.NDArray, marked: npt.NDArray[np.bool_], margin: int = 2
) -> npt.NDArray[np.float32]:
    """A slice with what was marked filled from its surroundings, with their noise.

    Parameters
    ----------
    image : ndarray, shape (rows, columns)
        HU.
    marked : ndarray of bool, same shape
    margin : int
        By so many pixels the hole is larger than what was marked.
    """
    image = np.asarray(image, np.float32)
    hole = ndimage.binary_dilation(marked, iterations=margin)
    ring = ndimage.binary_dilation(hole, iterations=6) & ~hole
    filled = image.copy()
    filled[hole] = np.median(image[ring]) if ring.any() else LUNG_HU
    for _ in range(_ROUNDS):
        filled[hole] = ndimage.uniform_filter(filled, 3)[hole]
    rough = np.where(hole, 0, image - ndimage.uniform_filter(image, 3))
    moved = np.roll(rough, (17, 23), axis=(0, 1))
    return filled + np.where(hole, np.clip(moved, -_ROUGHEST_HU, _ROUGHEST_HU), 0)


def beyond_ends(hu: npt.NDArray[np.int16], masks: npt.NDArray[np.bool_]) -> npt.NDArray[np.int16]:
    """What stands in below the first and above the last slice, shape (2, rows, columns), HU.

    Parameters
    ----------
    hu : ndarray of int16, axes (slice, row, column)
    masks : ndarray of bool, axes (reader, slice, row, column)
    """
    marked = masks.any(axis=0)
    ends = [without_lesion(hu[end], marked[end]) for end in (0, -1)]
    return np.clip(np.rint(ends), -1024, 3071).astype(np.int16)
