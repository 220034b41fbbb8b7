"""Values of a soft mask's crop as whole frames, on the CT slices that they cover."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from pydicom.dataset import Dataset

from dicomnode.results.lesion_result import LesionResult
from dicomnode.results.source_slices import (
    check_geometry,
    check_same_grid,
    source_headers,
    state_shared_geometry,
)


class EmptyMask(ValueError):
    """Nothing of the soft mask would be left in the object."""


@dataclass(frozen=True, eq=False)
class WholeFrames:
    """Frames, and the slices that they lie on.

    Attributes
    ----------
    first : int
        Index in `LesionResult.slices` of the first frame's slice.
    headers : list of Dataset
        Copies of the slices' headers for highdicom, without patient and study.
    pixels : ndarray, shape (frames, rows, columns)
        In the order of `headers`.
    """

    first: int
    headers: list[Dataset]
    pixels: npt.NDArray


def covered_slices(result: LesionResult, values: npt.NDArray) -> range:
    """Indices in `result.slices` from the first to the last slice with a value.

    Parameters
    ----------
    result : LesionResult
    values : ndarray, shape of the soft mask
        Zero is nothing.

    Raises
    ------
    EmptyMask
        If there is none.
    """
    filled = np.flatnonzero(values.any(axis=(1, 2)))
    if filled.size == 0:
        raise EmptyMask("no voxel of the soft mask reaches what the object can hold")
    start = result.mask.offset[0]
    return range(start + int(filled[0]), start + int(filled[-1]) + 1)


def whole_frames(
    result: LesionResult, values: npt.NDArray, every_slice: bool = False
) -> WholeFrames:
    """Paste values into frames of the size of the CT.

    Parameters
    ----------
    result : LesionResult
        Only the covered slices are looked at, unless `every_slice`.
    values : ndarray, shape of the soft mask
        Zero is nothing. Empty slices outside the others are left out, never one between them.
    every_slice : bool
        Give each slice of the volume a frame, for viewers that count frames instead of reading
        positions.

    Raises
    ------
    EmptyMask
        If all values are zero.
    UnusableGeometry
        If the slices do not form one regular stack, or the mask does not lie where its offset says.
    """
    covered = covered_slices(result, values)
    check_same_grid(result.mask, result.slices)
    shown = range(len(result.slices)) if every_slice else covered
    headers = source_headers(result.slices[shown.start : shown.stop])
    gap = check_geometry(headers) or result.mask.alpha.spacing_between_slices
    state_shared_geometry(headers, gap)
    pixels = np.zeros((len(shown), headers[0].Rows, headers[0].Columns), dtype=values.dtype)
    top, row, column = result.mask.offset
    _, rows, columns = values.shape
    pixels[
        covered.start - shown.start : covered.stop - shown.start,
        row : row + rows,
        column : column + columns,
    ] = values[covered.start - top : covered.stop - top]
    return WholeFrames(shown.start, headers, pixels)
