"""At start: index what an earlier run kept on disk and died before indexing."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from dicomnode.receive.encoded import InvalidInstance
from dicomnode.receive.header import read_file
from dicomnode.store.files import FileStore
from dicomnode.store.received import ReceivedInstance

logger = logging.getLogger(__name__)


class ReconcilableIndex(Protocol):
    """What reconciling asks of an index."""

    def add(self, received: ReceivedInstance) -> None:
        """Record the instance durably, or raise."""

    def held(self, sop_instance_uid: str) -> Path | None:
        """Return the file recorded for an instance, None where there is none."""

    def paths(self) -> set[Path]:
        """Return all recorded files."""


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


def reconcile(
    store: FileStore,
    index: ReconcilableIndex,
    being_deleted: Callable[[], Collection[str]] = tuple,
) -> Reconciled:
    """Index the files of `store` that `index` does not know.

    One walk over the folders and one query; only unknown files are opened.

    Parameters
    ----------
    store : FileStore
    index : ReconcilableIndex
    being_deleted : callable
        Gives the paths of files that another process is deleting, which took them out of the index
        before: they come back by no start. Asked after the index.

    Raises
    ------
    OSError
        The folders cannot be read.
    Exception
        Whatever `index` raises.
    """
    known = {os.fspath(path) for path in index.paths()}
    known.update(being_deleted())
    indexed = superseded = unreadable = 0
    for name in _files(os.fspath(store.instances)):
        if name in known:
            continue
        path = Path(name)
        try:
            file = read_file(path)
        except FileNotFoundError:  # it has been deleted since
            continue
        except (InvalidInstance, OSError) as error:
            unreadable += 1
            logger.error("reconcile.unreadable file=%s reason=%s", path.name, error)
            continue
        held = index.held(file.header.sop_instance_uid)
        if held is not None and held.exists():
            superseded += 1
            continue
        index.add(ReceivedInstance(path, file.size, file.header, file.source_ae, file.receiving_ae))
        indexed += 1
        logger.info("reconcile.indexed sop=%s", file.header.sop_instance_uid)
    return Reconciled(indexed, superseded, unreadable)


def _files(directory: str) -> Iterator[str]:
    """Yield the ``.dcm`` files below, of several versions of an instance the newest first."""
    folders, files = [], []
    with os.scandir(directory) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                folders.append(entry.path)
            elif entry.name.endswith(".dcm"):
                files.append(entry.path)
    # "<uid>.dcm" is older than "<uid>.2.dcm", and that older than "<uid>.10.dcm".
    yield from sorted(files, key=lambda path: (len(path), path), reverse=True)
    for folder in folders:
        yield from _files(folder)
