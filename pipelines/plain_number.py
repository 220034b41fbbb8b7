"""Numbers in files from strangers."""

from __future__ import annotations

import re

_NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]{1,3})?", re.ASCII)


def number(text: str | None) -> float | None:
    """A finite number in plain decimal form; None for anything else."""
    text = "" if text is None else text.strip(" \t\r\n")
    if len(text) > 40 or _NUMBER.fullmatch(text) is None:
        return None
    value = float(text)
    return value if abs(value) < 1e12 else None
