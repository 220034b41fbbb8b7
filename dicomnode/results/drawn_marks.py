"""What readers drew, as lines on the slices that are shown."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from dicomnode.marks.placement import ImagePlane
from dicomnode.results.lesion_result import LesionResult

Points = npt.NDArray[np.float64]


def drawn_marks(
    result: LesionResult, shown: Sequence[int]
) -> dict[int, tuple[tuple[Points, bool], ...]]:
    """Axes and outlines of all readers, by the index of their slice in `result.slices`.

    A line in space is on the nearest of the shown slices, unless that is more than half a slice
    away or in another frame of reference. What lies on no shown slice is left out: it is not drawn
    where it was not.

    Parameters
    ----------
    result : LesionResult
    shown : sequence of int
        Indices of slices.

    Returns
    -------
    dict from int to tuple of (ndarray of shape (n, 2), bool)
        (column, row) from the outer corner of the first pixel; whether the line is closed.
    """
    spacing = float(result.mask.alpha.spacing[0])
    planes = {i: ImagePlane.from_dataset(result.slices[i], spacing) for i in shown}
    found: dict[int, list[tuple[Points, bool]]] = {}
    for points, image, frame_of_reference, closed in _lines(result):
        if points.shape[1] == 2:
            index = result.index_of(*image)
            index = index if index in planes else None
        else:
            index = _nearest(points, frame_of_reference, planes)
            points = points if index is None else planes[index].to_pixel(points)
        if index is not None:
            found.setdefault(index, []).append((points, closed))
    return {index: tuple(lines) for index, lines in found.items()}


def _lines(
    result: LesionResult,
) -> Iterator[tuple[Points, tuple[str | None, int | None], str | None, bool]]:
    for opinion in result.mark.opinions:
        if opinion.axes is not None:
            for axis in (opinion.axes.long_axis, opinion.axes.short_axis):
                if axis is not None:
                    image = (
                        opinion.axes.referenced_sop_instance_uid,
                        opinion.axes.referenced_frame,
                    )
                    yield axis, image, opinion.axes.frame_of_reference_uid, False
        if opinion.outline is not None:
            frame_of_reference = opinion.outline.frame_of_reference_uid
            for contour in opinion.outline.contours:
                image = (contour.referenced_sop_instance_uid, contour.referenced_frame)
                yield contour.points, image, frame_of_reference, True


def _nearest(
    points: Points, frame_of_reference: str | None, planes: dict[int, ImagePlane]
) -> int | None:
    distances = {
        index: float(plane.distance_mm(points).max())
        for index, plane in planes.items()
        if plane.frame_of_reference_uid == frame_of_reference
    }
    if not distances:
        return None
    index = min(distances, key=distances.__getitem__)
    return index if distances[index] <= planes[index].slice_spacing / 2 * (1 + 1e-6) else None
