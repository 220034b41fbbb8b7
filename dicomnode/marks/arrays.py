"""Arrays and NIfTI files of researchers: CT, readers' masks and RECIST end points on one grid.

The pipelines take a highdicom Volume in LPS mm with axes (slice, row, column). Arrays come in two
orders: (k, j, i) as SimpleITK and DICOM stacks have them, (i, j, k) as nibabel has them. And
coordinates come in two senses: LPS (DICOM, ITK) and RAS (NIfTI). Both are asked for by name here,
never guessed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

import highdicom as hd
import numpy as np
import numpy.typing as npt
import SimpleITK as sitk

from pipelines.recist import RecistAxes, line

GRID_TOLERANCE_MM = 0.01
"""Distance by which corner voxels of two images may differ on one grid: NIfTI has 32-bit floats."""

_RAS_TO_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])


class UnusableCase(ValueError):
    """An image, a mask or a mark does not fit the others, or cannot be read."""


class Space(Enum):
    """What the numbers of a point or an affine mean."""

    INDEX = "index"
    """Indices of the array in the order of its axes; whole numbers are voxel centres."""
    LPS = "LPS"
    """mm towards left, posterior, superior (DICOM, ITK)."""
    RAS = "RAS"
    """mm towards right, anterior, superior (NIfTI, nibabel)."""


class Order(Enum):
    """What the axes of an array are."""

    KJI = "kji"
    """(slice, row, column): SimpleITK's `GetArrayFromImage`, stacks of DICOM slices."""
    IJK = "ijk"
    """(column, row, slice): nibabel's `get_fdata`."""


@dataclass(frozen=True, eq=False)
class ResearchCase:
    """What the pipelines take.

    Attributes
    ----------
    volume : highdicom.Volume, axes (slice, row, column)
        CT in HU.
    axes : RecistAxes or None
        The mark in LPS mm.
    masks : ndarray of bool, shape (readers, slices, rows, columns)
        On the volume's grid; no readers where there are no masks.
    """

    volume: hd.Volume
    axes: RecistAxes | None
    masks: npt.NDArray[np.bool_]


def volume_from_array(
    array: npt.ArrayLike,
    affine: npt.ArrayLike,
    *,
    order: Order = Order.KJI,
    space: Space = Space.LPS,
) -> hd.Volume:
    """CT array with its affine as a volume.

    Parameters
    ----------
    array : array_like, 3D, real numbers
        HU.
    affine : array_like, shape (4, 4)
        From indices in the order of the array's axes to mm; nibabel's for `Order.IJK` and
        `Space.RAS`.
    order : Order
        Of the array's axes.
    space : Space
        LPS or RAS: what the affine leads to.

    Returns
    -------
    highdicom.Volume, axes (slice, row, column)

    Raises
    ------
    UnusableCase
        If the array is not 3D or holds no real numbers, or the affine is no grid with
        perpendicular axes.
    """
    voxels = np.asarray(array)
    if voxels.ndim != 3 or voxels.size == 0:
        raise UnusableCase(f"found an array of shape {voxels.shape}, expected three axes")
    if not (np.issubdtype(voxels.dtype, np.integer) or np.issubdtype(voxels.dtype, np.floating)):
        raise UnusableCase(f"found voxels of type {voxels.dtype}, expected HU")
    if space is Space.INDEX:
        raise UnusableCase("found an affine to indices, expected one to LPS or RAS mm")
    matrix = np.array(affine, dtype=np.float64)
    if matrix.shape != (4, 4) or not np.isfinite(matrix).all():
        raise UnusableCase("the affine is no matrix of 4 x 4 finite numbers")
    if not np.array_equal(matrix[3], [0, 0, 0, 1]):
        raise UnusableCase("the last row of the affine is not 0, 0, 0, 1")
    if space is Space.RAS:
        matrix = _RAS_TO_LPS @ matrix
    if order is Order.IJK:
        voxels = np.ascontiguousarray(voxels.transpose(2, 1, 0))
        matrix = matrix[:, [2, 1, 0, 3]]
    try:
        return hd.Volume(voxels, matrix, coordinate_system="PATIENT")
    except ValueError as problem:
        raise UnusableCase(f"the affine is no grid with perpendicular axes: {problem}") from problem


def axes_from_points(
    volume: hd.Volume,
    long_axis: npt.ArrayLike,
    short_axis: npt.ArrayLike | None = None,
    *,
    space: Space,
    order: Order = Order.KJI,
) -> RecistAxes:
    """RECIST end points of an array as a mark.

    Parameters
    ----------
    volume : highdicom.Volume
        The CT.
    long_axis, short_axis : array_like, shape (2, 3)
        End points.
    space : Space
        What their numbers mean.
    order : Order
        Of the indices, for `Space.INDEX`.

    Returns
    -------
    RecistAxes
        LPS mm.

    Raises
    ------
    UnusableCase
        If an axis is no line of two finite points, or ends outside of the volume.
    """
    shape = np.array(volume.spatial_shape)
    placed = []
    for name, axis in (("long_axis", long_axis), ("short_axis", short_axis)):
        if axis is None:
            continue
        try:
            points = line(name, axis, (3,))
        except (TypeError, ValueError) as problem:
            raise UnusableCase(str(problem)) from problem
        if space is Space.INDEX:
            indices = points if order is Order.KJI else points[:, ::-1]
            points = volume.map_indices_to_reference(np.array(indices))
        else:
            points = points if space is Space.LPS else points * np.array([-1.0, -1.0, 1.0])
            indices = volume.map_reference_to_indices(np.array(points))
        outside = (indices < -0.5 - 1e-6) | (indices > shape - 0.5 + 1e-6)
        if outside.any():
            found = [round(float(v), 1) for v in indices[outside.any(axis=1)][0]]
            raise UnusableCase(
                f"{name}: found an end at index {found} (slice, row, column), expected it within "
                f"{shape.tolist()}; is it {space.value}, in the order that was named?"
            )
        placed.append(points)
    return RecistAxes(*placed)


def masks_on_grid(
    volume: hd.Volume, masks: Sequence[npt.ArrayLike], *, order: Order = Order.KJI
) -> npt.NDArray[np.bool_]:
    """Readers' masks as arrays on the CT's grid.

    Parameters
    ----------
    volume : highdicom.Volume
        The CT.
    masks : sequence of array_like, 3D
        One a reader, of bool or of zeros and ones.
    order : Order
        Of their axes.

    Returns
    -------
    ndarray of bool, shape (readers, slices, rows, columns)

    Raises
    ------
    UnusableCase
        If a mask has another shape than the volume or holds other values.
    """
    shape = tuple(volume.spatial_shape)
    checked = np.zeros((len(masks), *shape), dtype=bool)
    for index, mask in enumerate(masks):
        array = np.asarray(mask)
        array = array.transpose(2, 1, 0) if order is Order.IJK and array.ndim == 3 else array
        if array.shape != shape:
            raise UnusableCase(
                f"mask {index + 1}: found shape {array.shape}, expected {shape} "
                "(slices, rows, columns)"
            )
        if array.dtype != bool and not np.isin(array, (0, 1)).all():
            raise UnusableCase(f"mask {index + 1}: found values other than 0 and 1")
        checked[index] = array.astype(bool)
    return checked


def volume_from_nifti(path: str | Path) -> hd.Volume:
    """CT of a NIfTI file (or any other that SimpleITK reads) as a volume.

    Parameters
    ----------
    path : str or Path
        A 3D image in HU.

    Returns
    -------
    highdicom.Volume, axes (slice, row, column)
        LPS mm: SimpleITK turns NIfTI's RAS.

    Raises
    ------
    UnusableCase
        If the file cannot be read or is not 3D.
    """
    array, affine = _read(path)
    return volume_from_array(array, affine)


def mask_from_nifti(
    path: str | Path, volume: hd.Volume, *, label: int | None = None
) -> npt.NDArray[np.bool_]:
    """Mask of a NIfTI file on the grid of a CT.

    Parameters
    ----------
    path : str or Path
        A 3D image of labels.
    volume : highdicom.Volume
        The CT that it belongs to.
    label : int, optional
        The lesion's label; all that are not 0 if left out.

    Returns
    -------
    ndarray of bool, shape (slices, rows, columns)

    Raises
    ------
    UnusableCase
        If the file cannot be read or lies on another grid.
    """
    array, affine = _read(path)
    check_same_grid(volume, array.shape, affine)
    return array != 0 if label is None else array == label


def check_same_grid(
    volume: hd.Volume | hd.VolumeGeometry, shape: Sequence[int], affine: npt.ArrayLike
) -> None:
    """Refuse a grid whose corner voxels lie elsewhere than those of a volume.

    Parameters
    ----------
    volume : highdicom.Volume
    shape : sequence of 3 int
    affine : array_like, shape (4, 4)
        From (slice, row, column) to LPS mm.

    Raises
    ------
    UnusableCase
        Says what was found and expected.
    """
    expected = tuple(volume.spatial_shape)
    if tuple(shape) != expected:
        raise UnusableCase(
            f"found a grid of {tuple(shape)} voxels, expected {expected} (slices, rows, columns)"
        )
    corners = np.array([[k, j, i, 1] for k in (0, 1) for j in (0, 1) for i in (0, 1)], dtype=float)
    corners[:, :3] *= np.array(expected) - 1
    there = corners @ np.asarray(affine, dtype=np.float64).T
    apart = np.linalg.norm((there - corners @ volume.affine.T)[:, :3], axis=1).max()
    if not apart <= GRID_TOLERANCE_MM:
        raise UnusableCase(
            f"found a grid whose corners are up to {apart:.2f} mm from those of the CT, expected "
            f"at most {GRID_TOLERANCE_MM} mm"
        )


def read_nifti_case(
    ct: str | Path,
    masks: Sequence[str | Path] = (),
    *,
    long_axis: npt.ArrayLike | None = None,
    short_axis: npt.ArrayLike | None = None,
    space: Space = Space.LPS,
    order: Order = Order.IJK,
    label: int | None = None,
) -> ResearchCase:
    """CT, masks and a mark for the pipelines.

    Parameters
    ----------
    ct : str or Path
        As for `volume_from_nifti`.
    masks : sequence of str or Path
        As for `mask_from_nifti`, one a reader.
    long_axis, short_axis : array_like, shape (2, 3), optional
        End points of the mark.
    space, order : Space, Order
        What their numbers mean; indices are nibabel's (i, j, k) if nothing else is said.
    label : int, optional
        The lesion's label in the masks.

    Returns
    -------
    ResearchCase

    Raises
    ------
    UnusableCase
        If a file cannot be read or does not fit the CT.
    """
    volume = volume_from_nifti(ct)
    readers = [mask_from_nifti(path, volume, label=label) for path in masks]
    if long_axis is None and short_axis is not None:
        raise UnusableCase("found a short axis without a long axis")
    axes = None
    if long_axis is not None:
        axes = axes_from_points(volume, long_axis, short_axis, space=space, order=order)
    return ResearchCase(volume, axes, masks_on_grid(volume, readers))


def _read(path: str | Path) -> tuple[npt.NDArray, npt.NDArray[np.float64]]:
    """Voxels (slice, row, column) and the affine from their indices to LPS mm."""
    try:
        image = sitk.ReadImage(str(path))
    except RuntimeError as problem:
        raise UnusableCase(f"{Path(path).name} cannot be read as an image") from problem
    if image.GetDimension() != 3 or image.GetNumberOfComponentsPerPixel() != 1:
        raise UnusableCase(
            f"{Path(path).name}: found {image.GetDimension()} axes and "
            f"{image.GetNumberOfComponentsPerPixel()} components, expected 3 and 1"
        )
    affine = np.eye(4)
    affine[:3, :3] = np.array(image.GetDirection()).reshape(3, 3) * image.GetSpacing()
    affine[:3, 3] = image.GetOrigin()
    return sitk.GetArrayFromImage(image), affine[:, [2, 1, 0, 3]]
