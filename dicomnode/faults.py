"""Say what went wrong without repeating what was in the data."""

from __future__ import annotations

import re
import traceback

_REMOTE_FRAME = re.compile(r'^  File "([^"]+)", line (\d+), in (\S+)$', re.MULTILINE)
"""A frame in the text that a worker process sends along with its error."""


def describe_fault(error: BaseException) -> str:
    """Name the kind of an unexpected error and where it arose.

    The error's own text is left out: it can hold values from a data set, and so patient data.
    """
    where = _raised_in_worker(error) or _raised_here(error)
    return type(error).__name__ if where is None else f"{type(error).__name__} in {where}"


def _raised_here(error: BaseException) -> str | None:
    frames = traceback.extract_tb(error.__traceback__)
    return _place(frames[-1].filename, frames[-1].lineno, frames[-1].name) if frames else None


def _raised_in_worker(error: BaseException) -> str | None:
    """Where an error arose that `concurrent.futures` has carried over from another process."""
    frames = _REMOTE_FRAME.findall(getattr(error.__cause__, "tb", None) or "")
    return _place(*frames[-1]) if frames else None


def _place(path: str, line: object, function: str) -> str:
    return f"{function} ({path.rsplit('/', 1)[-1]}:{line})"
