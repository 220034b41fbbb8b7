"""Lengths that an AIM annotation states, and which of its lines they belong to.

A calculation may name its shapes (AIM 3: `referencedShapeIdentifier`, AIM 4: a statement with the
UIDs of both). Where it names none, it belongs to the only line, or by its code to an axis.
"""

from __future__ import annotations

from dataclasses import dataclass
from xml.etree.ElementTree import Element

from dicomnode.marks import codes
from dicomnode.marks.aim_value import code_of, uid_of, value_of
from dicomnode.marks.codes import Concept
from dicomnode.marks.recist_mark import Code
from pipelines.plain_number import number

MAX_CALCULATIONS = 200
"""Calculations of one annotation that are looked at."""

_LINEAR = Concept("a length in AIM", codes.LINEAR_MEASUREMENTS.codes | {("G-A22A", "SRT")})
"""The AIM 3 toolkit writes Length as G-A22A."""

_TO_MM = {"mm": 1.0, "cm": 10.0}


@dataclass(frozen=True)
class _Length:
    code: Code
    mm: float
    shapes: frozenset[str]


class StatedLengths:
    """Lengths in mm of one annotation.

    Parameters
    ----------
    annotation : Element
        The ``ImageAnnotation``.
    lines : int
        How many lines it draws.
    """

    def __init__(self, annotation: Element, lines: int) -> None:
        elements = [
            *annotation.findall("calculationCollection/Calculation"),
            *annotation.findall("calculationEntityCollection/CalculationEntity"),
        ][:MAX_CALCULATIONS]
        references = _references(annotation)
        lengths = [_length(element, references) for element in elements]
        self._by_shape: dict[str, set[float]] = {}
        loose: list[_Length] = []
        for one in lengths:
            if one is not None and one.shapes:
                for shape in one.shapes:
                    self._by_shape.setdefault(shape, set()).add(one.mm)
            elif one is not None:
                loose.append(one)
        self._long = {one.mm for one in loose if codes.LONG_AXIS.covers(one.code)}
        self._short = {one.mm for one in loose if codes.SHORT_AXIS.covers(one.code)}
        if not self._long and lines == 1:
            self._long = {one.mm for one in loose}

    def long_mm(self, shape: set[str]) -> float | None:
        """Length stated for the line with these identifiers, as a long axis or the only line."""
        return self._only(shape, self._long)

    def short_mm(self, shape: set[str]) -> float | None:
        """Length stated for the line with these identifiers, as a short axis."""
        return self._only(shape, self._short)

    def _only(self, shape: set[str], loose: set[float]) -> float | None:
        named = set().union(*(self._by_shape.get(name, ()) for name in shape))
        candidates = named or loose
        # Two different lengths of one line: which of them the line is, is not stated.
        return next(iter(candidates)) if len(candidates) == 1 else None


def _length(element: Element, references: dict[str, set[str]]) -> _Length | None:
    code = code_of(element)
    results = element.findall("calculationResultCollection/CalculationResult")
    if code is None or not _LINEAR.covers(code) or len(results) != 1:
        return None
    (result,) = results
    scale = _TO_MM.get(value_of(result, "unitOfMeasure") or "")
    data = [result, *result.findall("calculationDataCollection/CalculationData")]
    values = [text for one in data if (text := value_of(one, "value")) is not None]
    value = number(values[0]) if len(values) == 1 else None
    if scale is None or value is None or value <= 0:
        return None
    shapes = {
        text
        for one in element.iter("ReferencedGeometricShape")
        if (text := value_of(one, "referencedShapeIdentifier")) is not None
    }
    shapes |= references.get(uid_of(element, "uniqueIdentifier", "uid") or "", set())
    return _Length(code, value * scale, frozenset(shapes))


def _references(annotation: Element) -> dict[str, set[str]]:
    """UIDs of the shapes that each calculation's statements name, by the calculation's UID."""
    found: dict[str, set[str]] = {}
    for statement in annotation.findall(
        "imageAnnotationStatementCollection/ImageAnnotationStatement"
    ):
        if "CalculationEntity" not in (statement.get("xsi:type") or ""):
            continue
        subject = uid_of(statement, "subjectUniqueIdentifier")
        target = uid_of(statement, "objectUniqueIdentifier")
        if subject is not None and target is not None:
            found.setdefault(subject, set()).add(target)
    return found
