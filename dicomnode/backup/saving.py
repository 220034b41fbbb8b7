"""Save the state of a node while it runs."""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from alembic.runtime.migration import MigrationContext
from sqlalchemy import create_engine, inspect, select

from dicomnode.audit.files import HEAD, JournalLock, segments
from dicomnode.backup.manifest import (
    CONFIGURATION,
    DATABASE,
    STORE,
    Manifest,
    SavedFile,
    copy_with_digest,
    digest_of,
)
from dicomnode.store.files import StorageError
from dicomnode.store.lock import FilesLock
from dicomnode.store.sqlite_copy import DamagedDatabase, NotSqlite, copy_database, sqlite_file
from dicomnode.store.tables import Instance, Lesion, ReaderStudyCase, Result
from dicomnode.version import VERSION

_NAMED = (Instance.path, Result.path, Lesion.soft_mask_path, ReaderStudyCase.path)
"""Columns that name files."""


class NotSaved(RuntimeError):
    """No backup was made; the text says why."""


@dataclass(frozen=True)
class Saved:
    """What a backup came to.

    Attributes
    ----------
    files : int
    size : int
        Bytes.
    missing : int
        Files that rows name and that are not on disk.
    seconds : float
    """

    files: int
    size: int
    missing: int
    seconds: float


def save(url: str, root: Path, configuration: Path | None, target: Path) -> Saved:
    """Copy database, kept objects and configuration into a new folder.

    The database is copied first, as it is at one moment. A file is named by a row only once it is
    whole on disk, and none is changed after that; nothing is deleted meanwhile, for retention waits
    for the lock that is held here. So all files that the copy names are there. What comes later is
    not in the backup. The audit trail is copied after the database, so that it has what the rows
    say; nothing is appended to it meanwhile. The manifest is written last: a backup without it does
    not count.

    Parameters
    ----------
    url : str
        Of the database.
    root : Path
        The store.
    configuration : Path, optional
        The node's file.
    target : Path
        A folder that is empty, or not there; not within the store.

    Raises
    ------
    NotSaved
        What was written until then stays for somebody to look at, without a manifest.
    """
    began = time.monotonic()
    root, target = root.absolute(), target.absolute()
    if target.resolve().is_relative_to(root.resolve()):
        raise NotSaved(f"{target} lies in the store: a backup there would be lost with it")
    try:
        if target.exists() and any(target.iterdir()):
            raise NotSaved(f"{target} is not empty: name another folder")
        with FilesLock(root):
            manifest = _copy_all(url, root, configuration, target)
    except (NotSqlite, DamagedDatabase, StorageError, OSError) as error:
        raise NotSaved(f"no backup was made: {error}") from None
    except sqlite3.Error as error:
        raise NotSaved(f"the database cannot be copied ({type(error).__name__})") from None
    return Saved(len(manifest.files), manifest.size, manifest.missing, time.monotonic() - began)


def _copy_all(url: str, root: Path, configuration: Path | None, target: Path) -> Manifest:
    source = sqlite_file(url)
    if not source.is_file():
        raise NotSaved(f"{source}: no database is there; has the node run?")
    target.mkdir(parents=True, exist_ok=True, mode=0o700)
    made_at = time.time()
    database = copy_database(source, target / DATABASE)
    files = [SavedFile(DATABASE, database.stat().st_size, digest_of(database))]
    if configuration is not None:
        size, digest = copy_with_digest(configuration, target / CONFIGURATION)
        files.append(SavedFile(CONFIGURATION, size, digest))
    revision, paths = _named_files(database)
    _check_space(paths, target)
    missing = 0
    for path in paths:
        try:
            inside = path.relative_to(root)
            size, digest = copy_with_digest(path, target / STORE / inside)
        except (ValueError, FileNotFoundError):  # elsewhere, or lost: `dicomnode doctor` says
            missing += 1
        else:
            files.append(SavedFile(f"{STORE}/{inside.as_posix()}", size, digest))
    files.extend(_copy_audit(root, target))
    os.sync()  # once, for all files and their folders
    manifest = Manifest(VERSION, revision, made_at, str(root), missing, tuple(files))
    manifest.write(target)
    return manifest


def _copy_audit(root: Path, target: Path) -> Iterator[SavedFile]:
    """The journal as it is at one moment. What the collector has is not told of it: a store that
    is restored sends again rather than not at all.
    """
    folder = root / "audit"
    if not folder.is_dir():
        return
    with JournalLock(folder):
        for path in (*segments(folder), *sorted(folder.glob("torn-*")), folder / HEAD):
            inside = f"{STORE}/{path.relative_to(root).as_posix()}"
            with contextlib.suppress(FileNotFoundError):  # retention let it go, or none is there
                yield SavedFile(inside, *copy_with_digest(path, target / inside))


def _named_files(database: Path) -> tuple[str, list[Path]]:
    """Version of the tables, and what rows name, each once, in a fixed order."""
    engine = create_engine(f"sqlite:///{database}", hide_parameters=True)
    try:
        with engine.connect() as connection:
            revision = MigrationContext.configure(connection).get_current_revision()
            named: set[str] = set()
            there = set(inspect(connection).get_table_names())
            for column in _NAMED:
                if column.class_.__tablename__ not in there:  # of a version that did not have it
                    continue
                named.update(_texts(connection.scalars(select(column))))
    finally:
        engine.dispose()
    if revision is None:
        raise NotSaved("the database has no tables yet; has the node run?")
    return revision, [Path(path) for path in sorted(named)]


def _texts(found: Iterable[str | None]) -> Iterator[str]:
    return (path for path in found if path)


def _check_space(paths: Iterable[Path], target: Path) -> None:
    wanted = sum(path.stat().st_size for path in paths if path.is_file())
    free = shutil.disk_usage(target).free
    if free < wanted:
        raise NotSaved(
            f"found {free // 2**20} MB of free space in {target}, the files need "
            f"{wanted // 2**20} MB"
        )
