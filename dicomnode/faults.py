"""Say what went wrong without repeating what was in the data."""

from __future__ import annotations

import traceback


def describe_fault(error: BaseException) -> str:
    """Name the kind of an unexpected error and where it arose.

    The error's own text is left out: it can hold values from a data set, and so patient data.
    """
    frames = traceback.extract_tb(error.__traceback__)
    if not frames:
        return type(error).__name__
    last = frames[-1]
    return (
        f"{type(error).__name__} in {last.name} ({last.filename.rsplit('/', 1)[-1]}:{last.lineno})"
    )
