"""XML from strangers: bounded in size, depth and count, without document types and entities.

Entities are what makes XML dangerous (expansion without bound, reading of local files, requests
to other hosts), and no form of marks needs a document type. So a file that has one is refused
before its content is looked at.
"""

from __future__ import annotations

import hashlib
from functools import lru_cache
from xml.etree.ElementTree import Element, ParseError, XMLParser
from xml.parsers import expat

from dicomnode.store.uid import is_valid_uid

MAX_BYTES = 6 * 1024 * 1024
"""The longest of 688 LIDC XML has 2.2 million."""

MAX_DEPTH = 64
"""Levels of elements; AIM needs about 15."""

MAX_ELEMENTS = 120_000
"""Elements in one file; the longest of 688 LIDC XML has 66,033."""

_OTHER_MARKUP = 10_000
"""Comments and the like, beside start and end of each element."""

_XSI_TYPE = "{http://www.w3.org/2001/XMLSchema-instance}type"


class UnsafeXml(ValueError):
    """The file is no XML that can be read safely: broken, too large, too deep or with a DTD."""


def parse(content: bytes) -> Element:
    """Root element of a document.

    Parameters
    ----------
    content : bytes
        The whole file.

    Returns
    -------
    Element
        Names of elements and attributes without namespaces, apart from ``xsi:type``, whose value
        has lost its prefix as well.

    Raises
    ------
    UnsafeXml
        If the file is not well formed, has a document type, or exceeds `MAX_BYTES`, `MAX_DEPTH` or
        `MAX_ELEMENTS`.
    """
    if len(content) > MAX_BYTES:
        raise UnsafeXml(f"found {len(content)} bytes of XML, expected at most {MAX_BYTES}")
    if content.count(b"<") > 2 * MAX_ELEMENTS + _OTHER_MARKUP:
        raise UnsafeXml(f"found more than {MAX_ELEMENTS} elements")
    try:
        _check(content)
        parser = XMLParser()
        parser.feed(content)
        root = parser.close()
    except UnsafeXml:
        raise
    except (expat.ExpatError, ParseError, LookupError, ValueError) as problem:
        # LookupError and ValueError: encodings that Python does not know or expat cannot use.
        line = getattr(problem, "lineno", None)
        where = "" if line is None else f" (line {line})"
        raise UnsafeXml(f"the file is not well-formed XML{where}") from problem
    _make_plain(root)
    return root


def _check(content: bytes) -> None:
    """Look for document types and entities, and at the form, before a tree is made."""
    parser = expat.ParserCreate()
    parser.SetParamEntityParsing(expat.XML_PARAM_ENTITY_PARSING_NEVER)
    parser.StartDoctypeDeclHandler = _refuse_document_type
    parser.EntityDeclHandler = _refuse_document_type
    parser.Parse(content, True)


def _make_plain(root: Element) -> None:
    """Take the namespaces away, level by level, and count."""
    level = [root]
    depth = elements = 0
    while level:
        depth += 1
        elements += len(level)
        if depth > MAX_DEPTH:
            raise UnsafeXml(f"found elements deeper than {MAX_DEPTH} levels")
        if elements > MAX_ELEMENTS:
            raise UnsafeXml(f"found more than {MAX_ELEMENTS} elements")
        for element in level:
            if element.tag[0] == "{":
                element.tag = element.tag.rpartition("}")[2]
            for name in element.keys():  # noqa: SIM118 (no mapping)
                if name[0] == "{":
                    element.attrib = _plain_attributes(element.attrib)
                    break
        level = [child for element in level for child in element]


def _plain_attributes(attributes: dict[str, str]) -> dict[str, str]:
    plain: dict[str, str] = {}
    for name, value in attributes.items():
        if name == _XSI_TYPE:
            plain["xsi:type"] = value.strip().rpartition(":")[2]
        else:
            plain.setdefault(name.rpartition("}")[2], value)
    return plain


def _refuse_document_type(*_: object) -> None:
    raise UnsafeXml("found a document type or an entity in the XML, expected none")


@lru_cache(1024)  # the points of a shape repeat their image's
def uid(text: str | None) -> str | None:
    """A valid UID; None for anything else."""
    text = "" if text is None else text.strip()
    return text if is_valid_uid(text) else None


def uid_of_bytes(content: bytes) -> str:
    """A UID for a file that names none: ``2.25.`` and 128 bits of the content's SHA-256.

    The same bytes have the same UID everywhere (PS3.5 B.2 for the root).
    """
    return f"2.25.{int.from_bytes(hashlib.sha256(content).digest()[:16], 'big')}"
