"""After a start: index what an earlier run kept on disk and died before indexing."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from dicomnode.faults import describe_fault
from dicomnode.receive.encoded import InvalidInstance
from dicomnode.receive.header import read_file
from dicomnode.store.files import FileStore
from dicomnode.store.received import ReceivedInstance

logger = logging.getLogger(__name__)

_PAUSE_AFTER_FAULT_S = 5.0


class ReconcilableIndex(Protocol):
    """What reconciling asks of an index."""

    def put(self, received: ReceivedInstance, instead_of: Path | None) -> bool:
        """Record the instance durably, unless another file than `instead_of` is recorded by now."""

    def held(self, sop_instance_uid: str) -> Path | None:
        """Return the file recorded for an instance, None where there is none."""

    def paths_of_series(self, series_instance_uid: str) -> set[str]:
        """Return the files recorded for a series."""


@dataclass(frozen=True)
class Reconciled:
    """What was found.

    Attributes
    ----------
    indexed : int
        Files that the index now knows.
    superseded : int
        Files whose instance the index knows under another, existing file.
    unreadable : int
        Files that are not valid instances; they are left where they are.
    """

    indexed: int
    superseded: int
    unreadable: int


class Reconciler:
    """Reconciles beside a node that listens already: nothing that was acknowledged waits for it.

    Parameters
    ----------
    store : FileStore
    index : ReconcilableIndex
    on_indexed : callable
        Given each instance that the index now knows; must be quick.
    being_deleted : callable, optional
        As of `reconcile`.
    """

    def __init__(
        self,
        store: FileStore,
        index: ReconcilableIndex,
        on_indexed: Callable[[ReceivedInstance], object],
        being_deleted: Callable[[], Collection[str]] = tuple,
    ) -> None:
        self._store = store
        self._index = index
        self._on_indexed = on_indexed
        self._being_deleted = being_deleted
        self._before = time.time()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="reconcile", daemon=True)

    def start(self) -> None:
        """Begin. What comes in from now on is not looked at."""
        self._before = time.time()
        self._thread.start()

    def stop(self) -> None:
        """End early; the next start goes on. Safe to repeat."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        while not self._stopping.is_set():
            begun = time.monotonic()
            try:
                found = reconcile(
                    self._store,
                    self._index,
                    self._on_indexed,
                    self._before,
                    self._stopping.is_set,
                    self._being_deleted,
                )
            except Exception as error:  # the disk or the database, which may come back
                logger.error("reconcile.failed %s", describe_fault(error))
                self._stopping.wait(_PAUSE_AFTER_FAULT_S)
                continue
            if not self._stopping.is_set():
                logger.info(
                    "reconcile.ended indexed=%d superseded=%d unreadable=%d seconds=%.2f",
                    found.indexed,
                    found.superseded,
                    found.unreadable,
                    time.monotonic() - begun,
                )
            return


def reconcile(
    store: FileStore,
    index: ReconcilableIndex,
    on_indexed: Callable[[ReceivedInstance], object] = lambda _: None,
    before: float = float("inf"),
    stopping: Callable[[], bool] = lambda: False,
    being_deleted: Callable[[], Collection[str]] = tuple,
) -> Reconciled:
    """Index the files of `store` that `index` does not know.

    One walk over the folders, with one query for each series; only unknown files are opened.

    Parameters
    ----------
    store : FileStore
    index : ReconcilableIndex
    on_indexed : callable, optional
        Given each instance that the index now knows.
    before : float
        In seconds since 1970. Files that were changed later are left to who is writing them.
    stopping : callable, optional
        Whether to end early.
    being_deleted : callable, optional
        Gives the paths of files that somebody is deleting, who took them out of the index before:
        they come back by no start. Asked after the index, where it does not know a file.

    Raises
    ------
    OSError
        The folders cannot be read.
    Exception
        Whatever `index` raises.
    """
    indexed = superseded = unreadable = 0
    for path in _unknown(store, index, before, being_deleted):
        if stopping():
            break
        try:
            file = read_file(path)
        except FileNotFoundError:  # it has been deleted since
            continue
        except (InvalidInstance, OSError) as error:
            unreadable += 1
            logger.error("reconcile.unreadable file=%s reason=%s", path.name, error)
            continue
        held = index.held(file.header.sop_instance_uid)
        received = ReceivedInstance(path, file.size, file.header, file.source_ae, file.receiving_ae)
        if (held is not None and held.exists()) or not index.put(received, held):
            superseded += 1
            continue
        indexed += 1
        logger.info("reconcile.indexed sop=%s", file.header.sop_instance_uid)
        on_indexed(received)
    return Reconciled(indexed, superseded, unreadable)


def _unknown(
    store: FileStore,
    index: ReconcilableIndex,
    before: float,
    being_deleted: Callable[[], Collection[str]],
) -> Iterator[Path]:
    """Files that no row names, of several versions of an instance the newest first."""
    for folder, files in _folders(os.fspath(store.instances)):
        known = index.paths_of_series(os.path.basename(folder))
        unknown = [name for name in files if name not in known and _changed_at(name) < before]
        if unknown:
            going = being_deleted()
            yield from (Path(name) for name in unknown if name not in going)


def _changed_at(name: str) -> float:
    try:
        return os.stat(name).st_mtime
    except FileNotFoundError:
        return float("inf")


def _folders(directory: str) -> Iterator[tuple[str, list[str]]]:
    """Yield the folders below that hold ``.dcm`` files, and these."""
    folders, files = [], []
    try:
        with os.scandir(directory) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    folders.append(entry.path)
                elif entry.name.endswith(".dcm"):
                    files.append(entry.path)
    except FileNotFoundError:  # its study was deleted meanwhile
        return
    if files:
        # "<uid>.dcm" is older than "<uid>.2.dcm", and that older than "<uid>.10.dcm".
        yield directory, sorted(files, key=lambda path: (len(path), path), reverse=True)
    for folder in folders:
        yield from _folders(folder)
