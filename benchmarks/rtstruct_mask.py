"""The voxels inside the contours of an RTSTRUCT."""

from __future__ import annotations

import highdicom as hd
import numpy as np
import numpy.typing as npt
from matplotlib.path import Path as Polygon
from pydicom.dataset import Dataset


def mask_of_contours(rtstruct: Dataset, volume: hd.Volume) -> npt.NDArray[np.bool_]:
    """Rasterise the first region of interest: voxels whose centres lie inside.

    Parameters
    ----------
    rtstruct : Dataset
        Closed planar contours (PS3.3 C.8.8.6) on the slices of `volume`.
    volume : highdicom.Volume, axes (slice, row, column)

    Returns
    -------
    ndarray of bool, shape of the volume
        A contour within another cuts a hole.
    """
    mask = np.zeros(volume.spatial_shape, dtype=bool)
    rows, columns = np.indices(mask.shape[1:])
    centres = np.stack([rows.ravel(), columns.ravel()], axis=1)
    for contour in rtstruct.ROIContourSequence[0].ContourSequence:
        points = np.array(contour.ContourData, dtype=np.float64).reshape(-1, 3)
        indices = volume.map_reference_to_indices(points)
        at = round(float(indices[:, 0].mean()))
        inside = Polygon(indices[:, 1:]).contains_points(centres)
        mask[at] ^= inside.reshape(mask.shape[1:])
    return mask
