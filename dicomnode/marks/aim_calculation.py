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
from dicomnode.marks.safe_xml import number

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
        self._lines = lines
        elements = [
            *annotation.findall("calculationCollection/Calculation"),
            *annotation.findall("calculationEntityCollection/CalculationEntity"),
        ][:MAX_CALCULATIONS]
        references = _references(annotation)
        lengths = [_length(element, references) for element in elements]
        self._lengths = [one for one in lengths if one is not None]

    def long_mm(self, shape: set[str]) -> float | None:
        """Length stated for the line with these identifiers, as a long axis or the only line."""
        return self._of(shape, codes.LONG_AXIS, only=self._lines == 1)

    def short_mm(self, shape: set[str]) -> float | None:
        """Length stated for the line with these identifiers, as a short axis."""
        return self._of(shape, codes.SHORT_AXIS, only=False)

    def _of(self, shape: set[str], axis: Concept, *, only: bool) -> float | None:
        named = {one.mm for one in self._lengths if one.shapes & shape}
        loose = [one for one in self._lengths if not one.shapes]
        by_axis = {one.mm for one in loose if axis.covers(one.code)}
        candidates = named or by_axis or ({one.mm for one in loose} if only else set())
        # Two different lengths of one line: which of them the line is, is not stated.
        return candidates.pop() if len(candidates) == 1 else None


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
