"""Files that are either wholly there or not there at all.

Every file is written to a temporary name, fsynced, renamed, and its directory fsynced. What a
crash leaves behind under a temporary name is swept at the next start.
"""

from __future__ import annotations

import contextlib
import errno
import itertools
import logging
import os
import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from dicomnode.store.lock import NamingLock
from dicomnode.store.uid import is_valid_uid

logger = logging.getLogger(__name__)

_CHECK_SPACE_EVERY = 16 * 2**20
_COMPARE_BLOCK = 2**20
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


class StorageError(OSError):
    """A file could not be stored; nothing of it is left on disk."""


class DiskFull(StorageError):
    """The file system is full, or would fall below its reserve."""


def _storage_error(error: OSError) -> StorageError:
    reason = os.strerror(error.errno) if error.errno else type(error).__name__
    if error.errno in _FULL:
        return DiskFull(error.errno, f"cannot write: {reason}")
    return StorageError(error.errno or errno.EIO, f"cannot write: {reason}")


def fsync_directory(directory: Path) -> None:
    """Make what was named, renamed or unlinked in a folder durable."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _make_directory_durably(directory: Path) -> None:
    """Make `directory` and its parents; fsync each parent that gained an entry."""
    if directory.is_dir():
        return
    _make_directory_durably(directory.parent)
    directory.mkdir(exist_ok=True)
    fsync_directory(directory.parent)


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
        _make_directory_durably(path.parent)
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
        raise _storage_error(error) from error
    return path


@dataclass(frozen=True)
class StoredFile:
    """Where an instance ended up.

    Attributes
    ----------
    path : Path
        Final name.
    size : int
        Bytes on disk.
    written : bool
        False when an identical version was there already and was kept.
    """

    path: Path
    size: int
    written: bool


class PartFile:
    """An instance on its way in, under a temporary name.

    Made by `FileStore.begin`; ends by `keep` or `discard`, and as a context manager is discarded
    on any way out that did not keep it.

    Attributes
    ----------
    data_offset : int
        Bytes before the data set (preamble and file meta information).
    size : int
        Bytes written so far.
    """

    def __init__(self, store: FileStore, path: Path, prefix: bytes) -> None:
        self._store = store
        self._path = path
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o640)
        self._ended = False
        self._check_space_at = _CHECK_SPACE_EVERY
        self.size = 0
        self.data_offset = len(prefix)
        try:
            self.write(prefix)
        except BaseException:
            self.discard()
            raise

    def fileno(self) -> int:
        """Return the descriptor, open for reading what was written."""
        return self._descriptor

    def write(self, data: bytes | memoryview) -> None:
        """Append `data`.

        Raises
        ------
        DiskFull
            The file system is full, or its reserve would be touched.
        StorageError
            Any other refusal of the file system.
        """
        left = memoryview(data)
        try:
            while left:
                written = os.write(self._descriptor, left)
                self.size += written
                left = left[written:]
        except OSError as error:
            raise _storage_error(error) from error
        if self.size >= self._check_space_at:
            self._check_space_at = self.size + _CHECK_SPACE_EVERY
            self._store.check_space()

    def keep(self, study_uid: str, series_uid: str, sop_uid: str) -> StoredFile:
        """Make the file durable under its final name.

        A byte-identical data set that is already kept under the same UIDs is recognised and not
        stored a second time; a different one gets the next free name (``<sop uid>.2.dcm``).

        Raises
        ------
        ValueError
            A UID breaks PS3.5 9.1.
        StorageError
            The file system refused; the temporary file is gone.
        """
        try:
            directory = self._store.directory_of(study_uid, series_uid)
            if not is_valid_uid(sop_uid):
                raise ValueError("SOP Instance UID is not a UID by PS3.5 9.1")
            return self._keep(directory, sop_uid)
        except StorageError:
            raise
        except OSError as error:
            raise _storage_error(error) from error
        finally:
            self.discard()

    def _keep(self, directory: Path, sop_uid: str) -> StoredFile:
        # Most instances are new: the fsync, which dominates, stays outside the lock.
        if (held := self._identical(directory, sop_uid)) is None:
            os.fsync(self._descriptor)
            _make_directory_durably(directory)
            with self._store.naming:
                # Another association, or process, may have kept the same instance meanwhile.
                if (held := self._identical(directory, sop_uid)) is None:
                    final = next(
                        path for path in _versions(directory, sop_uid) if not path.exists()
                    )
                    os.rename(self._path, final)
            if held is None:
                self._close()
                fsync_directory(directory)
                return StoredFile(final, self.size, written=True)
        # The one that is held may have been renamed by a run that died before its fsync.
        fsync_directory(directory)
        return StoredFile(held, held.stat().st_size, written=False)

    def _identical(self, directory: Path, sop_uid: str) -> Path | None:
        for path in _versions(directory, sop_uid):
            if not path.exists():
                return None
            if self._same_data_set(path):
                return path
        return None

    def _same_data_set(self, path: Path) -> bool:
        """Whether the data set in `path` equals this one; meta information may differ."""
        with open(path, "rb") as other:
            offset = data_set_offset(other)
            length = os.fstat(other.fileno()).st_size - offset
            if offset == 0 or length != self.size - self.data_offset:
                return False
            other.seek(offset)
            at = self.data_offset
            while at < self.size:
                block = os.pread(self._descriptor, _COMPARE_BLOCK, at)
                if not block or other.read(len(block)) != block:
                    return False
                at += len(block)
        return True

    def discard(self) -> None:
        """Close and remove the temporary file, if it was not kept. Safe to repeat."""
        if not self._ended:
            self._close()
            with contextlib.suppress(OSError):
                self._path.unlink(missing_ok=True)

    def _close(self) -> None:
        if not self._ended:
            self._ended = True
            os.close(self._descriptor)

    def __enter__(self) -> PartFile:
        return self

    def __exit__(self, *exception: object) -> None:
        self.discard()


def _versions(directory: Path, sop_uid: str) -> Iterator[Path]:
    yield directory / f"{sop_uid}.dcm"
    for number in itertools.count(2):
        yield directory / f"{sop_uid}.{number}.dcm"


def data_set_offset(file: BinaryIO) -> int:
    """Return where the data set of a Part 10 file starts (PS3.10 7.1), or 0 if it is none."""
    file.seek(0)
    start = file.read(144)
    # Preamble, "DICM", then (0002,0000) UL of length 4: the bytes of group 2 that follow.
    if len(start) < 144 or start[128:140] != b"DICM\x02\x00\x00\x00UL\x04\x00":
        return 0
    return 144 + int.from_bytes(start[140:144], "little")


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
        try:
            _make_directory_durably(self.incoming)
            _make_directory_durably(self.instances)
        except OSError as error:
            raise _storage_error(error) from error
        self.naming = NamingLock(self.instances)

    def check_space(self) -> None:
        """Refuse by `DiskFull` when less than the reserve is free."""
        try:
            free = self._free_bytes(self.root)
        except OSError as error:
            raise _storage_error(error) from error
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
            return PartFile(self, self.incoming / f"{secrets.token_hex(8)}.part", prefix)
        except StorageError:
            raise
        except OSError as error:
            raise _storage_error(error) from error

    def directory_of(self, study_uid: str, series_uid: str) -> Path:
        """Return the folder of a series.

        Raises
        ------
        ValueError
            A UID breaks PS3.5 9.1, and so must not become a path.
        """
        if not is_valid_uid(study_uid):
            raise ValueError("Study Instance UID is not a UID by PS3.5 9.1")
        if not is_valid_uid(series_uid):
            raise ValueError("Series Instance UID is not a UID by PS3.5 9.1")
        return self.instances / study_uid / series_uid

    def sweep(self) -> int:
        """Remove what earlier runs left in ``incoming``. Call at start, before receiving.

        Returns
        -------
        int
            Files removed.
        """
        return sweep_parts(self.incoming)


def sweep_parts(folder: Path) -> int:
    """Remove temporary files that a crash left anywhere below `folder`.

    Returns
    -------
    int
        Files removed.
    """
    removed = 0
    for directory, _, names in os.walk(folder):
        for name in names:
            if name.endswith(".part"):
                Path(directory, name).unlink(missing_ok=True)
                removed += 1
    if removed:
        logger.info("parts.swept folder=%s files=%d", folder.name, removed)
    return removed


def _free_bytes(path: Path) -> int:
    status = os.statvfs(path)
    return status.f_bavail * status.f_frsize
