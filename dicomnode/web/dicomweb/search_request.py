"""What a search asks for (PS3.18 8.3.4)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dicomnode.web.dicomweb.attributes import (
    COUNTED,
    RETRIEVE_URL,
    TOLD,
    Level,
    name_of,
    path_of,
)
from dicomnode.web.dicomweb.matching import Key, key_of, uids_of
from dicomnode.web.dicomweb.problem import Problem, quoted

MOST_MATCHES = {Level.STUDY: 1000, Level.SERIES: 2000, Level.INSTANCE: 5000}
"""Of one answer; what is beyond is asked for with ``offset``."""

_STUDY_UID = 0x0020000D
_MOST_PARAMETERS = 100
_PLURAL = {Level.STUDY: "studies", Level.SERIES: "series", Level.INSTANCE: "instances"}


@dataclass(frozen=True)
class Search:
    """What is searched for.

    Attributes
    ----------
    level : Level
    keys : tuple of Key
    studies : tuple of str
        Study Instance UIDs that the keys leave; empty for any.
    fields : frozenset of int or None
        Attributes that are told besides those that are told unasked; None for all.
    offset, limit : int
    warnings : tuple of str
        What the client is told of what it asked for.
    """

    level: Level
    keys: tuple[Key, ...] = ()
    studies: tuple[str, ...] = ()
    fields: frozenset[int] | None = frozenset()
    offset: int = 0
    limit: int = 0
    warnings: tuple[str, ...] = ()

    @property
    def of_files(self) -> tuple[Key, ...]:
        """Conditions on what files say."""
        return tuple(key for key in self.keys if key.path[0] not in _ALL_COUNTED)

    @property
    def of_counts(self) -> tuple[Key, ...]:
        """Conditions on what is counted."""
        return tuple(key for key in self.keys if key.path[0] in _ALL_COUNTED)

    @property
    def read(self) -> frozenset[int] | None:
        """Attributes that files are read for; None for all."""
        if self.fields is None:
            return None
        told = frozenset().union(*(TOLD[level] for level in Level if level <= self.level))
        asked = {key.path[0] for key in self.of_files}
        return told | asked | (self.fields - _ALL_COUNTED - {RETRIEVE_URL})


_ALL_COUNTED = frozenset().union(*COUNTED.values())


def read_search(level: Level, parameters: Sequence[tuple[str, str]]) -> Search:
    """Read the parameters of a search.

    Raises
    ------
    Problem
        400 where they are wrong.
    """
    if len(parameters) > _MOST_PARAMETERS:
        raise Problem(400, f"found {len(parameters)} parameters, {_MOST_PARAMETERS} at most")
    keys: list[Key] = []
    fields: set[int] = set()
    studies: tuple[str, ...] = ()
    warnings: list[str] = []
    everything, offset, limit = False, 0, MOST_MATCHES[level]
    for name, text in parameters:
        match name.lower():
            case "accept":
                pass
            case "limit":
                limit = min(_count(name, text), limit)
            case "offset":
                offset = _count(name, text)
            case "fuzzymatching":
                if _flag(name, text):
                    warnings.append(
                        "The fuzzymatching parameter is not supported. "
                        "Only literal matching has been performed."
                    )
            case "includefield":
                for field in filter(None, (part.strip() for part in text.split(","))):
                    everything |= field.lower() == "all"
                    if field.lower() != "all":
                        fields.add(path_of(field)[0])  # a sequence is told whole
            case _:
                path = path_of(name)
                _check_level(level, path[0])
                key = key_of(path, text)
                if key is not None and path == (_STUDY_UID,):
                    studies = tuple(uids_of(text))
                if key is not None:
                    keys.append(key)
    return Search(
        level,
        tuple(keys),
        studies,
        None if everything else frozenset(fields),
        offset,
        limit,
        tuple(warnings),
    )


def _check_level(level: Level, tag: int) -> None:
    """Studies and series are searched by what all their instances have in common."""
    known: set[int] = set()
    for below in Level:
        if below <= level:
            known |= TOLD[below] | COUNTED[below]
    counted_elsewhere = tag in _ALL_COUNTED and tag not in COUNTED[level]
    if counted_elsewhere or (level is not Level.INSTANCE and tag not in known):
        raise Problem(400, f"{name_of(tag)} is nothing that {_PLURAL[level]} are searched by")


def _count(name: str, text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 9):
        raise Problem(400, f"{name}: found {quoted(text)}, expected a whole number from 0")
    return int(text)


def _flag(name: str, text: str) -> bool:
    if text.lower() not in ("true", "false"):
        raise Problem(400, f"{name}: found {quoted(text)}, expected true or false")
    return text.lower() == "true"
