"""What was computed on a patch at 0.5 mm, back on the lesion's own voxels."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import SimpleITK as sitk

from pipelines.dataset.patches import LesionPatch


def on_own_grid(
    alpha: npt.NDArray[np.float32],
    patch: LesionPatch,
    corner: tuple[int, int, int],
    shape: tuple[int, int, int],
    padding: int = 0,
) -> npt.NDArray[np.float32]:
    """Alpha on the lesion's own voxels, by linear interpolation; 0 where the part does not reach.

    Parameters
    ----------
    alpha : ndarray of float32, axes (slice, row, column)
        On a part of the patch.
    patch : LesionPatch
    corner : tuple of int
        First voxel of the part in the patch.
    shape : tuple of int
        Of the result.
    padding : int
        Slices that the result has below the lesion's first.
    """
    image = sitk.GetImageFromArray(np.ascontiguousarray(alpha, np.float32))
    image.SetSpacing(patch.step[::-1])
    first = np.array(patch.first) + np.array(corner) * patch.step + (padding, 0, 0)
    image.SetOrigin(first[::-1].tolist())
    return sitk.GetArrayFromImage(
        sitk.Resample(
            image,
            shape[::-1],
            sitk.Transform(),
            sitk.sitkLinear,
            (0.0, 0.0, 0.0),
            (1.0, 1.0, 1.0),
            image.GetDirection(),
            0.0,
        )
    )
