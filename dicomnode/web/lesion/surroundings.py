"""The CT around a soft mask."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from dicomnode.jobs.publish import LesionFiles
from dicomnode.jobs.read_volume import read_volume
from pipelines.soft_mask import SoftMask

MARGIN_MM = 30.0
"""What is shown around the region that the soft mask covers."""

_INT16 = np.iinfo(np.int16)


def read_surroundings(
    files: LesionFiles, mask: SoftMask, margin_mm: float, whole_slices: bool = False
) -> tuple[npt.NDArray[np.int16], tuple[int, int, int]]:
    """Read HU around a soft mask, and no slice that is not needed.

    Parameters
    ----------
    files : LesionFiles
    mask : SoftMask
    margin_mm : float
        On each side of the mask's crop, as far as there are voxels.
    whole_slices : bool
        Whether slices are read out to their edges.

    Returns
    -------
    hu : ndarray, int16, axes (slice, row, column)
    offset : tuple of int
        Indices of its first voxel in the CT's volume.

    Raises
    ------
    pipelines.errors.SegmentationError
        If a slice cannot be decoded.
    OSError
        If a file cannot be read.
    """
    more = [int(np.ceil(margin_mm / s)) for s in mask.alpha.spacing]
    first = [max(o - m, 0) for o, m in zip(mask.offset, more, strict=True)]
    last = [o + n + m for o, n, m in zip(mask.offset, mask.alpha.spatial_shape, more, strict=True)]
    hu = read_volume(files.slices[first[0] : last[0]], 0)[0].array
    if whole_slices:
        first[1:] = (0, 0)
    else:
        hu = hu[:, first[1] : last[1], first[2] : last[2]]
    return np.clip(np.rint(hu), _INT16.min, _INT16.max).astype(np.int16), tuple(first)
