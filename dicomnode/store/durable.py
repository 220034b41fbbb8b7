"""What a crash leaves: errors of a file system that refuses, and names that are durable."""

from __future__ import annotations

import errno
import os
import threading
from pathlib import Path

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_MOST_KNOWN = 10_000


class StorageError(OSError):
    """A file could not be stored; nothing of it is left on disk."""


class DiskFull(StorageError):
    """The file system is full, or would fall below its reserve."""


def storage_error(error: OSError) -> StorageError:
    """Type an error of the operating system's; its path is left out."""
    reason = os.strerror(error.errno) if error.errno else type(error).__name__
    if error.errno in _FULL:
        return DiskFull(error.errno, f"cannot write: {reason}")
    return StorageError(error.errno or errno.EIO, f"cannot write: {reason}")


def fsync_directory(directory: str | Path) -> None:
    """Make what was named, renamed or unlinked in a folder durable."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def make_directory_durably(directory: Path) -> None:
    """Make a folder and its parents; fsync each parent that gained an entry."""
    if directory.is_dir():
        return
    make_directory_durably(directory.parent)
    directory.mkdir(exist_ok=True)
    fsync_directory(directory.parent)


class DurableFolders:
    """Folders below one, made when they are first needed. Safe to use from several threads.

    One that is there already may be from a thread, or a run, that did not come to its fsync yet:
    what this process has not made durable by itself is made so once.

    Parameters
    ----------
    root : Path
        Durable already.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._lock = threading.Lock()
        # A path is made once for each folder: pathlib takes longer for that than the disk.
        self._known: dict[tuple[str, ...], Path] = {}

    def need(self, *names: str) -> Path:
        """Give the path of a folder, whose parents are named before it, and which is durable.

        Raises
        ------
        FileNotFoundError
            A parent that was known is gone: `forget` it, and ask again.
        OSError
        """
        folder = self._known.get(names)
        if folder is None:
            with self._lock:
                folder = self._make(names)
        return folder

    def forget(self, *names: str) -> None:
        """Say that a folder is gone, and perhaps its parents with it."""
        with self._lock:
            for depth in range(1, len(names) + 1):
                self._known.pop(names[:depth], None)

    def _make(self, names: tuple[str, ...]) -> Path:
        if len(self._known) > _MOST_KNOWN:
            self._known.clear()
        parent = self._root
        for depth in range(1, len(names) + 1):
            folder = self._known.get(names[:depth])
            if folder is None:
                folder = parent / names[depth - 1]
                folder.mkdir(exist_ok=True)
                fsync_directory(parent)
                self._known[names[:depth]] = folder
            parent = folder
        return parent
