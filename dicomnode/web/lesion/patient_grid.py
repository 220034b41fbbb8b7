"""Voxels in the patient's directions, so that a browser needs to know no orientation.

Every array that the page gets has the axes (towards the head, towards the back, towards the
patient's left): axial, coronal and sagittal planes are then its faces. Arrays are permuted and
flipped, never resampled; of an oblique stack the nearest directions count.
"""

from __future__ import annotations

from dataclasses import dataclass

import highdicom as hd
import numpy as np
import numpy.typing as npt

from pipelines.soft_mask import SoftMask

_DIRECTIONS = "HPL"


@dataclass(frozen=True, eq=False)
class PlacedArray:
    """An array on the lesion's lattice.

    Attributes
    ----------
    array : ndarray, axes (head, back, left)
    offset : tuple of int
        Place of its first voxel on the lattice.
    """

    array: npt.NDArray
    offset: tuple[int, int, int]


class PatientGrid:
    """The lattice of the voxels of one lesion, in the patient's directions.

    The first voxel of the soft mask is at (0, 0, 0). Arrays are placed by their index in the CT's
    volume: places in space that are computed from fewer slices differ a little.

    Parameters
    ----------
    mask : SoftMask
    """

    def __init__(self, mask: SoftMask) -> None:
        self._mask = mask
        self._home = mask.alpha.to_patient_orientation(_DIRECTIONS)

    @property
    def spacing(self) -> tuple[float, float, float]:
        """Voxel size in mm, along (head, back, left)."""
        return tuple(float(s) for s in self._home.spacing)

    @property
    def slice_axis(self) -> int:
        """Which axis of the lattice runs across the CT's slices."""
        return int(np.argmax(np.abs(self._home.direction.T @ self._mask.alpha.direction[:, 0])))

    def place(self, array: npt.NDArray, offset: tuple[int, int, int]) -> PlacedArray:
        """Put a crop of the CT's volume on the lattice.

        Parameters
        ----------
        array : ndarray, axes (slice, row, column)
        offset : tuple of int
            Indices of its first voxel in the volume.
        """
        turned = self._volume(array, offset).to_patient_orientation(_DIRECTIONS)
        corner = self._home.map_reference_to_indices(np.asarray(turned.position)[None])[0]
        return PlacedArray(turned.array, tuple(int(c) for c in np.rint(corner)))

    def back(self, array: npt.NDArray) -> npt.NDArray:
        """Turn an array on the soft mask's own voxels back to (slice, row, column).

        Raises
        ------
        ValueError
            If it has another shape than the soft mask.
        """
        if array.shape != self._home.spatial_shape:
            raise ValueError(f"found shape {array.shape}, expected {self._home.spatial_shape}")
        return self._home.with_array(array).match_geometry(self._mask.alpha).array

    def points(self, indices: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """Points from indices (slice, row, column) of the CT's volume, shape (n, 3)."""
        own = np.asarray(indices, dtype=np.float64) - self._mask.offset
        return self._home.map_reference_to_indices(self._mask.alpha.map_indices_to_reference(own))

    def points_in_space(self, points: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """Points from LPS mm, shape (n, 3)."""
        return self._home.map_reference_to_indices(np.asarray(points, dtype=np.float64))

    def _volume(self, array: npt.NDArray, offset: tuple[int, int, int]) -> hd.Volume:
        affine = np.array(self._mask.alpha.affine, dtype=np.float64)
        affine[:3, 3] += affine[:3, :3] @ (np.array(offset) - self._mask.offset)
        return hd.Volume(array, affine, coordinate_system="PATIENT")
