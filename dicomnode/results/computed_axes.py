"""The axes that were measured, in pixels of the slice that they lie on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from dicomnode.results.lesion_result import LesionResult

IN_PLANE = 0.01
"""Slices by which an end point may lie off a slice and still be drawn on it."""


@dataclass(frozen=True, eq=False)
class ComputedAxes:
    """Measured axes on one slice.

    Attributes
    ----------
    slice_index : int
        In `LesionResult.slices`.
    long_pixels, short_pixels : ndarray, shape (2, 2)
        (column, row) from the outer corner of the image's first pixel (PS3.3 C.18.6.1.1).
    """

    slice_index: int
    long_pixels: npt.NDArray[np.float64]
    short_pixels: npt.NDArray[np.float64]


def computed_axes(result: LesionResult) -> ComputedAxes | None:
    """The measured axes in pixels; None where there are none or they run across slices.

    They run across slices where the stack is sagittal or coronal, for diameters are axial. Pixels
    follow from the mask's own grid and not from the slice's position, so that a leaning stack
    (gantry tilt) has them where alpha is.
    """
    axes = result.measurements.axes
    if axes is None or axes.short_axis is None:
        return None
    points = np.concatenate([axes.long_axis, axes.short_axis])
    affine = result.mask.alpha.affine
    index = (points - affine[:3, 3]) @ np.linalg.inv(affine[:3, :3]).T
    slices = np.rint(index[:, 0])
    if np.ptp(slices) or (np.abs(index[:, 0] - slices) > IN_PLANE).any():
        return None
    offset = result.mask.offset
    slice_index = offset[0] + int(slices[0])
    header = result.slices[slice_index]
    pixels = index[:, [2, 1]] + 0.5 + (offset[2], offset[1])
    pixels = np.clip(pixels, 0, (int(header.Columns), int(header.Rows)))
    return ComputedAxes(slice_index, pixels[:2], pixels[2:])
