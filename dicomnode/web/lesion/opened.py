"""Lesions that are being looked at, kept a while: one look asks for many pictures."""

from __future__ import annotations

import threading
from collections import OrderedDict

from dicomnode.web.lesion.drawn import DrawnLesion
from dicomnode.web.lesion.records import LesionRecord

_KEPT = 3


class OpenedLesions:
    """The last few lesions that were drawn. One is read at a time: two readers double no memory."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: OrderedDict[tuple[int, str], DrawnLesion] = OrderedDict()

    def read(self, record: LesionRecord) -> DrawnLesion:
        """Read a lesion's files, or remember them; a new soft mask has another path.

        Raises
        ------
        pipelines.errors.SegmentationError
            If a slice cannot be decoded.
        OSError
            If a file cannot be read.
        """
        key = (record.lesion.id, str(record.files.soft_mask))
        with self._lock:
            found = self._kept.get(key) or DrawnLesion.read(record)
            self._kept[key] = found
            self._kept.move_to_end(key)
            while len(self._kept) > _KEPT:
                self._kept.popitem(last=False)
            return found
