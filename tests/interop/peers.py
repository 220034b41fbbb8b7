"""Other people's programs: a missing one skips on a user's machine and fails with CI=true."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

_SEARCH_PATH = os.pathsep.join([os.environ.get("PATH", ""), "/usr/local/sbin", "/usr/sbin"])


def need(program: str) -> str:
    """Return the path of `program`, or skip the test (fail it with CI=true) where it is missing."""
    found = shutil.which(program, path=_SEARCH_PATH)
    if found is None:
        _missing(f"the program {program} is not installed")
    return found


def need_folder(folder: Path, how: str) -> Path:
    """Return `folder`, or skip (fail with CI=true); `how` says how to get it."""
    if not folder.is_dir():
        _missing(f"{folder.name} is missing: {how}")
    return folder


def _missing(reason: str) -> None:
    if os.environ.get("CI") == "true":
        pytest.fail(f"{reason}, and CI=true demands it")
    pytest.skip(reason)
