"""A tolerant walk over the content tree of a structured report (PS3.3 C.17.3).

Reports in archives break the standard in many small ways: a NUM without a value, a missing
RelationshipType, a value that cannot be decoded. Each such flaw costs the item that has it and
nothing else, so every attribute is read for itself and gives None where it cannot be read.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
from pydicom.dataset import Dataset

from dicomnode.marks.codes import Concept
from dicomnode.marks.recist_mark import Code
from dicomnode.store.uid import is_valid_uid

MAX_DEPTH = 24
"""Levels of content items that are followed; TID 1500 needs 8."""

MAX_ITEMS = 100_000
"""Content items that are looked at in one document."""


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

    @property
    def value_type(self) -> str | None:
        """Value type such as ``NUM``, None if there is none."""
        return _text(self.dataset, "ValueType")

    @property
    def name(self) -> Code | None:
        """The item's concept name."""
        return _code(self.dataset, "ConceptNameCodeSequence")

    def is_named(self, concept: Concept) -> bool:
        """Whether the item's concept name is `concept`, by value and scheme."""
        return concept.covers(self.name)

    @property
    def children(self) -> list[ContentItem]:
        """The items below this one; empty where there are none or they cannot be read."""
        if len(self.position) >= MAX_DEPTH:
            return []
        return [
            ContentItem(dataset, (*self.position, index))
            for index, dataset in enumerate(_sequence(self.dataset, "ContentSequence"), start=1)
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

    def follow(self, root: ContentItem) -> ContentItem | None:
        """The item that stands here: itself, or where a relationship by reference points to.

        None if the reference (PS3.3 C.17.3.2.5) leads nowhere.
        """
        target = _attribute(self.dataset, "ReferencedContentItemIdentifier")
        if target is None:
            return self
        try:
            steps = [int(step) for step in np.atleast_1d(np.asarray(target))]
        except (TypeError, ValueError):
            return None
        item = root
        for step in steps[1:]:
            children = item.children
            if not 1 <= step <= len(children):
                return None
            item = children[step - 1]
        return item if steps[:1] == [1] else None

    @property
    def text(self) -> str | None:
        """Value of a TEXT item."""
        return _text(self.dataset, "TextValue")

    @property
    def uid(self) -> str | None:
        """Value of a UIDREF item."""
        return _uid(self.dataset, "UID")

    @property
    def code(self) -> Code | None:
        """Value of a CODE item."""
        return _code(self.dataset, "ConceptCodeSequence")

    @property
    def number(self) -> tuple[float, Code | None] | None:
        """Value and unit of a NUM item; None where the value is absent or not finite."""
        for measured in _sequence(self.dataset, "MeasuredValueSequence")[:1]:
            try:
                value = float(_attribute(measured, "NumericValue"))
            except (TypeError, ValueError):
                return None
            if np.isfinite(value):
                return value, _code(measured, "MeasurementUnitsCodeSequence")
        return None

    @property
    def graphic_type(self) -> str | None:
        """Graphic type of a SCOORD or SCOORD3D item."""
        return _text(self.dataset, "GraphicType")

    @property
    def points(self) -> npt.NDArray[np.float64] | None:
        """Points of a SCOORD, shape (n, 2), or SCOORD3D, shape (n, 3), as they stand.

        None where their number is no multiple of 2 or 3, or one cannot be read or is not finite.
        """
        width = {"SCOORD": 2, "SCOORD3D": 3}.get(self.value_type or "")
        data = _attribute(self.dataset, "GraphicData")
        if width is None or data is None:
            return None
        try:
            values = np.atleast_1d(np.asarray(data, dtype=np.float64))
        except (TypeError, ValueError):
            return None
        if values.ndim != 1 or values.size == 0 or values.size % width:
            return None
        return values.reshape(-1, width) if np.isfinite(values).all() else None

    @property
    def frame_of_reference_uid(self) -> str | None:
        """Frame of reference of a SCOORD3D item."""
        return _uid(self.dataset, "ReferencedFrameOfReferenceUID")

    @property
    def referenced_image(self) -> tuple[str, tuple[int, ...]] | None:
        """SOP Instance UID and frame numbers of an IMAGE item; no numbers stand for all frames."""
        for reference in _sequence(self.dataset, "ReferencedSOPSequence")[:1]:
            uid = _uid(reference, "ReferencedSOPInstanceUID")
            frames = _attribute(reference, "ReferencedFrameNumber")
            if uid is None:
                return None
            if frames is None:
                return uid, ()
            try:
                return uid, tuple(int(frame) for frame in np.atleast_1d(np.asarray(frames)))
            except (TypeError, ValueError):
                return None
        return None


def _attribute(dataset: Dataset, keyword: str) -> Any:
    """Value of an attribute; None where it is absent, empty or cannot be decoded."""
    try:
        value = dataset.get(keyword)
    except Exception:
        # pydicom decodes on access, and a broken value raises whatever its converter raises
        # (ValueError, KeyError, struct.error, NotImplementedError, RecursionError among them).
        return None
    return None if value is None or value == "" else value


def _sequence(dataset: Dataset, keyword: str) -> list[Dataset]:
    value = _attribute(dataset, keyword)
    try:
        return [item for item in value if isinstance(item, Dataset)]
    except Exception:
        return []


def _text(dataset: Dataset, keyword: str) -> str | None:
    value = _attribute(dataset, keyword)
    if value is None or not isinstance(value, str):
        return None
    return value.strip("\0 ") or None


def _uid(dataset: Dataset, keyword: str) -> str | None:
    """A UID that is one: anything else would travel into logs, file names and results."""
    uid = _text(dataset, keyword)
    return uid if uid is not None and is_valid_uid(uid) else None


def _clean(text: str) -> bool:
    """Whether a text is a single value without control characters."""
    return text.isprintable() and "\\" not in text


def _code(dataset: Dataset, keyword: str) -> Code | None:
    """First code of a sequence: code value, long code value or URN (PS3.3 8.8)."""
    for item in _sequence(dataset, keyword)[:1]:
        value = next(
            filter(None, (_text(item, k) for k in ("CodeValue", "LongCodeValue", "URNCodeValue"))),
            None,
        )
        if value is not None:
            scheme = _text(item, "CodingSchemeDesignator") or ""
            meaning = _text(item, "CodeMeaning") or ""
            return Code(value, scheme, meaning) if _clean(value + scheme + meaning) else None
    return None
