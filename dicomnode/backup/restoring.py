"""Put a backup into an empty store."""

from __future__ import annotations

import os
import shutil
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from alembic.script import ScriptDirectory

from dicomnode.audit.verify import verify
from dicomnode.backup.manifest import (
    DATABASE,
    STORE,
    BrokenBackup,
    Manifest,
    copy_with_digest,
)
from dicomnode.store.database import alembic_configuration
from dicomnode.store.files import StorageError, fsync_directory, write_durably
from dicomnode.store.lock import ROLES, StoreLock
from dicomnode.store.sqlite_copy import DamagedDatabase, NotSqlite, check_whole, sqlite_file

_MARKER = "restoring"
_MAY_BE_THERE = {"lock", *(f"lock.{role}" for role in ROLES), _MARKER}
_NAMED = (
    ("instance", "path"),
    ("result", "path"),
    ("lesion", "soft_mask_path"),
    ("reader_study_case", "path"),
)


class NotRestored(RuntimeError):
    """Nothing was restored, or not all; the text says what to do."""


@dataclass(frozen=True)
class Restored:
    """What was restored.

    Attributes
    ----------
    files : int
    size : int
        Bytes.
    moved : bool
        Whether the store lies elsewhere than before, so that rows were told.
    manifest : Manifest
    audit_breaks : tuple of str
        Where the audit trail is not as it was written; it was so when it was saved.
    """

    files: int
    size: int
    moved: bool
    manifest: Manifest
    audit_breaks: tuple[str, ...] = ()


def refuse_unfinished_restore(root: Path) -> None:
    """Keep a node from starting on half a store.

    Raises
    ------
    NotRestored
    """
    if (root / _MARKER).exists():
        raise NotRestored(
            f"{root}: a restore was not finished there: run `dicomnode restore` again, from the "
            "same backup"
        )


def restore(source: Path, url: str, root: Path) -> Restored:
    """Check a backup as a whole, and then put it into an empty store.

    A restore that was broken off leaves a marker, on which no node starts; another one from the
    same backup goes over what is there. The database comes last.

    Parameters
    ----------
    source : Path
        Folder of the backup.
    url : str
        Where the database is to be; no file must be there.
    root : Path
        The store: empty, or not there.

    Raises
    ------
    BrokenBackup
        The backup is not as it was written. Nothing was changed.
    NotRestored
    """
    source, root = source.absolute(), root.absolute()
    try:
        manifest = Manifest.read(source)
        database = sqlite_file(url)
        _check_target(manifest, source, root, database)
        problems = list(manifest.problems(source))
        if problems:
            raise BrokenBackup(
                f"{source}: of {len(manifest.files)} files {len(problems)} are not as they were "
                f"written; the first: {problems[0]}"
            )
        _check_version(manifest)
        lock = StoreLock(root)
        lock.acquire()
        try:
            _put(manifest, source, root, database)
        finally:
            lock.release()
    except (NotSqlite, DamagedDatabase, StorageError, OSError) as error:
        raise NotRestored(f"not restored: {error}") from None
    except sqlite3.Error as error:
        raise NotRestored(f"the database cannot be written ({type(error).__name__})") from None
    breaks = verify(root / "audit").breaks if (root / "audit").is_dir() else []
    return Restored(
        len(manifest.files),
        manifest.size,
        manifest.root != str(root),
        manifest,
        tuple(one.words for one in breaks),
    )


def _check_target(manifest: Manifest, source: Path, root: Path, database: Path) -> None:
    """Only an empty store, or one that a restore of the same backup has begun."""
    begun = root / _MARKER
    name = _name_of(manifest)
    if begun.exists():
        if begun.read_text() != name:
            raise NotRestored(
                f"{root}: the restore of another backup was begun there: empty the folder first"
            )
    else:
        there = sorted(p.name for p in root.iterdir()) if root.exists() else []
        strange = [name for name in there if name not in _MAY_BE_THERE]
        if strange:
            raise NotRestored(
                f"{root} is not empty (found {strange[0]!r}): nothing is restored over a store"
            )
        if database.exists():
            raise NotRestored(f"{database} is there already: nothing is restored over a database")
    if root.exists():
        free = shutil.disk_usage(root).free
        if free < manifest.size:
            raise NotRestored(
                f"found {free // 2**20} MB of free space in {root}, the backup needs "
                f"{manifest.size // 2**20} MB"
            )


def _check_version(manifest: Manifest) -> None:
    scripts = ScriptDirectory.from_config(alembic_configuration("sqlite://"))
    if manifest.revision not in {script.revision for script in scripts.walk_revisions()}:
        raise NotRestored(
            f"found a backup of version {manifest.revision} (software {manifest.software}), this "
            f"software knows {scripts.get_current_head()} and older: install that one, or a newer"
        )


def _put(manifest: Manifest, source: Path, root: Path, database: Path) -> None:
    name = _name_of(manifest)
    write_durably(root / _MARKER, lambda file: file.write(name.encode()))
    for file in manifest.files:
        if not file.path.startswith(f"{STORE}/"):
            continue
        target = root / file.path.removeprefix(f"{STORE}/")
        _, digest = copy_with_digest(source / file.path, target)
        if digest != file.sha256:
            raise NotRestored(f"{file.path} changed while it was read: look at the disk")
    part = database.with_name(f".{database.name}.restored.part")
    part.unlink(missing_ok=True)
    copy_with_digest(source / DATABASE, part)
    if manifest.root != str(root):
        _tell_of_move(part, manifest.root, str(root))
    check_whole(part)
    with open(part, "rb") as file:
        os.fsync(file.fileno())
    os.sync()  # once, for all files and their folders
    os.replace(part, database)
    fsync_directory(database.parent)
    (root / _MARKER).unlink()
    fsync_directory(root)


def _tell_of_move(database: Path, old: str, new: str) -> None:
    """Rows name files by their full path."""
    with closing(sqlite3.connect(database)) as connection, connection:
        there = {name for (name,) in connection.execute("SELECT name FROM sqlite_master")}
        for table, column in _NAMED:
            if table not in there:  # of a version that did not have it
                continue
            connection.execute(
                f"UPDATE {table} SET {column} = ? || substr({column}, ?) "
                f"WHERE substr({column}, 1, ?) = ?",
                (new, len(old) + 1, len(old) + 1, old + "/"),
            )


def _name_of(manifest: Manifest) -> str:
    return f"{manifest.made_at!r} {len(manifest.files)} {manifest.files[0].sha256}"
