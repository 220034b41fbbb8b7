"""Marks as JSON, for the database."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import numpy as np

from dicomnode.marks.recist_mark import Code, RecistMark


def to_json(mark: RecistMark) -> dict[str, Any]:
    """Turn a mark into what JSON can hold."""
    fields = asdict(mark)
    for name in ("long_axis", "short_axis"):
        if fields[name] is not None:
            fields[name] = np.asarray(fields[name]).tolist()
    return fields


def from_json(fields: dict[str, Any]) -> RecistMark:
    """Read what `to_json` wrote."""
    fields = dict(fields)
    for name in ("finding", "site"):
        if fields[name] is not None:
            fields[name] = Code(**fields[name])
    for name in ("long_axis", "short_axis"):
        if fields[name] is not None:
            fields[name] = np.array(fields[name], dtype=np.float64)
    return RecistMark(**fields)
