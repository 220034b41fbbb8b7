"""Arrays in a file that is written whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.lib.npyio import NpzFile


def write_arrays(path: Path, version: int, **arrays: object) -> None:
    """Write a compressed npz archive: whole or not at all, also if the power fails.

    Parameters
    ----------
    path : Path
    version : int
        Of the format, for `read_arrays`.
    **arrays
        What `numpy.savez` takes.
    """
    partial = path.with_name(path.name + ".partial")
    with open(partial, "wb") as file:
        np.savez_compressed(file, format=np.int64(version), **arrays)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)


@contextmanager
def read_arrays(path: Path, version: int) -> Iterator[NpzFile]:
    """Open what `write_arrays` wrote.

    Raises
    ------
    ValueError
        If the file is of another format.
    """
    with np.load(path, allow_pickle=False) as file:
        if int(file["format"]) != version:
            raise ValueError(f"found format {int(file['format'])}, expected {version}")
        yield file
