"""The region of a mask that a mark at a place would mean."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import ndimage


def nearest_region(
    mask: npt.NDArray[np.bool_],
    centre: npt.NDArray[np.float64],
    spacing: tuple[float, float, float],
    corners: bool = False,
) -> npt.NDArray[np.bool_]:
    """The one of a mask's regions that comes nearest to a place.

    Parameters
    ----------
    mask : ndarray of bool, axes (slice, row, column)
    centre : ndarray, shape (3,)
        In voxels.
    spacing : tuple of float
        In mm.
    corners : bool
        Whether edges and corners join voxels, too, and not faces alone.
    """
    labels, count = ndimage.label(mask, structure=np.ones((3, 3, 3)) if corners else None)
    if count < 2:
        return mask
    places = np.argwhere(mask)
    nearest = places[(((places - centre) * spacing) ** 2).sum(axis=1).argmin()]
    return labels == labels[tuple(nearest)]
