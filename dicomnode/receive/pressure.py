"""Back-pressure: what is not taken while disk or database have too little room for all.

Bulk goes first: a CT that is refused is sent again, or fetched once a mark wants it; a mark that is
refused is a reader's work that waits.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import IntEnum

from dicomnode.receive.command_sets import OUT_OF_RESOURCES
from dicomnode.receive.refused import Refused
from dicomnode.receive.sop_classes import CT_CLASSES, STORAGE_CLASSES

logger = logging.getLogger(__name__)

_MB = 2**20
_COUNT_EVERY_S = 5.0


class Level(IntEnum):
    """How much is taken; a higher one takes less."""

    ALL = 0
    """Everything."""
    MARKS = 1
    """No CT images: they are answered 0xA700."""
    NOTHING = 2
    """No objects: they are answered 0xA700, and associations that propose to store are rejected
    (temporary congestion)."""


@dataclass(frozen=True)
class Watermarks:
    """Where each level begins, and how far things must mend for it to end.

    Attributes
    ----------
    marks_free_bytes, nothing_free_bytes : int
        With less free, the level begins.
    release_bytes : int
        So much more than that must be free for it to end: a disk at its limit would else change
        from one object to the next.
    marks_backlog, nothing_backlog : int
        From so many waiting rows on the level begins; it ends with a tenth less.
    """

    marks_free_bytes: int
    nothing_free_bytes: int
    release_bytes: int
    marks_backlog: int
    nothing_backlog: int


@dataclass(frozen=True)
class Reading:
    """What one look found.

    Attributes
    ----------
    level : Level
    free_bytes : int or None
        None where it is not known.
    backlog : int or None
    """

    level: Level
    free_bytes: int | None
    backlog: int | None


class Pressure:
    """Says how much is taken now. Safe to use from several threads.

    Every look asks the disk anew, and the database every few seconds, so that things are taken
    again as soon as there is room.

    Parameters
    ----------
    watermarks : Watermarks
    free_bytes : callable
        Gives the free bytes of the file system that is fullest. May raise OSError.
    backlog : callable
        Gives how many rows wait. May raise.
    clock : callable
        Monotonic seconds.
    """

    def __init__(
        self,
        watermarks: Watermarks,
        free_bytes: Callable[[], int],
        backlog: Callable[[], int],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.watermarks = watermarks
        self._free_bytes = free_bytes
        self._count = backlog
        self._clock = clock
        self._lock = threading.Lock()
        self._by_disk = self._by_backlog = Level.ALL
        self._said = Level.ALL
        self._backlog: int | None = None
        self._count_at = -float("inf")

    def read(self) -> Reading:
        """Look, and log a change of the level."""
        free = self._free()
        backlog = self._waiting()
        marks = self.watermarks
        with self._lock:
            if free is not None:
                self._by_disk = _level(
                    self._by_disk,
                    -free,
                    -max(marks.marks_free_bytes, marks.nothing_free_bytes) + 1,
                    -marks.nothing_free_bytes + 1,
                    lambda _: marks.release_bytes,
                )
            if backlog is not None:
                self._by_backlog = _level(
                    self._by_backlog,
                    backlog,
                    min(marks.marks_backlog, marks.nothing_backlog),
                    marks.nothing_backlog,
                    lambda mark: mark // 10,
                )
            reading = Reading(max(self._by_disk, self._by_backlog), free, backlog)
            before, self._said = self._said, reading.level
        if reading.level is not before:
            logger.log(
                logging.INFO if reading.level is Level.ALL else logging.WARNING,
                "pressure.changed level=%s free_mb=%s backlog=%s",
                reading.level.name.lower(),
                None if free is None else free // _MB,
                backlog,
            )
        return reading

    def check(self, sop_class_uid: str) -> None:
        """Refuse an object for which there is no room now.

        Raises
        ------
        Refused
            With 0xA700: the sender is to repeat it.
        """
        level = self.read().level
        if level is Level.NOTHING:
            raise Refused(OUT_OF_RESOURCES, "no room for objects now; send it again later")
        if level is Level.MARKS and sop_class_uid in CT_CLASSES:
            raise Refused(OUT_OF_RESOURCES, "no room for CT images now; send it again later")

    def turns_away(self, abstract_syntaxes: Iterable[str]) -> bool:
        """Whether an association that proposes these is rejected.

        Who only verifies, or reports a storage commitment, brings nothing that needs room.
        """
        return not STORAGE_CLASSES.isdisjoint(abstract_syntaxes) and (
            self.read().level is Level.NOTHING
        )

    def _free(self) -> int | None:
        try:
            return self._free_bytes()
        except OSError:
            return None  # writing will say so

    def _waiting(self) -> int | None:
        with self._lock:
            if self._clock() < self._count_at:
                return self._backlog
            # Others go by the former count meanwhile.
            self._count_at = self._clock() + _COUNT_EVERY_S
        try:
            self._backlog = self._count()
        except Exception:
            self._backlog = None  # a database that cannot be read takes nothing, and says so
        return self._backlog


def _level(
    before: Level, found: int, marks: int, nothing: int, slack: Callable[[int], int]
) -> Level:
    """The level by a quantity that is bad when it is large; a level that holds ends later."""
    if before is Level.ALL and found < marks <= nothing:
        return before  # as nearly always

    def reaches(mark: int, level: Level) -> bool:
        return found >= (mark - slack(mark) if before >= level else mark)

    if reaches(nothing, Level.NOTHING):
        return Level.NOTHING
    return Level.MARKS if reaches(marks, Level.MARKS) else Level.ALL
