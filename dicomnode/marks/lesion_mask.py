"""From a reader's opinion to the voxels of a CT series that it calls lesion."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from dicomnode.marks.lesion_mark import Opinion
from dicomnode.marks.mark_reading import MarkReading
from dicomnode.marks.outline_mask import outline_on_slices
from dicomnode.marks.placement import Unplaceable
from dicomnode.marks.rasterise import ImageSlice
from dicomnode.marks.segment import Segment, SegmentReference
from dicomnode.marks.segment_mask import segment_on_slices

Voxels = dict[str, npt.NDArray[np.int64]]
"""Name of a slice (`slice_name`) to ``row * columns + column`` of its pixels, ascending."""


def in_order(images: Sequence[ImageSlice]) -> tuple[tuple[ImageSlice, ...], float | None]:
    """Sort slices of one orientation along their normal.

    Returns
    -------
    images : tuple of ImageSlice
    step_mm : float or None
        Their usual distance; None where all lie at one place.
    """
    normal = images[0].plane.normal
    offsets = np.array([np.asarray(image.plane.position) @ normal for image in images])
    steps = np.diff(np.sort(offsets))
    steps = steps[steps > 1e-3]
    ordered = tuple(images[i] for i in np.argsort(offsets, kind="stable"))
    return ordered, float(np.median(steps)) if len(steps) else None


def voxels_of(
    opinion: Opinion,
    images: Sequence[ImageSlice],
    step_mm: float | None,
    segment_of: Callable[[SegmentReference], Segment],
) -> tuple[Voxels, tuple[str, ...]]:
    """Voxels that one reader calls lesion, by the segment or else by the outline.

    Parameters
    ----------
    opinion : Opinion
        With a segment or an outline.
    images, step_mm
        The series, as `in_order` gives it.
    segment_of : callable
        Gives the segment that a reference names, with pixels.

    Returns
    -------
    voxels : Voxels
        Empty where the mask is.
    warnings : tuple of str

    Raises
    ------
    dicomnode.marks.Unplaceable, dicomnode.marks.UndecodableFrame
        If the mask cannot be put on the series.
    """
    if opinion.segment is not None:
        segment = segment_of(opinion.segment)
        pixels, warnings = segment_on_slices(segment, images, step_mm)
    else:
        pixels, warnings = outline_on_slices(opinion.outline, images, step_mm)
    voxels = {images[index].name: np.flatnonzero(mask) for index, mask in sorted(pixels.items())}
    return {name: flat for name, flat in voxels.items() if len(flat)}, warnings


def as_array(
    voxels: Mapping[str, npt.NDArray[np.int64]], images: Sequence[ImageSlice]
) -> np.ndarray:
    """Mask of shape (slices, rows, columns), bool, on the given slices."""
    plane = images[0].plane
    mask = np.zeros((len(images), plane.rows * plane.columns), bool)
    for index, image in enumerate(images):
        flat = voxels.get(image.name)
        if flat is not None:
            mask[index, flat] = True
    return mask.reshape(len(images), plane.rows, plane.columns)


def find_segment(reading: MarkReading, reference: SegmentReference) -> Segment:
    """The segment of a SEG that a reference names, with the frames that it names.

    Parameters
    ----------
    reading : MarkReading
        What `read_seg` found in the SEG.
    reference : SegmentReference

    Raises
    ------
    Unplaceable
        If the SEG has no such segment, or frames of several.
    """
    wanted = set(reference.frames)
    found = [
        segment
        for segment in reading.segments
        if reference.segment_number in (None, segment.number)
        and wanted <= {frame.number for frame in segment.frames}
    ]
    if len(found) != 1:
        number = reference.segment_number
        named = "its frames" if number is None else f"segment {number}"
        raise Unplaceable(
            f"the SEG {reference.seg_sop_instance_uid} has {len(found)} segments that may be meant "
            f"by {named}, expected one"
        )
    if not wanted:
        return found[0]
    return replace(
        found[0], frames=tuple(frame for frame in found[0].frames if frame.number in wanted)
    )
