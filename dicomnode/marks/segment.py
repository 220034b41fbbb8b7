"""Segments of SEG objects, and references to them, as they were found in an object."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

import numpy as np
import numpy.typing as npt

from dicomnode.marks.recist_mark import Code


class SegmentKind(Enum):
    """How a SEG stores its segments (PS3.3 C.8.20.2, Segmentation Type)."""

    BINARY = "BINARY"
    FRACTIONAL = "FRACTIONAL"
    LABELMAP = "LABELMAP"


class UndecodableFrame(ValueError):
    """The pixels of one frame are absent, or cannot be decoded."""


@dataclass(frozen=True, eq=False)
class SegmentFrame:
    """One slice of one segment. Its pixels are decoded when they are asked for.

    Attributes
    ----------
    number : int
        Frame number in the SEG, from 1.
    rows, columns : int
        Size in pixels.
    decode : callable
        Gives the values; see `values`.
    referenced_sop_instance_uid : str or None
        The image that the frame was made from, where the SEG names one.
    referenced_frame : int or None
        Frame number from 1 in that image, where the reference names one.
    position : tuple of 3 float, or None
        Centre of the first pixel, LPS mm; None where the SEG does not say.
    orientation : tuple of 6 float, or None
        Direction cosines of a row (towards greater columns), then of a column.
    pixel_spacing : tuple of 2 float, or None
        Distance between rows, then between columns, in mm.
    """

    number: int
    rows: int
    columns: int
    decode: Callable[[], npt.NDArray[np.float32]]
    referenced_sop_instance_uid: str | None = None
    referenced_frame: int | None = None
    position: tuple[float, float, float] | None = None
    orientation: tuple[float, float, float, float, float, float] | None = None
    pixel_spacing: tuple[float, float] | None = None

    @property
    def values(self) -> npt.NDArray[np.float32]:
        """Proportion of each pixel that is in the segment, or its probability.

        Returns
        -------
        ndarray, shape (rows, columns), float32
            From 0 to 1.

        Raises
        ------
        UndecodableFrame
            If the object was read without pixels, or they cannot be decoded.
        """
        values = np.asarray(self.decode(), dtype=np.float32)
        if values.shape != (self.rows, self.columns):
            raise UndecodableFrame(
                f"frame {self.number}: found {values.shape}, expected {self.rows} x {self.columns}"
            )
        return values


@dataclass(frozen=True, eq=False)
class Segment:
    """One segment of a SEG. What it is called is left out: the text is free.

    Attributes
    ----------
    frames : tuple of SegmentFrame
        At least one, in the order of the object.
    kind : SegmentKind
    number : int
        Segment Number; for LABELMAP the pixel value.
    source_sop_instance_uid : str
        The SEG.
    item : str
        Where in it, such as ``segment 2``.
    frame_of_reference_uid : str or None
        The space that the frames' positions are in.
    tracking_id, tracking_uid : str or None
        As the segment's author wrote them.
    finding, site : Code or None
        What was segmented (Segmented Property Type), and where (Anatomic Region).
    category : Code or None
        Of what sort that is (Segmented Property Category), such as an anatomical structure.
    """

    frames: tuple[SegmentFrame, ...]
    kind: SegmentKind
    number: int
    source_sop_instance_uid: str
    item: str
    frame_of_reference_uid: str | None = None
    tracking_id: str | None = None
    tracking_uid: str | None = None
    finding: Code | None = None
    site: Code | None = None
    category: Code | None = None

    def __post_init__(self) -> None:
        if not self.frames:
            raise ValueError("a segment needs a frame")


@dataclass(frozen=True)
class SegmentReference:
    """A lesion that is said to be a segment of a SEG, which may not have come yet.

    Attributes
    ----------
    seg_sop_instance_uid : str
        The SEG.
    segment_number : int or None
        Segment Number in it; None where only frames are named.
    frames : tuple of int
        Frame numbers from 1 in the SEG; empty for all.
    source_sop_instance_uid : str
        The object that holds the reference.
    item : str
        Where in it. A mark or outline of the same object and item is the same lesion.
    tracking_id, tracking_uid : str or None
        As the reference's author wrote them.
    finding, site : Code or None
        What was found, and where.
    """

    seg_sop_instance_uid: str
    segment_number: int | None
    frames: tuple[int, ...]
    source_sop_instance_uid: str
    item: str
    tracking_id: str | None = None
    tracking_uid: str | None = None
    finding: Code | None = None
    site: Code | None = None
