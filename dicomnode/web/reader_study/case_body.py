"""What a browser gets of a case: candidates alike in all but their voxels, by letters."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path

from dicomnode.pictures.hu_window import hu_window
from dicomnode.reader_study.case_file import CaseVoxels
from dicomnode.reader_study.letters import LETTERS
from dicomnode.web.lesion.bundle import bundle
from dicomnode.web.lesion.patient_grid import PlacedArray

OUTLINE_RGB = (240, 228, 66)
"""Of every candidate's outline: yellow of Okabe and Ito 2008."""

_KEPT = 3


class OpenedCases:
    """The last few cases that were read. One is read at a time: two readers double no memory."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: OrderedDict[str, CaseVoxels] = OrderedDict()

    def read(self, path: str) -> CaseVoxels:
        """Read a case's file, or remember it; a file never changes.

        Raises
        ------
        OSError
            If it cannot be read.
        """
        with self._lock:
            found = self._kept.get(path) or CaseVoxels.load(Path(path))
            self._kept[path] = found
            self._kept.move_to_end(path)
            while len(self._kept) > _KEPT:
                self._kept.popitem(last=False)
            return found


def case_body(voxels: CaseVoxels, order: Sequence[int], display: str) -> bytes:
    """Write a case as one body, whose lattice begins at the candidates' first voxel.

    Every candidate is an array of the same type, shape and place under its letter, one after the
    other in the reader's order. Nothing else is said of any; neither is the case's name, its number
    in the study, or whether the reader has seen it before.

    Parameters
    ----------
    voxels : CaseVoxels
    order : sequence of int
        As the reader sees candidates.
    display : str
    """
    arrays = {"hu": PlacedArray(voxels.hu, tuple(-o for o in voxels.offset))}
    for letter, array in zip(LETTERS, voxels.in_order(order), strict=False):
        arrays[letter] = PlacedArray(array, (0, 0, 0))
    about = {
        "letters": LETTERS[: len(order)],
        "display": display,
        "spacing": voxels.spacing,
        "start": voxels.start,
        "window": hu_window(voxels.hu),
        "levels": [[0.5, OUTLINE_RGB]],
        "marks": [],
    }
    return bundle(about, arrays)
