"""Every rung of the ladder made of one lesion, twins referring to each other."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields

import numpy as np
from pydicom.dataset import Dataset

from dicomnode.results import LADDER, LesionResult, MarkSource


def hu_of(result: LesionResult, value: float = -850.0) -> np.ndarray:
    """CT of one value on the slices of the soft mask's crop, whole."""
    slices, header = result.mask.alpha.array.shape[0], result.slices[0]
    return np.full((slices, header.Rows, header.Columns), value, np.float32)


def objects_of(result: LesionResult, name: str, twins=(), **settings) -> list[Dataset]:
    """The objects of one rung.

    `twins` are those of the lesion, which some rungs cannot do without. Unless told otherwise, it
    names all that it can, so that whoever checks it checks that, too.
    """
    rung = LADDER[name]
    if any(field.name == "references" for field in fields(rung.settings)):
        settings = {"references": "all"} | settings
    more = {"hu": hu_of(result)} if rung.needs_ct else {}
    if rung.of == "series":
        made = rung.make([result], rung.settings(**settings), [twins], **more)
    else:
        made = rung.make(result, rung.settings(**settings), twins, **more)
    return made if isinstance(made, list) else [made]


def twin_of(made: Dataset) -> MarkSource:
    """How another object refers to this one."""
    return MarkSource.of(made)


def references(made: Dataset) -> Iterator[Dataset]:
    """All items that name an instance."""
    for element in made:
        if element.VR == "SQ":
            for item in element.value:
                if "ReferencedSOPInstanceUID" in item:
                    yield item
                yield from references(item)
