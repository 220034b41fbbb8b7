"""Values in AIM XML: attributes in AIM 3, elements with `value`, `root` or `code` in AIM 4.

AIM 4 takes its data types from ISO 21090: a number or text stands in the attribute `value`, a UID
in `root`, a concept in `code` and `codeSystemName` with its meaning in `displayName`.
"""

from __future__ import annotations

from xml.etree.ElementTree import Element

from dicomnode.marks import safe_xml
from dicomnode.marks.recist_mark import Code


def value_of(element: Element, *names: str) -> str | None:
    """Text of the first of `names` that is an attribute or a child with a `value`."""
    for name in names:
        text = element.get(name)
        if text is None:
            child = element.find(name)
            text = None if child is None else child.get("value")
        if text is not None:
            return text
    return None


def uid_of(element: Element, *names: str) -> str | None:
    """The first of `names` that is a valid UID, as attribute or as a child with a `root`."""
    for name in names:
        text = element.get(name)
        if text is None:
            child = element.find(name)
            text = None if child is None else child.get("root")
        uid = safe_xml.uid(text)
        if uid is not None:
            return uid
    return None


def text_of(element: Element, name: str) -> str | None:
    """A short text that is safe in a DICOM attribute: at most 64 characters of one value."""
    return _short(value_of(element, name), 64)


def code_of(element: Element) -> Code | None:
    """Concept of an entity; None where value, scheme or meaning is missing or unusable."""
    if element.get("codeValue") is not None:
        parts = [
            element.get(name) for name in ("codeValue", "codingSchemeDesignator", "codeMeaning")
        ]
    else:
        concept = element.find("typeCode")
        if concept is None:
            return None
        shown = concept.find("displayName")
        meaning = None if shown is None else shown.get("value")
        # ePAD's older files have the meaning where the OID of the scheme belongs.
        parts = [
            concept.get("code"),
            concept.get("codeSystemName"),
            meaning or concept.get("codeSystem"),
        ]
    value, scheme, meaning = (
        _short(part, limit) for part, limit in zip(parts, (16, 16, 64), strict=True)
    )
    if value is None or scheme is None or meaning is None:
        return None
    return Code(value, scheme, meaning)


def _short(text: str | None, limit: int) -> str | None:
    text = "" if text is None else text.strip()
    usable = 0 < len(text) <= limit and text.isprintable() and "\\" not in text
    return text if usable else None
