"""``dicomnode upgrade``: bring the tables to the version of this software, and back."""

from __future__ import annotations

from typing import Annotated

import typer
from sqlalchemy.exc import SQLAlchemyError

from dicomnode.commands.app import (
    DEFAULT_CONFIGURATION,
    Configuration,
    app,
    complain,
    configured,
    console,
)
from dicomnode.settings import NodeSettings
from dicomnode.store.lock import StoreInUse, StoreLock
from dicomnode.store.sqlite_copy import NotSqlite, sqlite_file
from dicomnode.store.upgrade import (
    UpgradeError,
    UpgradePlan,
    plan_upgrade,
    roll_back,
    upgrade_database,
)


@app.command()
def upgrade(
    config: Configuration = DEFAULT_CONFIGURATION,
    check: Annotated[
        bool, typer.Option("--check", help="Say what would be done. Also beside a running node.")
    ] = False,
    back: Annotated[
        bool,
        typer.Option(
            "--roll-back",
            help="Put the copy back that was made before an upgrade, for the software of then.",
        ),
    ] = False,
) -> None:
    """Run the migrations that wait, after a copy of the database was made; or say which wait.

    The node must be stopped, unless only to check. Its start does the same by itself. Exit code 0:
    done, or nothing waits. 1: --check found migrations that wait. 2: it cannot be done, and why;
    the database is as it was.
    """
    if check and back:
        raise complain("found --check and --roll-back, expected one of them at most")
    settings = configured(config)
    try:
        if not _is_there(settings):
            raise complain("no database is there; the first start of the node makes it")
        if check:
            plan = plan_upgrade(settings.store.url, settings.store.copies)
            _tell(plan, settings)
            if not plan.fits:
                raise typer.Exit(2)
            if plan.waiting:
                raise typer.Exit(1)
            return
        lock = StoreLock(settings.store.path)
        lock.acquire()
        try:
            if back:
                copy = roll_back(settings.store.url, settings.store.copies)
                _say(f"the database is as it was in {copy}")
            else:
                _upgrade(settings)
        finally:
            lock.release()
    except StoreInUse as error:
        raise complain(f"{error}: stop the node first") from None
    except UpgradeError as error:
        raise complain(str(error)) from None
    except SQLAlchemyError as error:
        raise complain(
            f"the database cannot be read ({type(error).__name__}); run this as the user that the "
            "node runs as"
        ) from None


def _upgrade(settings: NodeSettings) -> None:
    plan = plan_upgrade(settings.store.url, settings.store.copies)
    copy = upgrade_database(settings.store.url, settings.store.copies)
    if not plan.waiting:
        _say(f"the tables are of version {plan.found}, the newest")
        return
    _say(f"the tables are of version {plan.newest}, and were of version {plan.found}")
    if copy is not None:
        _say(f"a copy of the database from before: {copy}")


def _tell(plan: UpgradePlan, settings: NodeSettings) -> None:
    _say(f"tables: version {plan.found}; this software: version {plan.newest}")
    for migration in plan.waiting:
        _say(f"  {migration.revision}: {migration.changes}")
    if not plan.waiting:
        _say("nothing waits")
        return
    _say(
        f"space: {plan.free_bytes // 2**20} MB free, {plan.needed_bytes // 2**20} MB needed"
        + ("" if plan.fits else ": not enough")
    )
    if plan.size_bytes and plan.found:
        _say(f"a copy of the database would be put into {settings.store.copies}")


def _is_there(settings: NodeSettings) -> bool:
    try:
        return sqlite_file(settings.store.url).is_file()
    except NotSqlite:
        return True


def _say(words: str) -> None:
    console.print(words, markup=False, highlight=False, soft_wrap=True)
