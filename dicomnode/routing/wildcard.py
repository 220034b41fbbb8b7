"""Patterns of ``*`` and ``?`` in bounded time: no regular expressions."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator

MAX_PATTERN = 256
"""Characters of a pattern."""

MAX_VALUE = 1024
"""Characters of a value that a pattern is compared with; what follows is not looked at."""


def _as_patterns(value: Any) -> Any:
    return (value,) if isinstance(value, str) else value


def _are_short(patterns: tuple[str, ...]) -> tuple[str, ...]:
    for pattern in patterns:
        if len(pattern) > MAX_PATTERN:
            raise ValueError(
                f"found a pattern of {len(pattern)} characters, expected at most {MAX_PATTERN}"
            )
    return patterns


Patterns = Annotated[tuple[str, ...], BeforeValidator(_as_patterns), AfterValidator(_are_short)]
"""One pattern or a list of them; ``*`` and ``?`` as in PS3.4 C.2.2.2.4, case ignored."""


def fits(value: str, pattern: str) -> bool:
    """Whether a value fits a pattern: ``*`` stands for any text, ``?`` for one character.

    Case and white space around the value are ignored. The time is at most the product of both
    lengths, whatever the pattern: after a mismatch only the last ``*`` takes one character more,
    because what an earlier one would take can be taken by the last as well.
    """
    text, wanted = fold(value.strip()[:MAX_VALUE]), fold(pattern)
    at = place = 0
    star = taken = -1
    while at < len(text):
        if place < len(wanted) and wanted[place] == "*":
            star, taken = place, at
            place += 1
        elif place < len(wanted) and wanted[place] in ("?", text[at]):
            at += 1
            place += 1
        elif star >= 0:
            taken += 1
            at, place = taken, star + 1
        else:
            return False
    return not wanted[place:].strip("*")


def fold(text: str) -> str:
    """Ignore case, character by character, so that lengths stay."""
    return "".join(low if len(low := c.lower()) == 1 else c for c in text)
