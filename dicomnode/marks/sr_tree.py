"""A tolerant walk over the content tree of a structured report (PS3.3 C.17.3).

Reports in archives break the standard in many small ways: a NUM without a value, a missing
RelationshipType, a value that cannot be decoded. Each such flaw costs the item that has it and
nothing else, so every attribute is read for itself and gives None where it cannot be read.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property

import numpy as np
import numpy.typing as npt
from pydicom.dataset import Dataset

from dicomnode.marks.attributes import (
    read_attribute,
    read_code,
    read_integers,
    read_numbers,
    read_sequence,
    read_text,
    read_uid,
)
from dicomnode.marks.codes import Concept
from dicomnode.marks.recist_mark import Code

MAX_DEPTH = 24
"""Levels of content items that are followed; TID 1500 needs 8."""

MAX_ITEMS = 4_000
"""Content items that are looked at in one document, its image library left out."""


class ContentItem:
    """One content item and its place in the tree.

    Parameters
    ----------
    dataset : Dataset
        The item.
    position : tuple of int
        Positions from the root on, each from 1 (PS3.3 C.17.3.2.5); the root is ``(1,)``.
    """

    def __init__(self, dataset: Dataset, position: tuple[int, ...] = (1,)) -> None:
        self.dataset = dataset
        self.position = position

    @property
    def label(self) -> str:
        """The position as text, such as ``1.5.2``."""
        return ".".join(map(str, self.position))

    @cached_property
    def value_type(self) -> str | None:
        """Value type such as ``NUM``, None if there is none."""
        return read_text(self.dataset, "ValueType")

    @cached_property
    def name(self) -> Code | None:
        """The item's concept name."""
        return read_code(self.dataset, "ConceptNameCodeSequence")

    def is_named(self, concept: Concept) -> bool:
        """Whether the item's concept name is `concept`, by value and scheme."""
        return concept.covers(self.name)

    @cached_property
    def children(self) -> list[ContentItem]:
        """The items below this one; empty where there are none or they cannot be read."""
        if len(self.position) >= MAX_DEPTH:
            return []
        return [
            ContentItem(dataset, (*self.position, index))
            for index, dataset in enumerate(read_sequence(self.dataset, "ContentSequence"), start=1)
        ]

    def walk(self) -> Iterator[ContentItem]:
        """This item and all below it, in document order, up to `MAX_DEPTH` and `MAX_ITEMS`."""
        stack = [self]
        for _ in range(MAX_ITEMS):
            if not stack:
                return
            item = stack.pop()
            yield item
            stack.extend(reversed(item.children))

    def child(self, concept: Concept) -> ContentItem | None:
        """The first child that is named `concept`."""
        return next((item for item in self.children if item.is_named(concept)), None)

    @cached_property
    def is_pointer(self) -> bool:
        """Whether the item stands for another one (relationship by reference)."""
        return read_attribute(self.dataset, "ReferencedContentItemIdentifier") is not None

    def follow(self, root: ContentItem) -> ContentItem | None:
        """The item that stands here: itself, or where a relationship by reference points to.

        None if the reference (PS3.3 C.17.3.2.5) leads nowhere.
        """
        if not self.is_pointer:
            return self
        steps = read_integers(self.dataset, "ReferencedContentItemIdentifier")
        if not steps:
            return None
        item = root
        for step in steps[1:]:
            children = item.children
            if not 1 <= step <= len(children):
                return None
            item = children[step - 1]
        return item if steps[0] == 1 else None

    @property
    def text(self) -> str | None:
        """Value of a TEXT item."""
        return read_text(self.dataset, "TextValue")

    @property
    def uid(self) -> str | None:
        """Value of a UIDREF item."""
        return read_uid(self.dataset, "UID")

    @cached_property
    def code(self) -> Code | None:
        """Value of a CODE item."""
        return read_code(self.dataset, "ConceptCodeSequence")

    @cached_property
    def number(self) -> tuple[float, Code | None] | None:
        """Value and unit of a NUM item; None where the value is absent or not finite."""
        for measured in read_sequence(self.dataset, "MeasuredValueSequence")[:1]:
            try:
                value = float(read_attribute(measured, "NumericValue"))
            except (TypeError, ValueError):
                return None
            if np.isfinite(value):
                return value, read_code(measured, "MeasurementUnitsCodeSequence")
        return None

    @property
    def graphic_type(self) -> str | None:
        """Graphic type of a SCOORD or SCOORD3D item."""
        return read_text(self.dataset, "GraphicType")

    @cached_property
    def points(self) -> npt.NDArray[np.float64] | None:
        """Points of a SCOORD, shape (n, 2), or SCOORD3D, shape (n, 3), as they stand.

        None where their number is no multiple of 2 or 3, or one cannot be read or is not finite.
        """
        width = {"SCOORD": 2, "SCOORD3D": 3}.get(self.value_type or "")
        values = read_numbers(self.dataset, "GraphicData")
        if width is None or values is None or values.size % width:
            return None
        return values.reshape(-1, width)

    @property
    def frame_of_reference_uid(self) -> str | None:
        """Frame of reference of a SCOORD3D item."""
        return read_uid(self.dataset, "ReferencedFrameOfReferenceUID")

    @cached_property
    def referenced_image(self) -> tuple[str, tuple[int, ...]] | None:
        """SOP Instance UID and frame numbers of an IMAGE item; no numbers stand for all frames."""
        for reference in read_sequence(self.dataset, "ReferencedSOPSequence")[:1]:
            uid = read_uid(reference, "ReferencedSOPInstanceUID")
            frames = read_integers(reference, "ReferencedFrameNumber")
            return None if uid is None or frames is None else (uid, frames)
        return None

    @property
    def referenced_class(self) -> str | None:
        """SOP Class UID that an IMAGE item refers to."""
        for reference in read_sequence(self.dataset, "ReferencedSOPSequence")[:1]:
            return read_uid(reference, "ReferencedSOPClassUID")
        return None

    @property
    def referenced_segments(self) -> tuple[int, ...]:
        """Segment numbers, from 1, that an IMAGE item refers to in a SEG."""
        for reference in read_sequence(self.dataset, "ReferencedSOPSequence")[:1]:
            numbers = read_integers(reference, "ReferencedSegmentNumber") or ()
            return tuple(number for number in numbers if number > 0)
        return ()
