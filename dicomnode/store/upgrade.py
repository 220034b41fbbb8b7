"""Bring a database to the newest version, with a copy of what it was, and back."""

from __future__ import annotations

import logging
import shutil
import sqlite3
import time
from dataclasses import dataclass
from pathlib import Path

import alembic.command
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine

from dicomnode.store.database import Database, alembic_configuration
from dicomnode.store.sqlite_copy import (
    DamagedDatabase,
    NotSqlite,
    check_whole,
    copy_database,
    put_in_place,
    sqlite_file,
)

logger = logging.getLogger(__name__)

COPIES_KEPT = 3
"""Copies of the database from before upgrades, the newest."""

_MB = 2**20


class UpgradeError(RuntimeError):
    """The database was not upgraded, or not taken back; it is as it was."""


@dataclass(frozen=True)
class Migration:
    """One step from a version of the tables to the next.

    Attributes
    ----------
    revision : str
    changes : str
        What it changes, in a sentence.
    """

    revision: str
    changes: str


@dataclass(frozen=True)
class UpgradePlan:
    """What an upgrade would do.

    Attributes
    ----------
    found : str or None
        Version of the tables; None where there are none.
    newest : str
        Version that this software works with.
    waiting : tuple of Migration
        In the order in which they run.
    size_bytes : int
        Of the database with its log; 0 where it is no file.
    free_bytes : int
        On the disk of the copy and of the database, whichever has less.
    """

    found: str | None
    newest: str
    waiting: tuple[Migration, ...]
    size_bytes: int
    free_bytes: int

    @property
    def needed_bytes(self) -> int:
        """Space for the copy, and for the log of a transaction that writes every page anew."""
        return 2 * self.size_bytes + 16 * _MB if self.waiting and self.found else 0

    @property
    def fits(self) -> bool:
        """Whether there is space."""
        return self.free_bytes >= self.needed_bytes


def plan_upgrade(url: str, copies: Path) -> UpgradePlan:
    """Say which migrations wait. Changes nothing, also beside a running node.

    Parameters
    ----------
    url : str
        Of the database, which must be there.
    copies : Path
        Folder that copies of the database would be put in; it need not be there.

    Raises
    ------
    UpgradeError
        If the database is of a version that this software does not know.
    sqlalchemy.exc.SQLAlchemyError
    """
    scripts = ScriptDirectory.from_config(alembic_configuration(url))
    newest = scripts.get_current_head()
    found = _revision(url)
    known = {script.revision for script in scripts.walk_revisions()}
    if found is not None and found not in known:
        raise UpgradeError(
            f"found a database of version {found}, this software knows {newest} and older: install "
            "the version that wrote it, or a newer one"
        )
    waiting = tuple(
        Migration(script.revision, " ".join((script.doc or "").split()))
        for script in reversed(list(scripts.iterate_revisions("head", found or "base")))
    )
    size, free = 0, _free(copies)
    try:
        file = sqlite_file(url)
    except NotSqlite:
        pass
    else:
        free = min(free, _free(file.parent))
        size = sum(_size(file.with_name(file.name + suffix)) for suffix in ("", "-wal"))
    return UpgradePlan(found, newest, waiting, size, free)


def upgrade_database(url: str, copies: Path) -> Path | None:
    """Run the migrations that wait, after a copy of the database was made.

    They are one transaction: killed at any moment, the database is the old one or the new one. What
    SQLite finds damaged after it is taken back to the copy.

    Parameters
    ----------
    url : str
        Of a database that nobody else has open; the caller holds the lock of the store.
    copies : Path
        Folder for the copy. Of those that are there, the newest `COPIES_KEPT` stay.

    Returns
    -------
    Path or None
        The copy; None where nothing waits, where there was nothing to copy, or where the database
        is no file.

    Raises
    ------
    UpgradeError
        The database is as it was.
    """
    try:
        file: Path | None = sqlite_file(url)
    except NotSqlite:
        file = None
    if file is not None and not file.exists():
        Database(url).upgrade()  # the first start
        return None
    plan = plan_upgrade(url, copies)
    if not plan.waiting:
        return None
    if not plan.fits:
        raise UpgradeError(
            f"found {plan.free_bytes // _MB} MB of free space, an upgrade of the database needs "
            f"{plan.needed_bytes // _MB} MB"
        )
    copy = None
    if file is not None and plan.found is not None:
        try:
            copy = _copy(file, copies, f"before-{plan.newest}-was-{plan.found}")
        except (OSError, sqlite3.Error, DamagedDatabase) as error:
            raise UpgradeError(
                f"the database cannot be copied, and was left as it is: {error}"
            ) from None
    try:
        alembic.command.upgrade(alembic_configuration(url), "head")
        if file is not None:
            check_whole(file)
    except Exception as error:
        # Its text can quote rows.
        fault = str(error) if isinstance(error, DamagedDatabase) else type(error).__name__
        if copy is not None and _revision(url) != plan.found:
            put_in_place(copy, file)
        raise UpgradeError(
            f"the upgrade from {plan.found} to {plan.newest} failed ({fault}); the database is as "
            "it was"
        ) from error
    _forget_old(copies)
    logger.info(
        "database.upgraded found=%s newest=%s copy=%s",
        plan.found,
        plan.newest,
        copy.name if copy else None,
    )
    return copy


def roll_back(url: str, copies: Path) -> Path:
    """Put the newest copy back that this software can work with, made before an upgrade.

    For an older software that was installed again. What was there is copied first. Objects that
    came since the upgrade are on disk, and the next start indexes them.

    Parameters
    ----------
    url : str
        Of a database that nobody else has open.
    copies : Path
        Folder of the copies.

    Returns
    -------
    Path
        The copy that was put back.

    Raises
    ------
    UpgradeError
    """
    try:
        file = sqlite_file(url)
    except NotSqlite as error:
        raise UpgradeError(str(error)) from None
    newest = ScriptDirectory.from_config(alembic_configuration(url)).get_current_head()
    fitting = sorted(copies.glob(f"before-*-was-{newest}-*.sqlite"), key=_made)
    if not fitting:
        raise UpgradeError(
            f"found no copy of version {newest} in {copies}, which this software works with"
        )
    try:
        check_whole(fitting[-1])
        if file.exists():
            _copy(file, copies, f"rolled-back-from-{_revision(url)}")
        put_in_place(fitting[-1], file)
    except (OSError, sqlite3.Error, DamagedDatabase) as error:
        raise UpgradeError(f"nothing was rolled back: {error}") from None
    logger.warning("database.rolled_back newest=%s copy=%s", newest, fitting[-1].name)
    return fitting[-1]


def _copy(file: Path, copies: Path, name: str) -> Path:
    copies.mkdir(parents=True, exist_ok=True, mode=0o700)
    moment = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    target = copies / f"{name}-{moment}.sqlite"
    number = 1
    while target.exists():  # an upgrade that failed, and was tried again at once
        number += 1
        target = copies / f"{name}-{moment}.{number}.sqlite"
    return copy_database(file, target)


def _forget_old(copies: Path) -> None:
    for copy in sorted(copies.glob("before-*.sqlite"), key=_made)[:-COPIES_KEPT]:
        copy.unlink(missing_ok=True)


def _made(copy: Path) -> float:
    return copy.stat().st_mtime


def _revision(url: str) -> str | None:
    engine = create_engine(url)
    try:
        with engine.connect() as connection:
            return MigrationContext.configure(connection).get_current_revision()
    finally:
        engine.dispose()


def _size(file: Path) -> int:
    try:
        return file.stat().st_size
    except FileNotFoundError:
        return 0


def _free(folder: Path) -> int:
    while not folder.exists():
        folder = folder.parent
    return shutil.disk_usage(folder).free
