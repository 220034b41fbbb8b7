"""The reader's own axes, placed on the slices that a result was made on."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt

from dicomnode.marks.placement import ImagePlane, Unplaceable, off_plane_mm, place
from dicomnode.results.lesion_result import LesionResult
from pipelines.recist import RecistAxes


@dataclass(frozen=True, eq=False)
class MarkedAxes:
    """What one reader drew.

    Attributes
    ----------
    axes : RecistAxes
        LPS mm.
    slice_index : int
        In `LesionResult.slices`: the slice that they were drawn on, or lie nearest to.
    long_pixels, short_pixels : ndarray, shape (2, 2), or None
        (column, row) on that slice, from the outer corner of its first pixel. `short_pixels` is
        None where only one axis was drawn.
    """

    axes: RecistAxes
    slice_index: int
    long_pixels: npt.NDArray[np.float64]
    short_pixels: npt.NDArray[np.float64] | None


def marked_axes(result: LesionResult) -> tuple[MarkedAxes, ...]:
    """Axes of all readers who drew some, in their order.

    Axes that cannot be placed on these slices, such as those drawn on another reconstruction, are
    left out: their length in mm would be a guess.
    """
    spacing = float(result.mask.alpha.spacing[0])

    @cache
    def plane(index: int) -> ImagePlane:
        return ImagePlane.from_dataset(result.slices[index], spacing)

    found = []
    for opinion in result.mark.opinions:
        mark = opinion.axes
        if mark is None:
            continue
        if mark.in_space:
            index = int(
                np.argmin([off_plane_mm(mark, plane(i)) for i in range(len(result.slices))])
            )
        else:
            index = result.index_of(mark.referenced_sop_instance_uid, mark.referenced_frame)
            if index is None:
                continue
        try:
            axes = place(mark, plane(index))
        except Unplaceable:
            continue
        to_pixel = plane(index).to_pixel
        short = None if axes.short_axis is None else to_pixel(axes.short_axis)
        found.append(MarkedAxes(axes, index, to_pixel(axes.long_axis), short))
    return tuple(found)
