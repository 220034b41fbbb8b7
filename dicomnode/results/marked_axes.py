"""The reader's own axes, placed on the slices that a result was made on."""

from __future__ import annotations

from dataclasses import dataclass

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
    planes = [ImagePlane.from_dataset(header, spacing) for header in result.slices]
    uids = [str(header.SOPInstanceUID) for header in result.slices]
    found = []
    for opinion in result.mark.opinions:
        mark = opinion.axes
        if mark is None:
            continue
        if mark.in_space:
            index = int(np.argmin([off_plane_mm(mark, plane) for plane in planes]))
        elif mark.referenced_sop_instance_uid in uids:
            index = uids.index(mark.referenced_sop_instance_uid)
        else:
            continue
        try:
            axes = place(mark, planes[index])
        except Unplaceable:
            continue
        to_pixel = planes[index].to_pixel
        short = None if axes.short_axis is None else to_pixel(axes.short_axis)
        found.append(MarkedAxes(axes, index, to_pixel(axes.long_axis), short))
    return tuple(found)
