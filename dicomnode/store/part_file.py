"""An instance on its way in, under a temporary name."""

from __future__ import annotations

import contextlib
import itertools
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from dicomnode.store.durable import DurableFolders, StorageError, fsync_directory, storage_error
from dicomnode.store.lock import NamingLock
from dicomnode.store.uid import is_valid_uid

_CHECK_SPACE_EVERY = 16 * 2**20
_COMPARE_BLOCK = 2**20
_FLAGS = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC


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


@dataclass(frozen=True)
class Keeping:
    """Where files are kept.

    Attributes
    ----------
    folders : DurableFolders
        Of the instances: one a study, within it one a series.
    naming : NamingLock
        Held while a name is chosen and taken.
    check_space : callable
        Raises `DiskFull` when too little is left.
    """

    folders: DurableFolders
    naming: NamingLock
    check_space: Callable[[], None]


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

    def __init__(self, keeping: Keeping, path: str, prefix: bytes) -> None:
        self._keeping = keeping
        self._path = path
        self._descriptor = os.open(path, _FLAGS, 0o640)
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
        try:
            written = os.write(self._descriptor, data)
            self.size += written
            while written < len(data):
                data = memoryview(data)[written:]
                written = os.write(self._descriptor, data)
                self.size += written
        except OSError as error:
            raise storage_error(error) from error
        if self.size >= self._check_space_at:
            self._check_space_at = self.size + _CHECK_SPACE_EVERY
            self._keeping.check_space()

    def keep(self, study_uid: str, series_uid: str, sop_uid: str) -> StoredFile:
        """Make the file durable under its final name.

        A byte-identical data set that is already kept under the same UIDs is recognised and not
        stored a second time; a different one gets the next free name (``<sop uid>.2.dcm``).

        Raises
        ------
        ValueError
            A UID breaks PS3.5 9.1, and so must not become a path.
        StorageError
            The file system refused; the temporary file is gone.
        """
        try:
            for name, uid in (("Study", study_uid), ("Series", series_uid), ("SOP", sop_uid)):
                if not is_valid_uid(uid):
                    raise ValueError(f"{name} Instance UID is not a UID by PS3.5 9.1")
            try:
                return self._keep(study_uid, series_uid, sop_uid)
            except FileNotFoundError:
                # The folders went meanwhile, with all that was in them.
                self._keeping.folders.forget(study_uid, series_uid)
                return self._keep(study_uid, series_uid, sop_uid)
        except StorageError:
            raise
        except OSError as error:
            raise storage_error(error) from error
        finally:
            self.discard()

    def _keep(self, study_uid: str, series_uid: str, sop_uid: str) -> StoredFile:
        folder = self._keeping.folders.need(study_uid, series_uid)
        # Most instances are new: the fsync, which dominates, stays outside the lock.
        held, _ = self._place(folder, sop_uid)
        if held is None:
            os.fsync(self._descriptor)
            with self._keeping.naming:
                # Another association may have kept the same instance meanwhile.
                held, name = self._place(folder, sop_uid)
                if held is None:
                    os.rename(self._path, f"{folder}/{name}")
            if held is None:
                self._close()
                fsync_directory(folder)
                return StoredFile(folder / name, self.size, written=True)
        # The one that is held may have been renamed by a run that died before its fsync.
        fsync_directory(folder)
        path = folder / held
        return StoredFile(path, path.stat().st_size, written=False)

    def _place(self, folder: Path, sop_uid: str) -> tuple[str | None, str]:
        """The name of the file that has the same data set, if there is one; and the first free."""
        for name in _names(sop_uid):
            path = f"{folder}/{name}"
            if not os.access(path, os.F_OK):
                return None, name
            if self._same_data_set(path):
                return name, ""
        raise AssertionError("names never end")

    def _same_data_set(self, path: str) -> bool:
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
                os.unlink(self._path)

    def _close(self) -> None:
        if not self._ended:
            self._ended = True
            os.close(self._descriptor)

    def __enter__(self) -> PartFile:
        return self

    def __exit__(self, *exception: object) -> None:
        self.discard()


def _names(sop_uid: str) -> Iterator[str]:
    yield f"{sop_uid}.dcm"
    for number in itertools.count(2):
        yield f"{sop_uid}.{number}.dcm"


def data_set_offset(file: BinaryIO) -> int:
    """Return where the data set of a Part 10 file starts (PS3.10 7.1), or 0 if it is none."""
    file.seek(0)
    start = file.read(144)
    # Preamble, "DICM", then (0002,0000) UL of length 4: the bytes of group 2 that follow.
    if len(start) < 144 or start[128:140] != b"DICM\x02\x00\x00\x00UL\x04\x00":
        return 0
    return 144 + int.from_bytes(start[140:144], "little")
