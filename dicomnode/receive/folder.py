"""Instances in a folder, taken where they lie."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from dicomnode.receive.encoded import InvalidInstance
from dicomnode.receive.header import read_file
from dicomnode.receive.sop_classes import STORAGE_CLASSES
from dicomnode.store.received import ReceivedInstance


@dataclass(frozen=True)
class FolderFinding:
    """One file of a folder.

    Attributes
    ----------
    path : Path
    received : ReceivedInstance or None
        The instance, where the file is one that the node takes.
    reason : str or None
        Why it is not, otherwise.
    """

    path: Path
    received: ReceivedInstance | None
    reason: str | None


def find_instances(folder: Path) -> Iterator[FolderFinding]:
    """Yield a finding for each file below `folder`, in the order of names.

    Files are neither copied nor changed. Folders behind symbolic links are not entered.

    Raises
    ------
    NotADirectoryError
        `folder` is none.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise NotADirectoryError(f"{folder} is not a folder")
    for directory, directories, names in os.walk(folder):
        directories.sort()
        for name in sorted(names):
            yield find_instance(Path(directory, name))


def find_instance(path: Path) -> FolderFinding:
    """Say what one file is."""
    if path.name.upper() == "DICOMDIR":
        return FolderFinding(path, None, "a DICOMDIR")
    try:
        if not path.is_file():
            return FolderFinding(path, None, "not a regular file")
        file = read_file(path)
    except InvalidInstance as error:
        return FolderFinding(path, None, error.reason)
    except OSError as error:
        return FolderFinding(path, None, f"cannot be read: {error.strerror}")
    if file.header.sop_class_uid not in STORAGE_CLASSES:
        return FolderFinding(
            path, None, f"SOP class {file.header.sop_class_uid} is not one that the node stores"
        )
    return FolderFinding(path, ReceivedInstance(path, file.size, file.header), None)
