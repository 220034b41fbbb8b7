"""Is the journal as it was written? Every record is hashed again, and the chain is followed.

The chain shows what was changed, taken out, put in or moved. It cannot show what somebody wrote
anew from one record on to the end, with head and all: for that there is the collector, and the hash
that an administrator noted elsewhere.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from dicomnode.audit.files import HEAD, SENT, DamagedMark, Mark, lines, segments
from dicomnode.audit.record import GENESIS, BadRecord, Forgotten, Record, decode

_TRIES = 5


class Damage(StrEnum):
    """What can be found."""

    CHANGED = "changed"
    """A line does not have the hash that it names, or is no record."""
    MISSING = "missing"
    """Numbers are left out."""
    MOVED = "moved"
    """A record stands behind one of a higher number, or a second time."""
    REPLACED = "replaced"
    """A record names another hash than the one before it has."""
    CUT_SHORT = "cut short"
    """The journal ends before the record that is known to be the last."""


@dataclass(frozen=True)
class Break:
    """One place where the journal is not as it was written.

    Attributes
    ----------
    damage : Damage
    segment : str
        Name of the file.
    line : int
        From 1; 0 where it is about the file.
    number : int
        Of the record that it was found at.
    words : str
    """

    damage: Damage
    segment: str
    line: int
    number: int
    words: str


@dataclass
class Verified:
    """What was found.

    Attributes
    ----------
    first, last : int
        Numbers of the first and the last record that are there; 0 where there is none.
    hash : str
        Of the last one.
    records, files : int
    forgotten : int
        Number of the last record that retention let go, as the journal says.
    breaks : list of Break
    notes : list of str
        What is no damage, and worth knowing.
    """

    first: int = 0
    last: int = 0
    hash: str = GENESIS
    records: int = 0
    files: int = 0
    forgotten: int = 0
    breaks: list[Break] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def whole(self) -> bool:
        """Whether nothing is amiss."""
        return not self.breaks


def verify(folder: Path, only_last: bool = False, expected: Mark | None = None) -> Verified:
    """Read the journal and follow its chain, also while a node appends to it or lets files go.

    Parameters
    ----------
    folder : Path
    only_last : bool
        Read the last file alone, which is quick.
    expected : Mark, optional
        Number and hash of a record that somebody noted elsewhere.

    Raises
    ------
    OSError
        A file cannot be read.
    """
    for _ in range(_TRIES - 1):
        with contextlib.suppress(FileNotFoundError):  # one was let go before it was read
            return _verify(folder, only_last, expected)
    return _verify(folder, only_last, expected)


def _verify(folder: Path, only_last: bool, expected: Mark | None) -> Verified:
    # First, so that whatever is appended meanwhile is no damage.
    marks = [_mark(folder, HEAD, "the head"), _mark(folder, SENT, "what the collector has")]
    if expected is not None:
        marks.append((expected, "the record that was asked for"))
    there = segments(folder)
    return _Look(marks, there[-1:] if only_last else there, only_last).all()


class _Look:
    """One look at the journal."""

    def __init__(
        self, marks: list[tuple[Mark | str, str]], there: list[Path], is_part: bool
    ) -> None:
        self._marks = marks
        self._is_part = is_part
        self._there = there
        self._found = Verified()
        self._forgotten: dict[int, Forgotten] = {}
        self._wanted = {mark.number for mark, _ in marks if isinstance(mark, Mark)}
        self._hashes: dict[int, str] = {}

    def all(self) -> Verified:
        found = self._found
        beginning = ""
        for path in self._there:
            found.files += 1
            for number, (line, _) in enumerate(lines(path), 1):
                record = self._read(path, number, line)
                if record is None:
                    continue
                if not found.records:
                    found.first, beginning = record.number, record.previous
                self._follow(path, number, record)
        if found.records and not self._is_part:
            self._look_at_beginning(beginning)
        for mark, what in self._marks:
            self._look_at_mark(mark, what)
        return found

    def _read(self, path: Path, line: int, text: bytes) -> Record | None:
        try:
            if not text.endswith(b"\n"):
                if path == self._there[-1]:
                    self._found.notes.append(
                        f"{path.name} ends with a record that is being written, or that a crash "
                        "left: the next start sets it aside"
                    )
                    return None
                raise BadRecord("it is no whole record")
            return decode(text)
        except BadRecord as error:
            number = self._found.last + 1
            self._break(Damage.CHANGED, path, line, number, f"record {number}: {error}")
            # What it named cannot be known; the numbers go on.
            self._found.last, self._found.hash = number, ""
            return None

    def _follow(self, path: Path, line: int, record: Record) -> None:
        found = self._found
        number, before = record.number, found.last
        if found.records and number <= before:
            words = f"record {number} stands behind record {before}"
            self._break(Damage.MOVED, path, line, number, words)
            found.records += 1
            return  # the chain is looked for behind it
        if found.records and number > before + 1:
            words = f"{_range(before + 1, number - 1)} missing"
            self._break(Damage.MISSING, path, line, number, words)
        elif found.records and found.hash and record.previous != found.hash:
            words = (
                f"record {number} was written behind another record {before} than the one that "
                "stands there"
            )
            self._break(Damage.REPLACED, path, line, number, words)
        found.records += 1
        found.last, found.hash = number, record.hash
        if number in self._wanted:
            self._hashes[number] = record.hash
        if record.forgotten is not None:
            self._forgotten[record.forgotten.last] = record.forgotten
            found.forgotten = max(found.forgotten, record.forgotten.last)

    def _look_at_beginning(self, beginning: str) -> None:
        """What is not there any more must have been let go, as a later record says."""
        found = self._found
        if found.first == 1:
            if beginning != GENESIS:
                words = "record 1 names a record before it"
                self._break(Damage.REPLACED, self._there[0], 1, 1, words)
            return
        before = self._forgotten.get(found.first - 1)
        if before is None or before.hash != beginning:
            words = (
                f"{_range(1, found.first - 1)} missing, and no record says that retention let them "
                "go"
            )
            self._break(Damage.MISSING, self._there[0], 1, found.first, words)

    def _look_at_mark(self, mark: Mark | str, what: str) -> None:
        found = self._found
        if isinstance(mark, str):
            found.notes.append(mark)
            return
        segment = self._there[-1] if self._there else Path(mark.segment)
        if mark.number > found.last:
            words = (
                f"the last record is {found.last}, {what} is record {mark.number}: "
                f"{_range(found.last + 1, mark.number)} missing"
            )
            self._break(Damage.CUT_SHORT, segment, 0, mark.number, words)
        elif mark.number in self._hashes and self._hashes[mark.number] != mark.hash:
            words = f"record {mark.number} is another than {what}"
            self._break(Damage.REPLACED, segment, 0, mark.number, words)
        elif 0 < mark.number < found.first and not self._is_part:
            found.notes.append(f"{what} is record {mark.number}, which was let go")

    def _break(self, damage: Damage, path: Path, line: int, number: int, words: str) -> None:
        self._found.breaks.append(Break(damage, path.name, line, number, words))


def _mark(folder: Path, name: str, what: str) -> tuple[Mark | str, str]:
    try:
        return Mark.read(folder / name) or Mark(), what
    except DamagedMark as error:
        return str(error), what


def _range(first: int, last: int) -> str:
    return f"record {first} is" if first == last else f"records {first} to {last} are"
