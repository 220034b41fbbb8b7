"""Other people's programs: a missing one skips on a user's machine and fails with CI=true."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import pytest

_SEARCH_PATH = os.pathsep.join(
    [os.environ.get("PATH", ""), str(Path(sys.executable).parent), "/usr/local/sbin", "/usr/sbin"]
)
"""With the programs that Python packages install beside the interpreter."""


def need(program: str) -> str:
    """Return the path of `program`, or skip the test (fail it with CI=true) where it is missing."""
    found = shutil.which(program, path=_SEARCH_PATH)
    if found is None:
        missing(f"the program {program} is not installed")
    return found


def need_folder(folder: Path, how: str) -> Path:
    """Return `folder`, or skip (fail with CI=true); `how` says how to get it."""
    if not folder.is_dir():
        missing(f"{folder.name} is missing: {how}")
    return folder


def need_orthanc_dicomweb() -> Path:
    """Return Orthanc's DICOMweb plugin, or skip (fail with CI=true)."""
    found = sorted(Path("/usr/lib/orthanc").glob("libOrthancDicomWeb.so*"))
    if not found:
        missing("Orthanc's DICOMweb plugin (Debian's orthanc-dicomweb) is not installed")
    return found[0]


def missing(reason: str) -> None:
    if os.environ.get("CI") == "true":
        pytest.fail(f"{reason}, and CI=true demands it")
    pytest.skip(reason)
