"""What is said of one item of a file of marks."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

import numpy as np
import numpy.typing as npt

from dicomnode.explained.ct_folder import CtSlice


class ItemKind(Enum):
    """What an item is."""

    MARK = "mark"
    OUTLINE = "outline"
    SEGMENT = "segment"
    REFERENCE = "reference to a segment"
    OTHER = "item"


class Outcome(Enum):
    """What became of an item."""

    TAKEN = "taken"
    COMPLETED = "completed"
    """Taken, and what was missing was found elsewhere or is done without."""
    REFUSED = "refused"


@dataclass(frozen=True, eq=False)
class Axis:
    """One axis of a mark.

    Attributes
    ----------
    name : str
        ``long`` or ``short``.
    points : ndarray, shape (2, 2) or (2, 3)
        As the object has them: (column, row) in pixels from the outer corner of the first one, or
        LPS mm.
    stated_mm : float or None
        What the object says that it measures.
    length_mm : float or None
        Between the points; None for pixels without their CT.
    length_pixels : float or None
        The same in pixels; None for points in space without their CT.
    """

    name: str
    points: npt.NDArray[np.float64]
    stated_mm: float | None
    length_mm: float | None
    length_pixels: float | None


@dataclass(frozen=True, eq=False)
class Drawing:
    """What is drawn on a CT slice.

    Attributes
    ----------
    slice : CtSlice
    lines : tuple of ndarray, shape (n, 2)
        (column, row) in pixels from the outer corner of the first one.
    closed : bool
        Whether each line returns to its start.
    mask : ndarray, shape (rows, columns), or None
        A segment's values, from 0 to 1.
    """

    slice: CtSlice
    lines: tuple[npt.NDArray[np.float64], ...] = ()
    closed: bool = False
    mask: npt.NDArray[np.float32] | None = None


@dataclass(frozen=True, eq=False)
class ExplainedItem:
    """One item: what it is, what became of it, and why. Without free text of the file.

    Attributes
    ----------
    item : str
        Where in the file, such as ``1.5.2``.
    kind : ItemKind
    outcome : Outcome
    reasons : tuple of str
        Why it was refused, or what was completed and how.
    doubts : tuple of str
        What speaks against trusting it; needs the CT, apart from what the file alone tells.
    notes : tuple of str
        Its size in words.
    images : tuple of (str, int or None)
        SOP Instance UID and frame number, from 1, of each image that it names.
    found_image : str or None
        Name (`slice_name`) of the CT slice that it lies on, where the CT is at hand.
    frame_of_reference_uid, tracking_uid : str or None
    finding, site : str or None
        As ``value (scheme)``.
    axes : tuple of Axis
    drawing : Drawing or None
        Where the CT is at hand.
    """

    item: str
    kind: ItemKind
    outcome: Outcome
    reasons: tuple[str, ...] = ()
    doubts: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    images: tuple[tuple[str, int | None], ...] = ()
    found_image: str | None = None
    frame_of_reference_uid: str | None = None
    tracking_uid: str | None = None
    finding: str | None = None
    site: str | None = None
    axes: tuple[Axis, ...] = ()
    drawing: Drawing | None = None
