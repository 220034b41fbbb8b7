"""The rows of the test card: every kind of object, as a number on the sheet and in the viewer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from pydicom.dataset import Dataset

from dicomnode.results.ladder import LADDER, Rung
from dicomnode.results.lesion_result import LesionResult, MarkSource
from dicomnode.testcard.card import Card

QUESTIONS = ("listed", "opens", "in_place", "grades")
"""What a person ticks; see `Row.asks`."""

_EVERY_SLICE = ("band-seg", "parametric-map")
"""Rungs that are sent twice, the second time with a frame for every slice of the CT: viewers that
count frames show only those in their place. One segmentation stands for all."""

_ALL_REFERENCES = "band-seg"
"""Sent once more, with all references that it can have: some viewers break on them."""

_LOOK = {
    "fractional-seg": "ball fades, wedge has ten steps",
    "binary-seg": "each shape in one colour, wedge from its fifth step on",
    "band-seg": "wedge in three colours, from its third step on",
    "labelmap-seg": "wedge in three colours, from its third step on",
    "parametric-map": "wedge in colours that change from step to step",
    "report": "measurements and an outline for each shape",
    "ohif-report": "two axes for each shape, that can be edited",
    "iso-contours": "three curves around the ball, at three distances",
    "secondary-capture": "pictures with curves, a legend and a notice",
    "rtstruct": "curves on the slices of each shape",
    "key-object": "a list that leads to the other objects",
}

_WITH_GRADES = frozenset(
    {
        "fractional-seg",
        "band-seg",
        "labelmap-seg",
        "parametric-map",
        "iso-contours",
        "secondary-capture",
    }
)


@dataclass(frozen=True)
class Row:
    """One kind of object, with or without a frame for every slice, and references.

    Attributes
    ----------
    number : int
        From 1. Series descriptions begin with it.
    rung : Rung
    every_slice : bool
        Whether slices without a shape have a frame, too.
    all_references : bool
        Whether it names the report with the marks beside the CT.
    """

    number: int
    rung: Rung
    every_slice: bool = False
    all_references: bool = False

    @property
    def name(self) -> str:
        """As on the sheet, in the answers and in series descriptions."""
        form = " every slice" if self.every_slice else ""
        form += " all references" if self.all_references else ""
        return f"{self.number:02d} {self.rung.name}{form}"

    @property
    def look(self) -> str:
        """What a viewer that draws it well shows."""
        return _LOOK.get(self.rung.name, "the shapes")

    @property
    def asks(self) -> tuple[str, ...]:
        """The questions that make sense of this kind.

        ``listed``: the series is in the study. ``opens``: it opens without an error. ``in_place``:
        it draws all shapes, within the white frames, on their slices only. ``grades``: strong and
        weak can be told apart.
        """
        if self.rung.name == "key-object":
            return QUESTIONS[:2]
        if self.all_references or self.rung.name not in _WITH_GRADES:
            return QUESTIONS[:3]
        return QUESTIONS

    @property
    def settings(self) -> Any:
        """Of its rung."""
        settings = self.rung.settings(series_description=f"{self.name} RESEARCH")
        if self.every_slice:
            settings = replace(settings, omit_empty_frames=False)
        return replace(settings, references="all") if self.all_references else settings


def rows() -> tuple[Row, ...]:
    """One for each rung of the ladder, then those in another form."""
    kinds = [(rung, False, False) for rung in LADDER.values()]
    kinds += [(LADDER[name], True, False) for name in _EVERY_SLICE]
    kinds.append((LADDER[_ALL_REFERENCES], False, True))
    return tuple(Row(n, *kind) for n, kind in enumerate(kinds, start=1))


def objects_of(card: Card) -> dict[Row, tuple[Dataset, ...]]:
    """Make every object of the test card.

    The report, contours and key object refer to the objects of single shapes, which therefore come
    first.

    Returns
    -------
    dict
        In the order of `rows`.
    """
    made: dict[Row, tuple[Dataset, ...]] = {}
    twins: list[list[MarkSource]] = [[] for _ in card.lesions]
    for row in sorted(rows(), key=lambda row: (row.rung.of == "series", row.number)):
        if row.rung.of == "series":
            made[row] = _listed(row.rung.make(card.lesions, row.settings, twins))
            continue
        objects: list[Dataset] = []
        for lesion, others in zip(card.lesions, twins, strict=True):
            made_of_it = _listed(row.rung.make(lesion, row.settings, **_pixels(row, lesion, card)))
            objects += made_of_it
            if not row.every_slice and not row.all_references:
                others += map(MarkSource.of, made_of_it)
        made[row] = tuple(objects)
    return {row: made[row] for row in rows()}


def _pixels(row: Row, lesion: LesionResult, card: Card) -> dict[str, np.ndarray]:
    if not row.rung.needs_ct:
        return {}
    first = lesion.mask.offset[0]
    return {"hu": card.volume.array[first : first + lesion.mask.alpha.array.shape[0]]}


def _listed(made: Dataset | Sequence[Dataset]) -> tuple[Dataset, ...]:
    return (made,) if isinstance(made, Dataset) else tuple(made)
