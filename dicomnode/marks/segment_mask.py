"""From a segment of a SEG to the pixels that it takes of each CT slice.

A frame whose grid is that of a slice is taken as it stands. One that only names its slice is too:
dcmjs leaves out where frames lie. All others are resampled, by the frames' own positions.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from dicomnode.marks.placement import ImagePlane, OtherFrameOfReference, Unplaceable
from dicomnode.marks.rasterise import ImageSlice
from dicomnode.marks.segment import Segment, SegmentFrame

if TYPE_CHECKING:
    import SimpleITK as sitk

RESAMPLED = "the segment lies on another grid than the CT; it was resampled"

_HALF = 0.5
"""From this part on a voxel counts as lesion."""

_SAME_PIXEL = 0.05
"""Pixels by which the grids of a frame and a slice may differ and still be one."""

_SAME_SLICE = 0.1
"""Part of a slice step by which a frame may lie beside its slice."""

MAX_GAP_MM = 12.0
"""Farther apart than this, two slices of a mask leave what is between them empty."""

_MOST_VOXELS = 60_000_000
"""Of the box around a segment that is resampled."""

Pixels = dict[int, npt.NDArray[np.bool_]]
"""Index of a slice to its mask, shape (rows, columns)."""


def segment_on_slices(
    segment: Segment, images: Sequence[ImageSlice], step_mm: float | None
) -> tuple[Pixels, tuple[str, ...]]:
    """Pixels of a series that a segment takes.

    Parameters
    ----------
    segment : Segment
        With pixels.
    images : sequence of ImageSlice
        The series in order along its normal, all of one size and orientation.
    step_mm : float or None
        Distance between its slices; None for a single one.

    Returns
    -------
    pixels : dict from int to ndarray of bool, shape (rows, columns)
        Only slices with some. A pixel counts from half a voxel, or half the probability, on.
    warnings : tuple of str

    Raises
    ------
    OtherFrameOfReference
        If the segment is in another frame of reference, and its frames do not name slices.
    Unplaceable
        If a frame lies on no slice and cannot be resampled.
    UndecodableFrame
        If the pixels of a frame cannot be decoded.
    """
    found: Pixels = {}
    # Empty frames may lie beyond the slices, and need no place.
    for frame in segment.frames:
        pixels = frame.values >= _HALF
        if not pixels.any():
            continue
        place = _own_slice(frame, segment, images, step_mm)
        if place is None:
            break
        found[place] = found[place] | pixels if place in found else pixels
    else:
        if not _is_thicker(found, segment, step_mm):
            return found, ()
    return _resampled(segment, images, step_mm), (RESAMPLED,)


def _is_thicker(found: Pixels, segment: Segment, step_mm: float | None) -> bool:
    """Whether frames lie on every n-th slice only: they are slices of a thicker series."""
    gaps = np.diff(sorted(found))
    if len(gaps) == 0 or gaps.min() == 1 or gaps.min() * (step_mm or 0.0) > MAX_GAP_MM:
        return False
    return all(frame.position is not None for frame in segment.frames)


def _own_slice(
    frame: SegmentFrame, segment: Segment, images: Sequence[ImageSlice], step_mm: float | None
) -> int | None:
    """Index of the slice whose grid is the frame's; None where there is none."""
    plane = images[0].plane
    if (frame.rows, frame.columns) != (plane.rows, plane.columns):
        return None
    if None in (frame.position, frame.orientation, frame.pixel_spacing):
        for index, image in enumerate(images):
            if image.sop_instance_uid == frame.referenced_sop_instance_uid and (
                image.frame in (None, frame.referenced_frame)
            ):
                return index
        return None
    if segment.frame_of_reference_uid not in (None, plane.frame_of_reference_uid):
        return None
    if not np.allclose(frame.orientation, plane.orientation, atol=1e-3):
        return None
    if not np.allclose(frame.pixel_spacing, plane.pixel_spacing, rtol=1e-3):
        return None
    away = [float(image.plane.distance_mm([frame.position])[0]) for image in images]
    index = int(np.argmin(away))
    corner = images[index].plane.to_pixel([frame.position])[0] - 0.5
    beside = np.abs(corner).max() > _SAME_PIXEL
    return None if beside or away[index] > _SAME_SLICE * (step_mm or 1.0) else index


def _resampled(segment: Segment, images: Sequence[ImageSlice], step_mm: float | None) -> Pixels:
    # Here, for a node that starts need not wait for SimpleITK.
    import SimpleITK as sitk

    plane = images[0].plane
    if segment.frame_of_reference_uid != plane.frame_of_reference_uid:
        raise OtherFrameOfReference(
            f"the segment is in frame of reference {segment.frame_of_reference_uid}, "
            f"the images in {plane.frame_of_reference_uid}"
        )
    image = _as_volume(segment, step_mm)
    if image is None:
        return {}
    found: Pixels = {}
    for index, target in enumerate(images):
        row, column, normal = _directions(target.plane)
        resampled = sitk.Resample(
            image,
            (target.plane.columns, target.plane.rows, 1),
            sitk.Transform(),
            sitk.sitkLinear,
            target.plane.position,
            (target.plane.pixel_spacing[1], target.plane.pixel_spacing[0], 1.0),
            np.stack([row, column, normal], axis=1).ravel().tolist(),
            0.0,
            sitk.sitkFloat32,
        )
        pixels = sitk.GetArrayViewFromImage(resampled)[0] >= _HALF
        if pixels.any():
            found[index] = pixels
    return found


def _as_volume(segment: Segment, step_mm: float | None) -> sitk.Image | None:
    """The box around the segment's pixels with one empty voxel around it; None where it has none.

    Frames that are left out between others are empty (PS3.3 C.8.20.3.1).
    """
    import SimpleITK as sitk

    first = segment.frames[0]
    if None in (first.position, first.orientation, first.pixel_spacing):
        raise Unplaceable("a frame names a slice that is not there, and does not say where it lies")
    for frame in segment.frames:
        same = (
            None not in (frame.position, frame.orientation, frame.pixel_spacing)
            and np.allclose(frame.orientation, first.orientation, atol=1e-3)
            and np.allclose(frame.pixel_spacing, first.pixel_spacing, rtol=1e-3)
        )
        if not same:
            raise Unplaceable("the segment's frames are not all of one orientation and spacing")
    plane = ImagePlane(
        first.position, first.orientation, first.pixel_spacing, first.rows, first.columns
    )
    row, column, normal = _directions(plane)
    positions = np.array([frame.position for frame in segment.frames]) - first.position
    index, step, low = _lattice(positions @ normal, step_mm)
    lean = np.abs(plane.to_pixel(positions + first.position) - 0.5).max()
    if lean > 2 * _SAME_PIXEL:
        raise Unplaceable(
            f"the segment's frames are shifted against each other by up to {lean:.2f} pixels"
        )
    box = _box(segment.frames)
    if box is None:
        return None
    top, bottom, left, right = box
    depth = int(index.max()) + 1
    if (depth + 2) * (bottom - top + 2) * (right - left + 2) > _MOST_VOXELS:
        raise Unplaceable("the segment is too large to be resampled")
    array = np.zeros((depth + 2, bottom - top + 2, right - left + 2), np.float32)
    for frame, k in zip(segment.frames, index, strict=True):
        part = array[k + 1, 1:-1, 1:-1]
        np.maximum(part, frame.values[top:bottom, left:right], out=part)
    image = sitk.GetImageFromArray(array)
    rows_mm, columns_mm = first.pixel_spacing
    corner = np.array(first.position) + normal * (low - step)
    corner = corner + row * columns_mm * (left - 1) + column * rows_mm * (top - 1)
    image.SetOrigin(corner.tolist())
    image.SetSpacing((columns_mm, rows_mm, step))
    image.SetDirection(np.stack([row, column, normal], axis=1).ravel().tolist())
    return image


def _lattice(
    along: npt.NDArray[np.float64], step_mm: float | None
) -> tuple[npt.NDArray[np.int64], float, float]:
    """Place of each frame on an even lattice, its step, and where the first place is, in mm."""
    places = np.unique(np.round(along, 3))
    gaps = np.diff(places)
    gaps = gaps[gaps > 0.02]
    step = float(gaps.min()) if len(gaps) else (step_mm or 1.0)
    place = (along - places[0]) / step
    index = np.rint(place).astype(np.int64)
    if np.abs(place - index).max() > 0.1 or index.max() > 10_000:
        raise Unplaceable("the segment's frames are not evenly spaced")
    return index, step, float(places[0])


def _box(frames: Sequence[SegmentFrame]) -> tuple[int, int, int, int] | None:
    """First row, end of rows, first column and end of columns that any frame sets."""
    rows, columns = np.zeros(frames[0].rows, bool), np.zeros(frames[0].columns, bool)
    for frame in frames:
        pixels = frame.values > 0
        if pixels.shape != (len(rows), len(columns)):
            raise Unplaceable("the segment's frames differ in size")
        rows |= pixels.any(axis=1)
        columns |= pixels.any(axis=0)
    (r,), (c,) = rows.nonzero(), columns.nonzero()
    return None if not len(r) else (int(r[0]), int(r[-1]) + 1, int(c[0]), int(c[-1]) + 1)


def _directions(
    plane: ImagePlane,
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Unit vectors along a row, along a column and across, made exactly perpendicular."""
    row, column = np.array(plane.orientation).reshape(2, 3)
    row = row / np.linalg.norm(row)
    column = column - (column @ row) * row
    column = column / np.linalg.norm(column)
    return row, column, np.cross(row, column)
