"""Read a log record as an event with fields.

A message begins with the event's name; fields follow as ``name=value``. The names stand in the
message's template and the values in its arguments, so that a value may hold blanks and keeps its
type. What is neither is the event's ``detail``.
"""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass

OWN = ("dicomnode", "pipelines", "models")
"""Packages whose messages are events."""

Value = str | int | float | bool | None | list[str | int | float | bool | None]

_CONVERSION = re.compile(r"%[0-9.]*[sdfXr]")
_FIELD = re.compile(rf"(\w+)=((?:0x)?{_CONVERSION.pattern})")


@dataclass(frozen=True)
class LoggedEvent:
    """An event as it was logged.

    Attributes
    ----------
    name : str
    fields : dict of str to value
        In the order of the message, ``detail`` last.
    """

    name: str
    fields: dict[str, Value]


def is_own(record: logging.LogRecord) -> bool:
    """Whether a record is of this software, and not of a library."""
    return record.name.partition(".")[0] in OWN


def read_event(record: logging.LogRecord) -> LoggedEvent:
    """Take a record of this software apart."""
    given = record.args if isinstance(record.args, tuple) else ()
    values = iter(given)
    name, fields, rest = "", {}, []
    for number, word in enumerate(str(record.msg).split(" ")):
        taken = tuple(next(values, "") for _ in _CONVERSION.findall(word))
        field = _FIELD.fullmatch(word)
        if number == 0:
            name = word % taken
        elif field is not None:
            fields[field[1]] = (
                word.partition("=")[2] % taken if "X" in field[2] else _plain(taken[0])
            )
        else:
            rest.append(word % taken)
    detail = " ".join(rest).strip()
    return LoggedEvent(name, fields | ({"detail": detail} if detail else {}))


def fields_of(template: str) -> tuple[str, ...]:
    """Names of the fields that a message's template has, ``detail`` included."""
    words = template.split(" ")[1:]
    named = [_FIELD.fullmatch(word) for word in words]
    names = [field[1] for field in named if field is not None]
    return (*names, "detail") if len(names) < len(words) else tuple(names)


def pattern_of(template: str) -> re.Pattern[str]:
    """Match the names that the events of a template have."""
    name = template.partition(" ")[0]
    return re.compile("[a-z_]+".join(map(re.escape, _CONVERSION.split(name))))


def _plain(value: object) -> Value:
    """As JSON holds it; what it has no type for becomes its text."""
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, list | tuple):
        return [one if isinstance(one, bool | int | float) else str(one) for one in value]
    return str(value)
