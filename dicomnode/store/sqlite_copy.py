"""Copies of an SQLite database that others may be writing to."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from contextlib import closing
from pathlib import Path

from sqlalchemy.engine import make_url

from dicomnode.store.files import fsync_directory


class NotSqlite(ValueError):
    """The database is another server's, which has its own tools for this."""


class DamagedDatabase(ValueError):
    """SQLite finds the database damaged; the text says which file."""


def sqlite_file(url: str) -> Path:
    """Path of the file behind an SQLAlchemy URL.

    Raises
    ------
    NotSqlite
        If it is none of SQLite's.
    """
    parsed = make_url(url)
    if parsed.get_backend_name() != "sqlite" or not parsed.database:
        raise NotSqlite(
            f"found a database of {parsed.get_backend_name()}, expected a file of SQLite: use the "
            "server's own tools (such as pg_dump) for it"
        )
    return Path(parsed.database).absolute()


def copy_database(source: Path, target: Path) -> Path:
    """Copy a database as it is at one moment, durably, whoever writes to it meanwhile.

    Writers do not wait: the copy is one reading transaction (SQLite's online backup, in one step).

    Parameters
    ----------
    source : Path
    target : Path
        Must not be there. A name that ends in ``.part`` holds the copy until it is whole.

    Raises
    ------
    DamagedDatabase
        If what came of it is not whole, because the source is not.
    FileExistsError
    sqlite3.Error, OSError
    """
    if target.exists():
        raise FileExistsError(f"{target} is there already")
    part = target.with_name(f".{target.name}.part")
    part.unlink(missing_ok=True)
    try:
        os.close(os.open(part, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600))
        with (
            closing(
                sqlite3.connect(f"{source.as_uri()}?mode=rw", uri=True, timeout=60)
            ) as original,
            closing(sqlite3.connect(part)) as copy,
        ):
            original.backup(copy)
            # So that the copy is one file, without a log beside it.
            copy.execute("PRAGMA journal_mode=DELETE")
        check_whole(part)
        with open(part, "rb") as file:
            os.fsync(file.fileno())
        os.rename(part, target)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    fsync_directory(target.parent)
    return target


def check_whole(file: Path) -> None:
    """Let SQLite look at every page, and at what rows refer to.

    Raises
    ------
    DamagedDatabase
    """
    try:
        with closing(sqlite3.connect(f"{file.as_uri()}?mode=ro", uri=True)) as connection:
            answers = [row[0] for row in connection.execute("PRAGMA integrity_check(1)")]
            torn = len(connection.execute("PRAGMA foreign_key_check").fetchall())
    except sqlite3.DatabaseError as error:
        raise DamagedDatabase(f"{file.name} cannot be read ({type(error).__name__})") from None
    if answers != ["ok"]:
        raise DamagedDatabase(f"{file.name}: SQLite finds it damaged")
    if torn:
        raise DamagedDatabase(f"{file.name}: {torn} rows refer to none")


def put_in_place(copy: Path, file: Path) -> None:
    """Let a copy take the place of a database that nobody has open. The copy stays.

    What SQLite kept beside the old one (``-wal``, ``-shm``) is played into that and goes first: a
    log of another database would be played into this one.

    Raises
    ------
    OSError
    """
    part = file.with_name(f".{file.name}.restored.part")
    part.unlink(missing_ok=True)
    copy_database(copy, part)
    if file.exists():
        with (
            contextlib.suppress(sqlite3.DatabaseError),
            closing(sqlite3.connect(file, timeout=60)) as old,
        ):
            old.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    for suffix in ("-wal", "-shm"):
        file.with_name(file.name + suffix).unlink(missing_ok=True)
    fsync_directory(file.parent)
    os.replace(part, file)
    fsync_directory(file.parent)
