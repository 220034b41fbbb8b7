"""One process at a time may own a store: two would sweep each other's incoming files."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path


class StoreInUse(OSError):
    """Another process owns the store."""


class StoreLock:
    """An advisory lock on a store, which ends with the process, however it ends.

    Parameters
    ----------
    root : Path
        The store; made where missing.
    """

    def __init__(self, root: Path) -> None:
        self._path = root / "lock"
        self._descriptor: int | None = None

    def acquire(self) -> None:
        """Own the store.

        Raises
        ------
        StoreInUse
            If another process does.
        """
        self._path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            raise StoreInUse(f"{self._path.parent} is in use by another process") from None
        self._descriptor = descriptor

    def release(self) -> None:
        """Let another process own the store. Safe to repeat."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


class FilesLock:
    """Held by who copies the files of a store, and by who deletes some: not both at a time.

    It is on the folder itself, so that no file of one user keeps another one out.

    Parameters
    ----------
    root : Path
        The store; it must be there.
    """

    def __init__(self, root: Path) -> None:
        self._root = root

    def __enter__(self) -> FilesLock:
        """Take it.

        Raises
        ------
        StoreInUse
            If another process or thread has it.
        """
        self._descriptor = os.open(self._root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(self._descriptor)
            raise StoreInUse(f"{self._root}: another process copies or deletes its files") from None
        return self

    def __exit__(self, *exception: object) -> None:
        """Give it back."""
        os.close(self._descriptor)
