"""The journal: what is appended is on disk, chained to all before it."""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from dicomnode.audit.files import (
    HEAD,
    DamagedMark,
    JournalLock,
    Mark,
    give_to_owner,
    lines,
    segment_name,
    segments,
)
from dicomnode.audit.record import BadRecord, Forgotten, Record, decode, encode
from dicomnode.store.files import fsync_directory, sweep_parts, write_durably

_TORN = "torn"


@dataclass(frozen=True)
class Entry:
    """What is to become a record: an audit message, and when it happened (seconds since 1970)."""

    at: float
    xml: str
    forgotten: Forgotten | None = None


class Journal:
    """Appends records. Several threads, and several processes, may have one on the same folder.

    What a crash left is looked at before anything is appended: whole records that the head does not
    know yet are taken, a torn one is set aside. Where the journal ends before its head says, the
    chain goes on from the head, so that it stays to be seen what is missing.

    Parameters
    ----------
    folder : Path
        Made where missing.
    segment_bytes : int
        A file that has grown to so much is followed by another, and so is one of another day (UTC).
    on_mended : callable
        Given words on something that was not as it should be; gives the audit message that tells of
        it, which becomes the next record.
    """

    def __init__(self, folder: Path, segment_bytes: int, on_mended: Callable[[str], Entry]) -> None:
        self.folder = folder
        self._segment_bytes = segment_bytes
        self._on_mended = on_mended
        self._writing = threading.Lock()
        self._days: dict[str, int] = {}
        self._swept = False
        folder.mkdir(parents=True, exist_ok=True, mode=0o750)

    def append(self, entries: Sequence[Entry]) -> Mark:
        """Write entries, and return once they are on disk.

        Returns
        -------
        Mark
            Of the last one.

        Raises
        ------
        OSError
            None of them is in the journal.
        """
        with self._writing, JournalLock(self.folder):
            self._sweep()
            head, found = self._catch_up()
            told = [self._on_mended(words) for words in found]
            return self._write(head, [*told, *entries]) if told or entries else head

    def mend(self) -> Mark:
        """Look at what a crash left, and append only what is to be said of it."""
        return self.append(())

    def _write(self, head: Mark, entries: Sequence[Entry]) -> Mark:
        number, previous = head.number, head.hash
        encoded = []
        for entry in entries:
            number += 1
            line, previous = encode(number, entry.at, previous, entry.xml, entry.forgotten)
            encoded.append(line)
        name = head.segment if self._goes_on(head) else segment_name(head.number + 1)
        path = self.folder / name
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
        descriptor = os.open(path, flags, 0o640)
        try:
            start = os.fstat(descriptor).st_size
            try:
                left = memoryview(b"".join(encoded))
                end = start + len(left)
                while left:
                    left = left[os.write(descriptor, left) :]
                os.fsync(descriptor)
                if name != head.segment:
                    give_to_owner(path)
                    fsync_directory(self.folder)
                mark = Mark(number, previous, name, end)
                mark.write(self.folder / HEAD)
            except BaseException:
                # All or nothing: who is told that it was not written tries again.
                with contextlib.suppress(OSError):
                    os.ftruncate(descriptor, start)
                raise
        finally:
            os.close(descriptor)
        return mark

    def _goes_on(self, head: Mark) -> bool:
        """Whether the last file takes more."""
        path = self.folder / head.segment
        if not head.segment or not path.is_file() or head.end >= self._segment_bytes:
            return False
        if path.stat().st_size != head.end:  # cut short: what comes goes elsewhere
            return False
        if head.segment not in self._days:
            first = _first(path)
            self._days = {head.segment: -1 if first is None else _day(first.at)}
        return self._days[head.segment] == _day(time.time())

    # -- what a crash left

    def _sweep(self) -> None:
        """Remove what was half written aside, once; whoever writes that has the lock."""
        if not self._swept:
            self._swept = True
            for name in (HEAD, _TORN):
                sweep_parts(self.folder, of=name)

    def _catch_up(self) -> tuple[Mark, list[str]]:
        """The head as the files have it, and what was found amiss."""
        found = []
        there = segments(self.folder)
        try:
            head = Mark.read(self.folder / HEAD)
        except DamagedMark as error:
            head, found = None, [str(error)]
        if head is None:
            head = Mark()
            if there:
                found.append("the head of the journal is not there; it is taken from its last file")
                head = _before_last(there)
        elif head.number and head.segment not in {path.name for path in there}:
            found.append(
                f"the file {head.segment} is missing, which held records up to {head.number}"
            )
        elif head.number and (self.folder / head.segment).stat().st_size < head.end:
            found.append(f"the file {head.segment} ends before record {head.number}, which it held")
            return head, found
        for path in there:
            if path.name >= head.segment:
                head, torn = _advance(head, path)
                if torn is not None:
                    found.append(self._set_aside(path, torn))
        return head, found

    def _set_aside(self, path: Path, start: int) -> str:
        """Move the end of a file away, from a byte on; say what it was."""
        with open(path, "rb+") as file:
            file.seek(start)
            torn = file.read()
            name = f"{_TORN}-{path.stem}-{start}-{time.time_ns()}"
            write_durably(self.folder / name, lambda aside: aside.write(torn))
            file.truncate(start)
            os.fsync(file.fileno())
        return f"{len(torn)} bytes at the end of {path.name} are no whole record: now in {name}"


def _advance(head: Mark, path: Path) -> tuple[Mark, int | None]:
    """Take the records of a file that follow; give the byte from which on it is none of them."""
    start = head.end if path.name == head.segment else 0
    for line, end in lines(path, start):
        try:
            record = decode(line) if line.endswith(b"\n") else None
        except BadRecord:
            record = None
        if record is None or (record.number, record.previous) != (head.number + 1, head.hash):
            return head, start
        head = Mark(record.number, record.hash, path.name, end)
        start = end
    return head, None


def _before_last(there: Sequence[Path]) -> Mark:
    """A mark before the last file whose beginning can be read."""
    for path in reversed(there):
        first = _first(path)
        if first is not None:
            return Mark(first.number - 1, first.previous, path.name, 0)
    return Mark()


def _first(path: Path) -> Record | None:
    line, _ = next(lines(path), (b"", 0))
    try:
        return decode(line)
    except BadRecord:
        return None


def _day(at: float) -> int:
    return int(at // 86400)
