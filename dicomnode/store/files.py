"""Files that are either wholly there or not there at all.

Every file is written to a temporary name, fsynced, renamed, and its directory fsynced. What a
crash leaves behind under a temporary name is swept at the next start.
"""

from __future__ import annotations

import errno
import itertools
import logging
import os
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from dicomnode.store.durable import (
    DiskFull,
    DurableFolders,
    StorageError,
    fsync_directory,
    make_directory_durably,
    storage_error,
)
from dicomnode.store.lock import NamingLock
from dicomnode.store.part_file import Keeping, PartFile

logger = logging.getLogger(__name__)


def write_durably(path: Path, writer: Callable[[BinaryIO], object]) -> Path:
    """Write a file so that after a crash the old or the new content is there, never a part.

    Parameters
    ----------
    path : Path
        Final name; its directory is made where missing. An existing file is replaced.
    writer : callable
        Called once with a binary file open for writing and reading.

    Returns
    -------
    Path
        `path`.

    Raises
    ------
    StorageError
        The file system refused (`DiskFull` when it is full). The temporary file is gone and a
        previous file at `path` is untouched. What `writer` itself raises passes through.
    """
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}.part")
    try:
        make_directory_durably(path.parent)
        try:
            with open(temporary, "xb+") as file:
                writer(file)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        fsync_directory(path.parent)
    except StorageError:
        raise
    except OSError as error:
        raise storage_error(error) from error
    return path


class FileStore:
    """Instances as Part 10 files under one root, which several processes may write to.

    Parameters
    ----------
    root : Path
        Made where missing. Files being received lie in ``incoming``, kept ones in
        ``instances/<study uid>/<series uid>/<sop uid>.dcm``.
    reserve_bytes : int
        Free space of the file system that is never used.
    free_bytes : callable, optional
        Gives the free bytes of the file system that holds a path; the operating system's answer
        by default.
    incoming : str
        Another folder for files being received: who sweeps one must be who writes it.

    Raises
    ------
    StorageError
        The folders cannot be made.
    """

    def __init__(
        self,
        root: Path,
        reserve_bytes: int,
        free_bytes: Callable[[Path], int] | None = None,
        incoming: str = "incoming",
    ) -> None:
        self.root = Path(root).absolute()
        self.incoming = self.root / incoming
        self.instances = self.root / "instances"
        self.reserve_bytes = reserve_bytes
        self._free_bytes = free_bytes or _free_bytes
        # Names that no former run, nor another store on the folder, has given.
        self._run = secrets.token_hex(8)
        self._numbers = itertools.count()
        try:
            make_directory_durably(self.incoming)
            make_directory_durably(self.instances)
        except OSError as error:
            raise storage_error(error) from error
        self._keeping = Keeping(
            DurableFolders(self.instances), NamingLock(self.instances), self.check_space
        )

    def check_space(self) -> None:
        """Refuse by `DiskFull` when less than the reserve is free."""
        try:
            free = self._free_bytes(self.root)
        except OSError as error:
            raise storage_error(error) from error
        if free < self.reserve_bytes:
            raise DiskFull(
                errno.ENOSPC, f"{free} bytes free, {self.reserve_bytes} are kept in reserve"
            )

    def begin(self, prefix: bytes) -> PartFile:
        """Open a new incoming file that starts with `prefix` (preamble and meta information).

        Raises
        ------
        DiskFull, StorageError
            Nothing is left behind.
        """
        self.check_space()
        try:
            path = f"{self.incoming}/{self._run}-{next(self._numbers)}.part"
            return PartFile(self._keeping, path, prefix)
        except StorageError:
            raise
        except OSError as error:
            raise storage_error(error) from error

    def sweep(self) -> int:
        """Remove what earlier runs left in ``incoming``. Call at start, before receiving.

        Returns
        -------
        int
            Files removed.
        """
        return sweep_parts(self.incoming)


def sweep_parts(folder: Path, of: str = "") -> int:
    """Remove temporary files that a crash left anywhere below `folder`.

    Parameters
    ----------
    folder : Path
    of : str
        Only those of `write_durably`, for files whose names begin so; all by default.

    Returns
    -------
    int
        Files removed.
    """
    removed = 0
    for directory, _, names in os.walk(folder):
        for name in names:
            if name.endswith(".part") and (not of or name.startswith(f".{of}")):
                Path(directory, name).unlink(missing_ok=True)
                removed += 1
    if removed:
        logger.info("parts.swept folder=%s files=%d", folder.name, removed)
    return removed


def _free_bytes(path: Path) -> int:
    status = os.statvfs(path)
    return status.f_bavail * status.f_frsize
