"""Every rung of the ladder made of one lesion, twins referring to each other."""

from __future__ import annotations

import numpy as np
from pydicom.dataset import Dataset

from dicomnode.results import LADDER, LesionResult, MarkSource


def hu_of(result: LesionResult, value: float = -850.0) -> np.ndarray:
    """CT of one value on the slices of the soft mask's crop, whole."""
    slices, header = result.mask.alpha.array.shape[0], result.slices[0]
    return np.full((slices, header.Rows, header.Columns), value, np.float32)


def objects_of(result: LesionResult, name: str, twins=(), **settings) -> list[Dataset]:
    """The objects of one rung.

    `twins` are those of the lesion, which some rungs cannot do without.
    """
    rung = LADDER[name]
    more = {"hu": hu_of(result)} if rung.needs_ct else {}
    if rung.of == "series":
        made = rung.make([result], rung.settings(**settings), [twins], **more)
    else:
        made = rung.make(result, rung.settings(**settings), twins, **more)
    return made if isinstance(made, list) else [made]


def twin_of(made: Dataset) -> MarkSource:
    """How another object refers to this one."""
    return MarkSource(
        str(made.SOPClassUID),
        str(made.SOPInstanceUID),
        str(made.StudyInstanceUID),
        str(made.SeriesInstanceUID),
    )
