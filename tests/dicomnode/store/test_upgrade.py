"""An upgrade is whole or not at all, and there is a way back."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing

import alembic.command
import alembic.op
import pytest

from dicomnode.store import upgrade as upgrading
from dicomnode.store.database import Database, alembic_configuration
from dicomnode.store.upgrade import (
    COPIES_KEPT,
    UpgradeError,
    plan_upgrade,
    roll_back,
    upgrade_database,
)
from tests.dicomnode.killed import kill_me, killed_in

OLD = "0005"


@pytest.fixture
def old(tmp_path):
    """A database of an older version with a row; its URL."""
    database = Database(f"sqlite:///{tmp_path / 'node.sqlite'}")
    database.upgrade()
    database.close()
    alembic.command.downgrade(alembic_configuration(database.url), OLD)
    with closing(sqlite3.connect(tmp_path / "node.sqlite")) as connection, connection:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("INSERT INTO probe VALUES ('pacs', 'there', 1.0, NULL, 'a row')")
    return database.url


def content(folder) -> list[str]:
    """Tables and rows."""
    with closing(sqlite3.connect(folder / "node.sqlite")) as connection:
        return list(connection.iterdump())


def test_the_plan_says_which_migrations_wait_and_what_they_change(old, tmp_path):
    before = content(tmp_path)
    plan = plan_upgrade(old, tmp_path / "copies")
    assert (plan.found, plan.waiting[0].revision) == (OLD, "0006")
    assert plan.waiting[-1].revision == plan.newest
    assert all(migration.changes for migration in plan.waiting)
    assert plan.needed_bytes > 2 * (tmp_path / "node.sqlite").stat().st_size
    assert content(tmp_path) == before
    assert not (tmp_path / "copies").exists()


def test_an_upgrade_leaves_a_copy_of_what_was(old, tmp_path):
    before = content(tmp_path)
    copy = upgrade_database(old, tmp_path / "copies")
    assert not plan_upgrade(old, tmp_path / "copies").waiting
    assert "a row" in str(content(tmp_path))
    with closing(sqlite3.connect(copy)) as connection:
        assert list(connection.iterdump()) == before
    assert copy.stat().st_mode & 0o077 == 0
    assert upgrade_database(old, tmp_path / "copies") is None  # nothing waits any more


def test_an_upgrade_that_fails_leaves_all_as_it_was(old, tmp_path, monkeypatch):
    before = content(tmp_path)

    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("on purpose")

    # The last migrations create tables; those before have done their work by then.
    create, made = alembic.op.create_table, []
    monkeypatch.setattr(
        alembic.op,
        "create_table",
        lambda name, *columns, **more: (
            broken() if name == "alert" else made.append(create(name, *columns, **more))
        ),
    )
    with pytest.raises(UpgradeError, match=f"from {OLD} to .* is as it was"):
        upgrade_database(old, tmp_path / "copies")
    assert made
    assert content(tmp_path) == before


def test_what_is_damaged_after_an_upgrade_is_taken_back(old, tmp_path, monkeypatch):
    before = content(tmp_path)
    check, looked = upgrading.check_whole, []

    def damaged(file):
        looked.append(file)
        raise upgrading.DamagedDatabase(f"{file.name}: SQLite finds it damaged")

    monkeypatch.setattr(upgrading, "check_whole", damaged)
    with pytest.raises(UpgradeError, match="finds it damaged"):
        upgrade_database(old, tmp_path / "copies")
    assert looked
    check(tmp_path / "node.sqlite")
    assert content(tmp_path) == before


def test_without_space_nothing_is_begun(old, tmp_path, monkeypatch):
    monkeypatch.setattr(upgrading, "_free", lambda _: 0)
    with pytest.raises(UpgradeError, match="0 MB of free space"):
        upgrade_database(old, tmp_path / "copies")
    assert plan_upgrade(old, tmp_path / "copies").found == OLD


def test_a_database_of_newer_software_is_left_alone(old, tmp_path):
    with closing(sqlite3.connect(tmp_path / "node.sqlite")) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    for what in (plan_upgrade, upgrade_database):
        with pytest.raises(UpgradeError, match="9999"):
            what(old, tmp_path / "copies")


def test_the_newest_copies_stay(old, tmp_path):
    copies = tmp_path / "copies"
    copies.mkdir()
    for number in range(5):
        (copies / f"before-{number}.sqlite").touch()
        os.utime(copies / f"before-{number}.sqlite", (number, number))
    copy = upgrade_database(old, copies)
    assert copy in copies.iterdir()
    assert len(list(copies.iterdir())) == COPIES_KEPT


def test_the_way_back_is_the_copy_that_older_software_knows(old, tmp_path, monkeypatch):
    before = content(tmp_path)
    upgrade_database(old, tmp_path / "copies")
    with pytest.raises(UpgradeError, match="found no copy of version"):
        roll_back(old, tmp_path / "copies")  # this software is not older
    after = content(tmp_path)
    monkeypatch.setattr("alembic.script.ScriptDirectory.get_current_head", lambda *_: OLD)
    roll_back(old, tmp_path / "copies")
    assert content(tmp_path) == before
    aside = next((tmp_path / "copies").glob("rolled-back-*.sqlite"))
    with closing(sqlite3.connect(aside)) as connection:
        assert list(connection.iterdump()) == after


@pytest.mark.parametrize("table", ["refusal_report", "purge"])
def test_an_upgrade_that_is_killed_leaves_all_as_it_was(old, tmp_path, table):
    before = content(tmp_path)
    create = alembic.op.create_table

    def killed(name, *columns, **more):
        made = create(name, *columns, **more)
        if name == table:
            kill_me()
        return made

    def work() -> None:
        alembic.op.create_table = killed
        upgrade_database(old, tmp_path / "copies")

    killed_in(work)
    assert content(tmp_path) == before
    upgrade_database(old, tmp_path / "copies")
    assert not plan_upgrade(old, tmp_path / "copies").waiting
