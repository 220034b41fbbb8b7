"""One damaged file from a whole one, byte by byte or by structure, by a seeded generator."""

from __future__ import annotations

import contextlib
import copy
import io
import random
import warnings
from collections.abc import Callable, Sequence
from xml.etree import ElementTree

import pydicom
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence as Items

from benchmarks.fuzz.corpus import Kind, Whole

MAX_ELEMENTS = 3_000
"""Elements that a tree of XML may grow to."""

_BYTES = (
    b"",
    b"\0",
    b"\xff",
    b"\xff\xff\xff\xff",
    b"\0\0\0\0",
    b"\xfe\xff\0\xe0",
    b"\\",
    b"<",
    b">",
)
_WORDS = (
    *("", " ", "0", "-1", "1e308", "1e-308", "nan", "inf", "-0", "99999999999", "1_0", "\u0663"),
    *("1.2.840.1", "\\", "1\\2", "TRUE", "POLYLINE", "CIRCLE", "ELLIPSE", "MULTIPOINT", "Circle"),
    *("DISPLAY", "PIXEL", "MATRIX", "RULER", "NUM", "SCOORD", "IMAGE", "CONTAINER", "x" * 300),
)
_NUMBERS = (0, 1, -1, 2, 3, 255, 65535, 2**31 - 1, -(2**31), 0.5, -0.0, 1e-30, 1e30, 4096.5)
_VRS = ("SQ", "FL", "FD", "DS", "IS", "US", "UI", "LO", "CS", "UT", "OB", "UN", "AT", "PN")

Damaged = Dataset | bytes


def damaged(whole: Whole, corpus: Sequence[Whole], chance: random.Random) -> Damaged:
    """A copy of `whole` with one to five faults.

    Returns
    -------
    Dataset or bytes
        A data set where its structure was damaged after it had been parsed.
    """
    if chance.random() < 0.5:
        return _torn(whole, chance.choice(corpus), chance)
    return _STRUCTURED[whole.kind](whole, chance)


def _faults(chance: random.Random) -> range:
    return range(chance.choice((1, 1, 1, 2, 3, 5)))


def _torn(whole: Whole, other: Whole, chance: random.Random) -> bytes:
    content = bytearray(whole.content)
    for _ in _faults(chance):
        reach = whole.end if chance.random() < 0.95 else len(content)
        start = chance.randrange(min(reach, len(content)) + 1)
        stop = min(start + chance.choice((1, 1, 2, 4, 8, 40)), len(content))
        match chance.randrange(8):
            case 0 if start < len(content):
                content[start] ^= 1 << chance.randrange(8)
            case 1:
                content[start:stop] = chance.choice(_BYTES)
            case 2:
                content[start:stop] = chance.randbytes(stop - start)
            case 3:
                del content[start:stop]
            case 4:
                content[start:start] = content[start:stop] * chance.choice((1, 2, 50))
            case 5:
                begin = chance.randrange(len(other.content))
                content[start:stop] = other.content[begin : begin + chance.choice((4, 20, 200))]
            case 6 if chance.random() < 0.2:
                del content[start:]
            case _:
                word = chance.choice(_WORDS).encode()
                content[start : start + len(word)] = word  # no length field changes
    return bytes(content)


def _dataset(whole: Whole, chance: random.Random) -> Dataset:
    dataset = pydicom.dcmread(io.BytesIO(whole.content), force=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pydicom's, about the faults
        _damage_elements(dataset, whole, chance)
    return dataset


def _damage_elements(dataset: Dataset, whole: Whole, chance: random.Random) -> None:
    for _ in _faults(chance):
        steps, tag = chance.choice(whole.places)
        # An earlier fault may have taken away what holds the element, or pydicom may not build it.
        with contextlib.suppress(Exception):
            parent = dataset
            for sequence, index in steps:
                parent = parent[sequence].value[index]
            _damage(parent, tag, dataset, chance)


def _damage(parent: Dataset, tag, dataset: Dataset, chance: random.Random) -> None:
    element = parent[tag]
    match chance.randrange(9):
        case 0:
            del parent[tag]
        case 1:
            element._value = _value(chance)
        case 2:
            parent.add_new(tag, chance.choice(_VRS), _value(chance))
        case 3:
            _tear(parent, tag, chance.choice(_VRS), chance.randbytes(chance.randrange(24)))
        case 4 if element.VR == "SQ" and element.value:
            items = list(element.value)
            again = [copy.copy(chance.choice(items)) for _ in range(chance.choice((1, 2, 60)))]
            element._value = Items([*items, *again])
        case 5 if element.VR == "SQ":
            # An item of any other sequence, perhaps one that holds this one.
            others = [e for e in dataset if e.VR == "SQ" and e.value]
            grafted = copy.copy(chance.choice(chance.choice(others).value))
            element._value = Items([*element.value, grafted])
        case 6 if element.VR == "SQ" and element.value:
            item = copy.copy(element.value[0])
            for _ in range(chance.choice((3, 30, 200))):
                outer = Dataset()
                outer.update({k: v for k, v in item._dict.items() if k != tag})
                outer.add_new(tag, "SQ", [item])
                item = outer
            element._value = Items([item])
        case 7 if isinstance(element.value, Sequence) and not isinstance(element.value, str):
            values = list(element.value)
            chance.shuffle(values)
            element._value = values[: chance.randrange(len(values) + 1)]
        case _:
            if isinstance(element.value, Sequence) and not isinstance(element.value, (str, Items)):
                values = list(element.value)
                values[chance.randrange(len(values))] = chance.choice(
                    (*_NUMBERS, float("nan"), float("inf"))
                )
                element._value = values
            else:
                element._value = chance.choice(_WORDS)


def _tear(parent: Dataset, tag, vr: str, value: bytes) -> None:
    parent._dict[tag] = RawDataElement(tag, vr, len(value), value, 0, False, True)


def _value(chance: random.Random):
    return chance.choice(
        (
            None,
            chance.choice(_WORDS),
            chance.choice(_NUMBERS),
            chance.randbytes(chance.randrange(9)),
            [chance.choice(_NUMBERS) for _ in range(chance.randrange(7))],
            [chance.choice(_WORDS) for _ in range(chance.randrange(4))],
        )
    )


def _tree(whole: Whole, chance: random.Random) -> bytes:
    root = ElementTree.fromstring(whole.content)
    elements = list(root.iter())
    for _ in _faults(chance):
        parent, other = chance.choice(elements), chance.choice(elements)
        match chance.randrange(6):
            case 0 if len(parent):
                parent.remove(chance.choice(list(parent)))
            case 1 if len(parent):
                child = chance.choice(list(parent))
                parent.extend([child] * chance.choice((1, 2, 20)))
            case 2 if len(list(other.iter())) < MAX_ELEMENTS:
                parent.append(copy.deepcopy(other))
            case 3 if parent.attrib:
                parent.set(chance.choice(sorted(parent.attrib)), chance.choice(_WORDS))
            case 4:
                parent.tag = other.tag
            case _:
                parent.text = chance.choice(_WORDS)
    return ElementTree.tostring(root)


def _table(whole: Whole, chance: random.Random) -> bytes:
    rows = [line.split(b",") for line in whole.content.split(b"\n")]
    for _ in _faults(chance):
        row = chance.choice(rows)
        at = chance.randrange(len(row))
        match chance.randrange(4):
            case 0:
                del row[at:]
                row.append(b"")
            case 1:
                row.insert(at, row[at])
            case 2:
                row[at] = chance.choice(chance.choice(rows))
            case _:
                row[at] = chance.choice(_WORDS).encode()
    return b"\n".join(b",".join(row) for row in rows)


_STRUCTURED: dict[Kind, Callable[[Whole, random.Random], Damaged]] = {
    Kind.DICOM: _dataset,
    Kind.XML: _tree,
    Kind.CSV: _table,
}
