"""The files of the journal: segments of records, the head that names the last one, and a lock.

All lies in one folder::

    000000000001.jsonl   records from number 1 on, one a line
    000000004711.jsonl   the next, from number 4711 on; the chain goes on over files
    head.json            number and hash of the last record that is on disk
    sent.json            number and hash of the last record that the collector has
    lock                 held for as long as something is appended
    torn-…               what a crash left half written
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from dicomnode.audit.record import GENESIS, BadRecord, Record, decode
from dicomnode.store.files import write_durably

HEAD = "head.json"
SENT = "sent.json"
_LOCK = "lock"
_SEGMENT = "[0-9]" * 12 + ".jsonl"


class DamagedMark(ValueError):
    """The file of a mark is none; the text says what was found."""


@dataclass(frozen=True)
class Mark:
    """A place in the journal.

    Attributes
    ----------
    number : int
        Of the last record before it; 0 before the first.
    hash : str
        Of that record.
    segment : str
        Name of the file that holds it; empty where there is none.
    end : int
        Where it ends there, in bytes.
    """

    number: int = 0
    hash: str = GENESIS
    segment: str = ""
    end: int = 0

    @classmethod
    def read(cls, path: Path) -> Mark | None:
        """As a file holds it; None where there is none.

        Raises
        ------
        DamagedMark
        OSError
        """
        try:
            return cls(**json.loads(path.read_bytes()))
        except FileNotFoundError:
            return None
        except (ValueError, TypeError):
            raise DamagedMark(f"{path.name} is damaged") from None

    def write(self, path: Path) -> None:
        """Write it durably. Raises dicomnode.store.files.StorageError."""
        text = json.dumps(asdict(self))
        write_durably(path, lambda file: file.write(text.encode()))
        give_to_owner(path)


def segment_name(first: int) -> str:
    """Name of the segment that begins with a record."""
    return f"{first:012d}.jsonl"


def segments(folder: Path) -> list[Path]:
    """All segments, in their order."""
    return sorted(folder.glob(_SEGMENT))


def lines(segment: Path, start: int = 0) -> Iterator[tuple[bytes, int]]:
    """Lines of a segment from a byte on, each with where it ends; a last one may lack its end."""
    with open(segment, "rb") as file:
        end = file.seek(start)
        for line in file:
            end += len(line)
            yield line, end


def records(folder: Path, after: Mark) -> Iterator[tuple[Record, Mark]]:
    """Records that come after a mark, each with its own mark, as far as they are whole.

    What is broken is left out; `dicomnode.audit.verify` says what that is.

    Raises
    ------
    OSError
    """
    for segment in segments(folder):
        if segment.name < after.segment:
            continue
        start = after.end if segment.name == after.segment else 0
        for line, end in lines(segment, start):
            if not line.endswith(b"\n"):
                return  # somebody writes it now, or a crash left it
            try:
                record = decode(line)
            except BadRecord:
                continue
            yield record, Mark(record.number, record.hash, segment.name, end)


def give_to_owner(path: Path) -> None:
    """Let a file that root has made be its folder's owner's, so that the node can go on with it."""
    if os.geteuid() == 0:
        owner = path.parent.stat()
        os.chown(path, owner.st_uid, owner.st_gid)


class JournalLock:
    """Held while the journal is appended to: by one thread of one process at a time.

    Parameters
    ----------
    folder : Path
        It must be there.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / _LOCK

    def __enter__(self) -> JournalLock:
        """Wait for it, and take it."""
        self._descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
        give_to_owner(self._path)
        fcntl.flock(self._descriptor, fcntl.LOCK_EX)
        return self

    def __exit__(self, *exception: object) -> None:
        """Give it back."""
        os.close(self._descriptor)
