"""Read readers' masks onto the slices of a volume."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pydicom

from dicomnode.frames import FrameFile, UnreadableFrames, read_headers
from dicomnode.marks import (
    ImagePlane,
    Segment,
    SegmentReference,
    UndecodableFrame,
    Unplaceable,
    read_marks,
)
from dicomnode.marks.lesion_mark import Opinion
from dicomnode.marks.lesion_mask import as_array, find_segment, in_order, voxels_of
from dicomnode.marks.rasterise import ImageSlice
from pipelines.errors import EmptyMaskError, UnusableMarkError
from pipelines.recist import RecistAxes


@dataclass(frozen=True)
class MaskPrior:
    """Readers' masks of one lesion.

    Attributes
    ----------
    opinions : tuple of Opinion
        Each with an outline or a segment.
    segs : tuple of (str, Path)
        SOP Instance UID and file of each SEG that they refer to.
    axes : RecistAxes
        Drawn beside them or measured on them, for masks of one slice.
    """

    opinions: tuple[Opinion, ...]
    segs: tuple[tuple[str, Path], ...]
    axes: RecistAxes


def read_masks(prior: MaskPrior, slices: Sequence[Path | FrameFile]) -> npt.NDArray[np.bool_]:
    """Masks on the grid of the slices.

    Parameters
    ----------
    prior : MaskPrior
    slices : sequence of Path or FrameFile
        CT slices in order along the normal, of one grid.

    Returns
    -------
    ndarray of bool, shape (readers, slices, rows, columns)
        Readers whose mask is empty are left out.

    Raises
    ------
    UnusableMarkError
        If a mask cannot be put on the slices.
    EmptyMaskError
        If all are empty.
    """
    try:
        headers = read_headers(slices)
    except UnreadableFrames as problem:
        raise UnusableMarkError(str(problem)) from None
    images = [
        ImageSlice(
            str(header.SOPInstanceUID),
            _plane(header),
            one.number if isinstance(one, FrameFile) else None,
        )
        for one, header in zip(slices, headers, strict=True)
    ]
    ordered, step = in_order(images)
    reader = _SegFiles(dict(prior.segs))
    masks = []
    for opinion in prior.opinions:
        try:
            voxels, _ = voxels_of(opinion, ordered, step, reader.segment)
        except (Unplaceable, UndecodableFrame) as problem:
            raise UnusableMarkError(str(problem)) from None
        if voxels:
            masks.append(as_array(voxels, images))
    if not masks:
        raise EmptyMaskError("found no voxel in the readers' masks, expected a lesion")
    return np.stack(masks)


class _SegFiles:
    """SEG objects by their UID, each read once."""

    def __init__(self, paths: dict[str, Path]) -> None:
        self._paths = paths
        self._read = {}

    def segment(self, reference: SegmentReference) -> Segment:
        uid = reference.seg_sop_instance_uid
        if uid not in self._read:
            self._read[uid] = read_marks(pydicom.dcmread(self._paths[uid]))
        return find_segment(self._read[uid], reference)


def _plane(header: pydicom.Dataset) -> ImagePlane:
    thickness = header.get("SliceThickness")
    spacing = float(thickness) if thickness and float(thickness) > 0 else None
    return ImagePlane.from_dataset(header, spacing)
