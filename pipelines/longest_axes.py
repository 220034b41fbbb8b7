"""RECIST axes of a mask: what a careful reader would draw on it."""

from __future__ import annotations

import highdicom as hd
import numpy as np
import numpy.typing as npt
from scipy import ndimage
from scipy.spatial import ConvexHull

from pipelines.errors import EmptyMaskError
from pipelines.recist import RecistAxes

_STEP = 0.25
"""Sampling of perpendicular chords, in units of the smaller pixel side."""


def _corners(mask: npt.NDArray[np.bool_]) -> npt.NDArray[np.float64]:
    """Outer corners (row, column) of the first and last set pixel of each row, shape (n, 2).

    In index coordinates. The convex hull of these holds all pixels.
    """
    rows = np.flatnonzero(mask.any(axis=1))
    first = mask[rows].argmax(axis=1) - 0.5
    last = mask.shape[1] - 0.5 - mask[rows, ::-1].argmax(axis=1)
    return np.stack(
        [
            np.concatenate([rows - 0.5, rows + 0.5] * 2),
            np.concatenate([first, first, last, last]),
        ],
        axis=1,
    )


def _longest_run(inside: npt.NDArray[np.bool_]) -> tuple[int, int, int]:
    """Row, first and one past last column of the longest run of True in a 2D array."""
    edges = np.diff(np.pad(inside, ((0, 0), (1, 1))).astype(np.int8), axis=1)
    row, start = np.nonzero(edges == 1)
    _, stop = np.nonzero(edges == -1)
    best = int(np.argmax(stop - start))
    return int(row[best]), int(start[best]), int(stop[best])


def longest_axes(
    mask: npt.NDArray[np.bool_], pixel_spacing: tuple[float, float]
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Longest diameter of a 2D mask and the longest chord perpendicular to it.

    Extents reach to pixel corners: ten pixels in a row measure ten pixels.

    Parameters
    ----------
    mask : ndarray of bool, shape (rows, columns)
        One region; holes count as inside.
    pixel_spacing : tuple of float
        Distance of rows and of columns in mm.

    Returns
    -------
    long_axis, short_axis : ndarray of float64, shape (2, 2)
        End points (row, column) in index coordinates, where whole numbers are pixel centres.

    Raises
    ------
    EmptyMaskError
        If no pixel is set.
    """
    if not mask.any():
        raise EmptyMaskError("found an empty mask, expected a lesion to measure")
    mask = ndimage.binary_fill_holes(mask)
    spacing = np.asarray(pixel_spacing, dtype=np.float64)
    corners = _corners(mask) * spacing
    hull = corners[ConvexHull(corners).vertices]
    distance = ((hull[:, None] - hull[None]) ** 2).sum(axis=-1)
    first, last = np.unravel_index(np.argmax(distance), distance.shape)
    start, end = hull[first], hull[last]
    length = np.linalg.norm(end - start)
    along = (end - start) / length
    across = np.array([-along[1], along[0]])

    step = _STEP * spacing.min()
    t = np.arange(step / 2, length, step)
    offsets = (hull - start) @ across
    s = np.arange(offsets.min() + step / 2, offsets.max(), step)
    points = (start + t[:, None, None] * along + s[None, :, None] * across) / spacing
    index = np.rint(points).astype(int)
    within = ((index >= 0) & (index < mask.shape)).all(axis=-1)
    index = np.where(within[..., None], index, 0)
    row, low, high = _longest_run(mask[index[..., 0], index[..., 1]] & within)
    foot = start + t[row] * along
    short = np.stack(
        [foot + (s[low] - step / 2) * across, foot + (s[high - 1] + step / 2) * across]
    )
    return np.stack([start, end]) / spacing, short / spacing


def axes_from_mask(
    mask: npt.NDArray[np.bool_], geometry: hd.Volume | hd.VolumeGeometry
) -> RecistAxes:
    """RECIST axes of a 3D mask, on the slice where it is largest.

    On that slice the largest connected region is measured.

    Parameters
    ----------
    mask : ndarray of bool, axes (slice, row, column)
        The lesion.
    geometry : highdicom.Volume or highdicom.VolumeGeometry
        Its grid; only the affine and the shape are used.

    Returns
    -------
    RecistAxes
        End points in patient coordinates (LPS, mm).

    Raises
    ------
    ValueError
        If the mask does not have the grid's shape.
    EmptyMaskError
        If no voxel is set.
    """
    mask = np.asarray(mask, dtype=bool)
    if mask.shape != tuple(geometry.spatial_shape):
        raise ValueError(f"found a mask of shape {mask.shape} on a grid {geometry.spatial_shape}")
    if not mask.any():
        raise EmptyMaskError("found an empty mask, expected a lesion to measure")
    slice_index = int(np.argmax(mask.sum(axis=(1, 2))))
    labels, _ = ndimage.label(mask[slice_index], structure=np.ones((3, 3)))
    region = labels == 1 + int(np.argmax(np.bincount(labels.ravel())[1:]))
    _, row_mm, column_mm = geometry.spacing
    axes = [
        geometry.map_indices_to_reference(np.column_stack([np.full(2, float(slice_index)), axis]))
        for axis in longest_axes(region, (row_mm, column_mm))
    ]
    return RecistAxes(long_axis=axes[0], short_axis=axes[1])
