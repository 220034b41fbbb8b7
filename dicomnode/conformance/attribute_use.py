"""Which attributes the node's objects have, and where each value comes from.

Nothing here is declared: objects are made of cases that differ (`specimens`), and are compared.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache

from pydicom.datadict import dictionary_description
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset

from dicomnode.conformance.cases import CASES
from dicomnode.conformance.iod_modules import Module, modules_of
from dicomnode.conformance.specimens import Specimens, specimens
from dicomnode.conformance.table import Table

_COMPARED = ("full", "other", "bare", "weighted")
_TIMES = ("DA", "TM", "DT")
_LONGEST = 60


@dataclass(frozen=True)
class AttributeUse:
    """One attribute of one kind of object, at its top level.

    Attributes
    ----------
    module : str
        Of the IOD; empty where the attribute is in none of its modules.
    keyword : str
    type : str
        Of the attribute in that module.
    presence : str
        ALWAYS, VNAP (value not always present), ANAP (attribute not always present) or EMPTY.
    source : str
        FIXED (the same in each object), COPY (from the images), CONFIG (follows the configuration)
        or AUTO (made by the node).
    value : str
        What a fixed attribute holds, or what the items of a sequence hold.
    """

    module: str
    keyword: str
    type: str
    presence: str
    source: str
    value: str

    @property
    def row(self) -> tuple[str, ...]:
        """As cells of a table."""
        element = DataElement(self.keyword, "UN", None)
        tag = f"({element.tag.group:04X},{element.tag.element:04X})"
        name = dictionary_description(element.tag)
        return (self.module, name, tag, self.type, self.presence, self.source, self.value)


COLUMNS = ("Module", "Attribute", "Tag", "Type", "Presence", "Source", "Value")


@cache
def attributes_of(kind: str) -> tuple[AttributeUse, ...]:
    """All attributes of a kind of object, in the order of modules and tags."""
    sets = {case: specimens(case) for case in CASES if kind in specimens(case).made}
    made = {case: found.made[kind] for case, found in sets.items()}
    compared = [case for case in _COMPARED if case in made]
    modules = modules_of(str(made["full"].SOPClassUID))
    # Of each attribute one that has a value, if any has.
    elements = [element for case in compared for element in made[case] if element.keyword]
    elements.sort(key=lambda element: element.is_empty)
    keywords: dict[str, DataElement] = {}
    for element in elements:
        keywords.setdefault(element.keyword, element)
    order = {module.name: number for number, module in enumerate(modules)}
    uses = []
    for keyword, element in keywords.items():
        home = _home(keyword, modules, [made[case] for case in compared])
        source = _source(keyword, element, made, sets)
        uses.append(
            AttributeUse(
                home.name if home else "",
                keyword,
                home.types[keyword] if home else "",
                _presence(keyword, [made[case] for case in compared]),
                source,
                _value(element, source),
            )
        )
    return tuple(
        sorted(
            uses,
            key=lambda use: (order.get(use.module, len(order)), keywords[use.keyword].tag),
        )
    )


def common_attributes() -> tuple[AttributeUse, ...]:
    """Attributes that every kind of object has, in the same way."""
    kinds = [{_alike(use) for use in attributes_of(kind)} for kind in specimens().made]
    shared = set.intersection(*kinds)
    return tuple(use for use in attributes_of(_first()) if _alike(use) in shared)


def common_table() -> Table:
    """What all objects have in common."""
    return Table("attributes-common", COLUMNS, tuple(use.row for use in common_attributes()))


def own_table(kind: str) -> Table:
    """What a kind of object has beside what all have in common."""
    shared = {_alike(use) for use in common_attributes()}
    rows = tuple(use.row for use in attributes_of(kind) if _alike(use) not in shared)
    return Table(f"attributes-{kind}", COLUMNS, rows)


def module_table() -> Table:
    """Modules of each kind of object: those that it has, by their usage in the standard."""
    rows = []
    for kind, made in specimens().made.items():
        used = {use.module for use in attributes_of(kind)}
        for usage in ("M", "C", "U"):
            names = [
                module.name
                for module in modules_of(str(made.SOPClassUID))
                if module.usage == usage and module.name in used
            ]
            if names:
                rows.append((kind, usage, ", ".join(names)))
    return Table("modules", ("Object", "Usage", "Modules with attributes in it"), tuple(rows))


def extensions() -> Table:
    """Attributes of no module of the object's IOD: a Standard Extended SOP Class (PS3.2 3.11)."""
    rows = [
        (kind, *use.row[1:3], use.source)
        for kind in specimens().made
        for use in attributes_of(kind)
        if not use.module
    ]
    return Table("extensions", ("Object", "Attribute", "Tag", "Source"), tuple(rows), "None.")


def private_attributes() -> Table:
    """Private attributes at any level of any object."""
    rows = {
        (kind, f"({element.tag.group:04X},{element.tag.element:04X})")
        for kind, made in specimens().made.items()
        for element in made.iterall()
        if element.tag.is_private
    }
    return Table("private-attributes", ("Object", "Tag"), tuple(sorted(rows)), "None.")


def _first() -> str:
    return next(iter(specimens().made))


def _alike(use: AttributeUse) -> AttributeUse:
    # Number of modules with the attribute differ: what counts is what a reader of it sees.
    return replace(use, module="", type="")


def _home(keyword: str, modules: Sequence[Module], made: Sequence[Dataset]) -> Module | None:
    """The module that an attribute belongs to.

    Where several have it, one that the objects have whole, and a mandatory one.
    """

    def rank(module: Module) -> tuple[bool, int]:
        required = [name for name, kind in module.types.items() if kind == "1"]
        whole = all(name in dataset for name in required for dataset in made)
        return not whole, "MCU".index(module.usage)

    return min((m for m in modules if keyword in m.types), key=rank, default=None)


def _presence(keyword: str, made: Sequence[Dataset]) -> str:
    if not all(keyword in dataset for dataset in made):
        return "ANAP"
    filled = [not dataset[keyword].is_empty for dataset in made]
    if all(filled):
        return "ALWAYS"
    return "VNAP" if any(filled) else "EMPTY"


def _source(
    keyword: str, element: DataElement, made: Mapping[str, Dataset], sets: Mapping[str, Specimens]
) -> str:
    here = [case for case in ("full", "other", "weighted") if keyword in made.get(case, ())]
    if not here:
        return "AUTO"
    if all(
        keyword in sets[case].ct and made[case][keyword] == sets[case].ct[keyword] for case in here
    ) and (len(here) == 1 or not _same(keyword, [sets[case].ct for case in here])):
        return "COPY"
    if len(here) == 1:  # nothing to compare it with
        return "AUTO"
    if "full" in here and not _same(keyword, [made["full"], made["renumbered"]]):
        return "AUTO" if element.VR in _TIMES else "CONFIG"
    if element.VR in _TIMES or not _same(keyword, [made[case] for case in here]):
        return "AUTO"
    return "FIXED"


def _same(keyword: str, datasets: Sequence[Dataset]) -> bool:
    """Whether an attribute says the same in all, but for the moments when they were made."""
    first, *others = datasets
    return all(
        keyword in other
        and keyword in first
        and _timeless(other, keyword) == _timeless(first, keyword)
        for other in others
    )


def _timeless(dataset: Dataset, keyword: str) -> object:
    element = dataset[keyword]
    if element.VR != "SQ":
        return element.value
    items = copy.deepcopy(element.value)
    for item in items:
        item.walk(lambda parent, inner: parent.pop(inner.tag) if inner.VR in _TIMES else None)
    return items


def _value(element: DataElement, source: str) -> str:
    if element.VR == "SQ":
        if not element.value:
            return "no item"
        names = dict.fromkeys(
            dictionary_description(inner.tag) for item in element.value for inner in item
        )
        return f"items: {', '.join(names)}"
    if element.is_empty or not (source == "FIXED" or (source == "AUTO" and _tells(element))):
        return ""
    value = element.value
    if isinstance(value, bytes):
        return f"{len(value)} bytes"
    texts = [str(part) for part in value] if element.VM > 1 else [str(value)]
    text = "\\".join(texts)
    return f"`{text[:_LONGEST]}`" if source == "FIXED" else f"such as `{text[:_LONGEST]}`"


def _tells(element: DataElement) -> bool:
    """Whether one value of many says what the others are like."""
    return element.VR in ("CS", "LO") and "Version" not in element.keyword
