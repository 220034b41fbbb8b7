"""Real CT and marks, where they are mounted. The project does not need them, and holds none."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

FOLDER = Path(
    os.environ.get("SOFTMASK_DATA", Path(__file__).resolve().parents[2] / "shared" / "data")
)


def real(name: str) -> Path:
    """Path of a file or folder of the real data, or a skipped test."""
    path = FOLDER / name
    if not path.exists():
        pytest.skip(f"{name} is not there; SOFTMASK_DATA names the folder of real data")
    return path
