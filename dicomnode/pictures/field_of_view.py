"""The part of a CT slice that a picture shows, on square pixels of a size of its own."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True)
class FieldOfView:
    """A rectangle within a slice.

    Attributes
    ----------
    left_mm, top_mm : float
        Outer corner of the picture's first pixel, along a row and along a column, from the outer
        corner of the slice's first pixel.
    pixel_mm : float
        Side of a pixel of the picture.
    width, height : int
        Pixels of the picture.
    spacing : tuple of float
        Of the slice: between rows, between columns, mm.
    """

    left_mm: float
    top_mm: float
    pixel_mm: float
    width: int
    height: int
    spacing: tuple[float, float]

    def to_picture(self, points: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """Pixel coordinates of the slice to those of the picture.

        Parameters
        ----------
        points : array_like, shape (n, 2)
            (column, row) from the outer corner of the slice's first pixel.

        Returns
        -------
        ndarray, shape (n, 2), float64
            (column, row) from the outer corner of the picture's first pixel.
        """
        along = np.asarray(points, dtype=np.float64) * self.spacing[::-1]
        return (along - (self.left_mm, self.top_mm)) / self.pixel_mm

    def first_pixel_mm(self) -> tuple[float, float]:
        """Centre of the picture's first pixel from that of the slice's: along a row, a column."""
        row_spacing, column_spacing = self.spacing
        return (
            self.left_mm + (self.pixel_mm - column_spacing) / 2,
            self.top_mm + (self.pixel_mm - row_spacing) / 2,
        )

    def resample(self, image: npt.NDArray, smooth: bool) -> npt.NDArray[np.float32]:
        """Interpolate a slice at the centres of the picture's pixels.

        Parameters
        ----------
        image : ndarray, shape (rows, columns) of the slice
        smooth : bool
            By cubic convolution (Keys 1981, a = -1/2), as CT is looked at; else linearly, which
            never leaves the range of its neighbours.

        Returns
        -------
        ndarray, float32, shape (height, width)
        """
        down, used_rows, across, used_columns = _products(self, image.shape, smooth)
        return down @ image[used_rows, used_columns].astype(np.float32) @ across.T


def field_of_view(
    box: tuple[float, float, float, float],
    shape: tuple[int, int],
    spacing: tuple[float, float],
    least_mm: float,
    size: int,
) -> FieldOfView:
    """Choose a square around a box, or what of it the slice has.

    Parameters
    ----------
    box : tuple of float
        Left, top, right and bottom of what must be seen, (column, row) from the outer corner of the
        slice's first pixel.
    shape : tuple of int
        Rows and columns of the slice.
    spacing : tuple of float
        Between rows, between columns, mm.
    least_mm : float
        Side of the square; it grows to twice what must be seen.
    size : int
        Pixels of the longer side, at least; more where the slice has more.
    """
    left, right = box[0] * spacing[1], box[2] * spacing[1]
    top, bottom = box[1] * spacing[0], box[3] * spacing[0]
    side = max(least_mm, 2 * (right - left), 2 * (bottom - top))
    whole = (shape[1] * spacing[1], shape[0] * spacing[0])
    width, height = min(side, whole[0]), min(side, whole[1])
    pixel = min(max(width, height) / size, *spacing)
    return FieldOfView(
        left_mm=float(np.clip((left + right - width) / 2, 0, whole[0] - width)),
        top_mm=float(np.clip((top + bottom - height) / 2, 0, whole[1] - height)),
        pixel_mm=pixel,
        width=max(round(width / pixel), 1),
        height=max(round(height / pixel), 1),
        spacing=spacing,
    )


@lru_cache(maxsize=8)
def _products(
    view: FieldOfView, shape: tuple[int, int], smooth: bool
) -> tuple[npt.NDArray[np.float32], slice, npt.NDArray[np.float32], slice]:
    """Weights down and across, and the rows and columns that they look at: not the whole slice."""
    rows = (view.top_mm + (np.arange(view.height) + 0.5) * view.pixel_mm) / view.spacing[0]
    columns = (view.left_mm + (np.arange(view.width) + 0.5) * view.pixel_mm) / view.spacing[1]
    down = _weights(rows - 0.5, shape[0], smooth)
    across = _weights(columns - 0.5, shape[1], smooth)
    used_rows, used_columns = _used(down), _used(across)
    return down[:, used_rows], used_rows, across[:, used_columns], used_columns


def _used(weights: npt.NDArray[np.float32]) -> slice:
    filled = np.flatnonzero(weights.any(axis=0))
    return slice(int(filled[0]), int(filled[-1]) + 1)


def _weights(places: npt.NDArray[np.float64], count: int, smooth: bool) -> npt.NDArray[np.float32]:
    """Interpolation as a matrix: one row for each place, one column for each pixel.

    Beyond its first and last pixel a slice goes on with their values.
    """
    weights = np.zeros((len(places), count), dtype=np.float32)
    first = np.floor(places).astype(int)
    rows = np.arange(len(places))
    for step in range(-1, 3):
        away = np.abs(places - (first + step))
        weight = _cubic(away) if smooth else np.maximum(1 - away, 0)
        np.add.at(weights, (rows, np.clip(first + step, 0, count - 1)), weight)
    return weights


def _cubic(away: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    near = (1.5 * away - 2.5) * away**2 + 1
    far = ((-0.5 * away + 2.5) * away - 4) * away + 2
    return np.where(away <= 1, near, np.where(away < 2, far, 0))
