"""Closed outlines of one lesion by one reader, as they were found in an object or a file."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from dicomnode.marks.recist_mark import Code


@dataclass(frozen=True, eq=False)
class Contour:
    """One closed planar curve.

    Attributes
    ----------
    points : ndarray, float64
        At least three corners, the first not repeated at the end. Shape (n, 2): (column, row) in
        pixels, counted from the outer corner of the image's first pixel, whose centre is
        (0.5, 0.5). Shape (n, 3): LPS in mm.
    referenced_sop_instance_uid : str or None
        The image that the curve was drawn on; None where only the points in space say it.
    referenced_frame : int or None
        Frame number from 1, where the reference names one.
    encloses_lesion : bool
        False for the edge of a hole.
    edge_is_inside : bool
        False where the pixels under the curve are not lesion themselves (LIDC XML).
    """

    points: npt.NDArray[np.float64]
    referenced_sop_instance_uid: str | None = None
    referenced_frame: int | None = None
    encloses_lesion: bool = True
    edge_is_inside: bool = True

    def __post_init__(self) -> None:
        points = np.asarray(self.points, dtype=np.float64)
        if points.ndim != 2 or points.shape[1] not in (2, 3) or len(points) < 3:
            raise ValueError(f"points: found shape {points.shape}, expected (3 or more, 2 or 3)")
        if not np.isfinite(points).all():
            raise ValueError("points: found coordinates that are not finite")
        points.flags.writeable = False
        object.__setattr__(self, "points", points)

    @property
    def in_space(self) -> bool:
        """Whether the points are patient coordinates rather than pixels."""
        return self.points.shape[1] == 3


@dataclass(frozen=True, eq=False)
class Outline:
    """All curves that one reader drew around one lesion.

    Attributes
    ----------
    contours : tuple of Contour
        At least one.
    source_sop_instance_uid : str
        The object or file that holds them.
    item : str
        Where in it.
    frame_of_reference_uid : str or None
        For points in space.
    reader : str or None
        Tells readers of one object apart, such as ``"2"``; never a person's name.
    tracking_id, tracking_uid : str or None
        As the outline's author wrote them.
    finding, site : Code or None
        What was outlined, and where.
    structure_type : str or None
        RT ROI Interpreted Type (PS3.3 C.8.8.8), such as ``GTV`` or ``ORGAN``.
    """

    contours: tuple[Contour, ...]
    source_sop_instance_uid: str
    item: str
    frame_of_reference_uid: str | None = None
    reader: str | None = None
    tracking_id: str | None = None
    tracking_uid: str | None = None
    finding: Code | None = None
    site: Code | None = None
    structure_type: str | None = None

    def __post_init__(self) -> None:
        if not self.contours:
            raise ValueError("an outline needs a contour")
        for contour in self.contours:
            if contour.in_space and self.frame_of_reference_uid is None:
                raise ValueError("a contour in space needs a frame of reference")
            if not contour.in_space and contour.referenced_sop_instance_uid is None:
                raise ValueError("a contour in pixels needs the image that it was drawn on")
