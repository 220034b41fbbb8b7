"""Arrays in a file that is written whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np


def write_arrays(path: Path, **arrays: object) -> None:
    """Write a compressed npz archive: whole or not at all, also if the power fails."""
    partial = path.with_name(path.name + ".partial")
    with open(partial, "wb") as file:
        np.savez_compressed(file, **arrays)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)
