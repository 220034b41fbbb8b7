"""Read the soft mask of a fractional SEG back onto the grid of its CT."""

from __future__ import annotations

import highdicom as hd
import numpy as np
import numpy.typing as npt


def read_alpha(seg: hd.seg.Segmentation, grid: hd.Volume) -> npt.NDArray[np.float32]:
    """Alpha of the only segment, on the voxels of a volume.

    Parameters
    ----------
    seg : highdicom.seg.Segmentation
        FRACTIONAL, with one segment.
    grid : highdicom.Volume
        The CT that it was made on.

    Returns
    -------
    ndarray, float32, shape of `grid`
        In [0, 1]; 0 where the object has no frame.

    Raises
    ------
    ValueError
        If the SEG has several segments.
    RuntimeError
        If its frames do not lie on the grid.
    """
    if seg.number_of_segments != 1:
        raise ValueError(f"found {seg.number_of_segments} segments, expected 1")
    segment = seg.get_volume(combine_segments=False).squeeze_channel()
    return np.asarray(segment.match_geometry(grid, tol=0.02).array, dtype=np.float32)
