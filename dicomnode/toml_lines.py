"""Find the line of a TOML file that holds a setting, so that an error can name it."""

from __future__ import annotations

import re
from collections.abc import Sequence

_HEADER = re.compile(r"^\s*(\[\[?)\s*([^\]]+?)\s*\]\]?\s*(#.*)?$")
_KEY = re.compile(r"^\s*([A-Za-z0-9_.\-\"']+)\s*=")


def line_of(location: Sequence[str | int], text: str) -> int | None:
    """Line number (from 1) of the setting at `location`, or of the nearest table above it.

    Parameters
    ----------
    location : sequence of str and int
        Keys and positions in arrays of tables, such as ``("rules", 1, "match", "modality")``.
    text : str
        A TOML document that parses.

    Returns
    -------
    int or None
        None where not even a table above the setting is found.
    """
    target = tuple(location)
    counts: dict[tuple[str | int, ...], int] = {}
    table: tuple[str | int, ...] = ()
    best_line, best_depth = None, 0
    for number, line in enumerate(text.splitlines(), start=1):
        if header := _HEADER.match(line):
            table = _address(header[2], counts)
            if header[1] == "[[":
                counts[table] = counts.get(table, -1) + 1
                table = (*table, counts[table])
            here = table
        elif key := _KEY.match(line):
            here = (*table, *_parts(key[1]))
        else:
            continue
        if len(here) > best_depth and here == target[: len(here)]:
            best_line, best_depth = number, len(here)
    return best_line


def _parts(dotted: str) -> list[str]:
    return [part.strip().strip("\"'") for part in dotted.split(".")]


def _address(dotted: str, counts: dict[tuple[str | int, ...], int]) -> tuple[str | int, ...]:
    """Address of a table; a part that names an array of tables means its latest element."""
    parts = _parts(dotted)
    address: tuple[str | int, ...] = ()
    for part in parts[:-1]:
        address = (*address, part)
        if address in counts:
            address = (*address, counts[address])
    return (*address, parts[-1])
