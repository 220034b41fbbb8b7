"""Marks as JSON, for the database."""

from __future__ import annotations

from dataclasses import asdict, fields
from typing import Any

import numpy as np

from dicomnode.marks.lesion_mark import LesionMark, Opinion
from dicomnode.marks.outline import Contour, Outline
from dicomnode.marks.recist_mark import Code, RecistMark
from dicomnode.marks.segment import SegmentReference

_FORMS = {"axes": RecistMark, "outline": Outline, "segment": SegmentReference}


def to_json(mark: LesionMark | RecistMark) -> dict[str, Any]:
    """Turn a lesion's mark into what JSON can hold.

    Returns
    -------
    dict
        ``item``: where in its object the first opinion stands. ``opinions``: a list of objects
        with ``axes``, ``outline``, ``segment`` and ``category``, each the fields of its form or
        None.
    """
    if isinstance(mark, RecistMark):
        mark = LesionMark.of(mark)
    return {"item": mark.item, "opinions": [_opinion(opinion) for opinion in mark.opinions]}


def from_json(stored: dict[str, Any]) -> LesionMark:
    """Read what `to_json` wrote, or the fields of a `RecistMark` alone, as version 1 wrote them."""
    if "opinions" not in stored:
        return LesionMark.of(_form(RecistMark, stored))
    return LesionMark(
        tuple(
            Opinion(
                **{
                    name: None if opinion[name] is None else _form(kind, opinion[name])
                    for name, kind in _FORMS.items()
                },
                category=_code(opinion["category"]),
            )
            for opinion in stored["opinions"]
        )
    )


def _opinion(opinion: Opinion) -> dict[str, Any]:
    forms = {name: getattr(opinion, name) for name in _FORMS}
    category = opinion.category
    return {
        **{name: None if form is None else _fields(form) for name, form in forms.items()},
        "category": None if category is None else asdict(category),
    }


def _fields(form: RecistMark | Outline | SegmentReference | Contour) -> dict[str, Any]:
    stored = {}
    for field in fields(form):
        value = getattr(form, field.name)
        if isinstance(value, np.ndarray):
            value = value.tolist()
        elif isinstance(value, Code):
            value = asdict(value)
        elif field.name == "contours":
            value = [_fields(contour) for contour in value]
        elif isinstance(value, tuple):
            value = list(value)
        stored[field.name] = value
    return stored


def _form(kind: type, stored: dict[str, Any]) -> RecistMark | Outline | SegmentReference:
    values = dict(stored)
    for name in ("finding", "site"):
        values[name] = _code(values.get(name))
    for name in ("long_axis", "short_axis"):
        if values.get(name) is not None:
            values[name] = np.array(values[name], dtype=np.float64)
    if "contours" in values:
        values["contours"] = tuple(
            Contour(**{**contour, "points": np.array(contour["points"], dtype=np.float64)})
            for contour in values["contours"]
        )
    if "frames" in values:
        values["frames"] = tuple(values["frames"])
    return kind(**values)


def _code(stored: dict[str, str] | None) -> Code | None:
    return None if stored is None else Code(**stored)
