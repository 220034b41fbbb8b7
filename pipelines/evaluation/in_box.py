"""Metrics of whole volumes, computed only where there is anything.

Outside of the box that holds all of a prediction and its reference both are 0, and so is what the
metrics sum. The results are those of `pipelines.metrics` on the whole, at a fraction of the time.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from pipelines.metrics import MattingScores, score
from pipelines.metrics.gradient import HALF_SIZE

Box = tuple[slice, ...]


def box_of(arrays: Sequence[npt.NDArray], margin: int = 0) -> Box:
    """The smallest box that holds all that is not 0, and a margin of voxels within the volume.

    Parameters
    ----------
    arrays : sequence of ndarray, all of one shape
    margin : int

    Returns
    -------
    tuple of slice
        Of one voxel where all is 0.
    """
    there = np.zeros(arrays[0].shape, bool)
    for array in arrays:
        there |= array != 0
    (found,) = ndimage.find_objects(there.astype(np.uint8), max_label=1) or [None]
    if found is None:
        return tuple(slice(0, 1) for _ in there.shape)
    return tuple(
        slice(max(s.start - margin, 0), min(s.stop + margin, n))
        for s, n in zip(found, there.shape, strict=True)
    )


def matting_scores(a: npt.NDArray, g: npt.NDArray) -> MattingScores:
    """`pipelines.metrics.score` of three-dimensional arrays, with the mean over all voxels.

    Parameters
    ----------
    a, g : ndarray, same shape
        Prediction and reference, alpha in [0, 1].

    Raises
    ------
    ValueError
        If shapes differ or values are not finite.
    """
    box = box_of((a, g), HALF_SIZE)
    found = score(a[box], g[box])
    return MattingScores(found.sad, found.mse * a[box].size / a.size, found.grad, found.conn)
