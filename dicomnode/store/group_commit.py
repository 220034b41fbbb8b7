"""One transaction for what several threads bring at the same time.

A commit waits for the disk. While one thread's does, others bring rows; the next commit takes all
of them, so that many senders do not wait for as many turns of the disk.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

Row = TypeVar("Row")


class GroupCommit(Generic[Row]):
    """Has rows written, by whichever of the threads that bring some comes first.

    No thread of its own: one sender alone commits at once, and wakes nobody.

    Parameters
    ----------
    write : callable
        Commits rows together, in their order, or raises and has committed none. Never called by
        two threads at a time.
    """

    def __init__(self, write: Callable[[Sequence[Row]], object]) -> None:
        self._write = write
        self._brought: deque[_Brought[Row]] = deque()
        self._turn = threading.Lock()

    def add(self, row: Row) -> None:
        """Return once the row is committed; raise what kept this row from it."""
        mine = _Brought(row)
        self._brought.append(mine)
        with self._turn:
            # Who had the turn before may have written it along with its own.
            if not mine.done:
                self._write_brought()
        if mine.error is not None:
            raise mine.error

    def _write_brought(self) -> None:
        group = []
        while self._brought:
            group.append(self._brought.popleft())
        try:
            self._write([one.row for one in group])
        except Exception as error:
            if len(group) == 1:
                group[0].error = error
            else:
                self._write_each(group)
        except BaseException as error:  # ends this thread; the others must not take it for success
            for one in group:
                one.error = error
        finally:
            for one in group:
                one.done = True

    def _write_each(self, group: Sequence[_Brought[Row]]) -> None:
        """One row that cannot be written keeps none of the others out."""
        for one in group:
            try:
                self._write([one.row])
            except Exception as error:
                one.error = error


class _Brought(Generic[Row]):
    """A row, and what became of it."""

    __slots__ = ("done", "error", "row")

    def __init__(self, row: Row) -> None:
        self.row = row
        self.done = False
        self.error: BaseException | None = None
