"""Codes and templates in the node's objects, as they are found there (Annex N.12, code sets)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from functools import cache

from highdicom.sr import CodedConcept
from pydicom.dataset import Dataset

from dicomnode.conformance.specimens import specimens
from dicomnode.conformance.table import Table
from dicomnode.results import report_codes

_Code = tuple[str, str, str]


@cache
def _found() -> dict[_Code, tuple[str, ...]]:
    """Codes of objects whose mark brings none along, and the kinds of object that hold them."""
    kinds: dict[_Code, dict[str, None]] = defaultdict(dict)
    for kind, made in specimens("bare").made.items():
        for item in _items(made):
            if "CodeValue" in item and "CodingSchemeDesignator" in item:
                code = (
                    str(item.CodingSchemeDesignator),
                    str(item.CodeValue),
                    str(item.get("CodeMeaning", "")),
                )
                kinds[code][kind] = None
    return {code: tuple(held) for code, held in kinds.items()}


def public_codes() -> Table:
    """Codes of public schemes."""
    rows = [
        (scheme, value, meaning, ", ".join(kinds))
        for (scheme, value, meaning), kinds in sorted(_found().items())
        if scheme != report_codes.SCHEME
    ]
    return Table("codes", ("Scheme", "Code", "Meaning", "In"), tuple(rows))


def private_codes() -> Table:
    """Codes of the private scheme, whether the specimens hold them or not."""
    held = {value: kinds for (scheme, value, _), kinds in _found().items() if scheme == _SCHEME}
    concepts = {
        code.value: code.meaning
        for code in vars(report_codes).values()
        if isinstance(code, CodedConcept) and code.scheme_designator == _SCHEME
    }
    rows = [
        (value, meaning, ", ".join(held.get(value, ())) or "where it applies")
        for value, meaning in sorted(concepts.items())
    ]
    return Table("private-codes", ("Code", "Meaning", "In"), tuple(rows))


def templates() -> Table:
    """Templates that the content trees name (PS3.16)."""
    rows = []
    for kind, made in specimens().made.items():
        named = dict.fromkeys(
            f"TID {template.TemplateIdentifier}"
            for item in _items(made)
            for template in item.get("ContentTemplateSequence", ())
        )
        if named:
            root = made.get("ContentTemplateSequence", ())
            first = f"TID {root[0].TemplateIdentifier}" if root else "none"
            concept = made.ConceptNameCodeSequence[0]
            title = (
                f"({concept.CodeValue}, {concept.CodingSchemeDesignator}, {concept.CodeMeaning})"
            )
            rows.append((kind, title, first, ", ".join(t for t in named if t != first) or "none"))
        elif "ContentSequence" in made:
            concept = made.ConceptNameCodeSequence[0]
            title = (
                f"({concept.CodeValue}, {concept.CodingSchemeDesignator}, {concept.CodeMeaning})"
            )
            rows.append((kind, title, "none", "none"))
    columns = ("Object", "Document title", "Root template", "Templates named below it")
    return Table("templates", columns, tuple(rows))


_SCHEME = report_codes.SCHEME


def _items(dataset: Dataset) -> Iterator[Dataset]:
    """The data set and all items of its sequences, at any level."""
    yield dataset
    for element in dataset:
        if element.VR == "SQ":
            for item in element.value:
                yield from _items(item)
