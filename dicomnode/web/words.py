"""Figures as people read them, for templates."""

from __future__ import annotations

from datetime import UTC, datetime


def moment(seconds: float | None) -> str:
    """Seconds since 1970 as a date and time in UTC; a dash for none."""
    if seconds is None:
        return "–"
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S")


def lasting(seconds: float | None) -> str:
    """A time span by its two largest units; a dash for none."""
    if seconds is None:
        return "–"
    left = int(seconds)
    parts = []
    for size, name in ((86400, "d"), (3600, "h"), (60, "min"), (1, "s")):
        count, left = divmod(left, size)
        if count:
            parts.append(f"{count} {name}")
    return " ".join(parts[:2]) or "0 s"


def sized(count: float | None) -> str:
    """Bytes in GB, MB or kB; a dash for none."""
    if count is None:
        return "–"
    for size, name in ((1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if count >= size:
            return f"{count / size:.1f} {name}"
    return f"{count:.0f} bytes"


FILTERS = {"moment": moment, "lasting": lasting, "sized": sized}
"""By the names that templates call them by."""
