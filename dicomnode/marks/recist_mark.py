"""A RECIST mark as it was found in an object, before it meets its CT."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pipelines.recist import line


@dataclass(frozen=True)
class Code:
    """A coded concept (PS3.3 8.8): value, coding scheme designator, meaning."""

    value: str
    scheme: str
    meaning: str


@dataclass(frozen=True, eq=False)
class RecistMark:
    """One or two axes in the coordinates of the object that they were read from.

    Attributes
    ----------
    long_axis, short_axis : ndarray, float64
        End points. Shape (2, 2): (column, row) in pixels, counted from the outer corner of the
        image's first pixel (PS3.3 C.10.5.1.2 and C.18.6.1.1). Shape (2, 3): LPS in mm.
        `short_axis` is None where only one axis was drawn.
    source_sop_instance_uid : str
        The object that holds the mark.
    item : str
        Where in that object, such as ``1.5.2`` (content item positions, from 1).
    referenced_sop_instance_uid : str or None
        The image that the mark was drawn on; None for a mark in space without an image reference.
    referenced_frame : int or None
        Frame number from 1, where the reference names one.
    frame_of_reference_uid : str or None
        For marks in space.
    tracking_id, tracking_uid : str or None
        As the mark's author wrote them.
    finding, site : Code or None
        What was measured, and where.
    stated_long_mm, stated_short_mm : float or None
        Lengths that the object states in mm; None where it states none or another unit.
    uncalibrated : bool
        Whether the object states a length in unit "1", which is pixels: the mark was drawn where
        the image's pixel spacing was not known.
    """

    long_axis: npt.NDArray[np.float64]
    short_axis: npt.NDArray[np.float64] | None
    source_sop_instance_uid: str
    item: str
    referenced_sop_instance_uid: str | None = None
    referenced_frame: int | None = None
    frame_of_reference_uid: str | None = None
    tracking_id: str | None = None
    tracking_uid: str | None = None
    finding: Code | None = None
    site: Code | None = None
    stated_long_mm: float | None = None
    stated_short_mm: float | None = None
    uncalibrated: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "long_axis", line("long_axis", self.long_axis, (2, 3)))
        if self.short_axis is not None:
            object.__setattr__(self, "short_axis", line("short_axis", self.short_axis, (2, 3)))
        if self.short_axis is not None and self.short_axis.shape != self.long_axis.shape:
            raise ValueError("the axes are in different coordinates")
        if self.in_space and self.frame_of_reference_uid is None:
            raise ValueError("a mark in space needs a frame of reference")
        if not self.in_space and self.referenced_sop_instance_uid is None:
            raise ValueError("a mark in pixels needs the image that it was drawn on")

    @property
    def in_space(self) -> bool:
        """Whether the points are patient coordinates rather than pixels."""
        return self.long_axis.shape == (2, 3)

    @property
    def key(self) -> str:
        """Identity of the mark: same place, same points (to 0.01 pixel or mm), same key.

        Neither tracking UIDs nor the holding object take part: OHIF makes new ones at each save.
        """
        place = self.frame_of_reference_uid if self.in_space else self.referenced_sop_instance_uid
        axes = [a for a in (self.long_axis, self.short_axis) if a is not None]
        points = [sorted(map(tuple, (np.round(a * 100) + 0.0).astype(int).tolist())) for a in axes]
        text = f"{place}|{self.referenced_frame or 1}|{points}"
        return hashlib.sha256(text.encode()).hexdigest()
