"""One part changes the tables, while no other runs; the others wait for it, or say why not."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator

import alembic.command
import pytest

from dicomnode.parts import ownership
from dicomnode.parts.ownership import own
from dicomnode.settings import NodeSettings
from dicomnode.store.database import alembic_configuration
from dicomnode.store.lock import ROLES, Role, StoreInUse, StoreLock, running_roles
from dicomnode.store.sqlite_copy import sqlite_file
from dicomnode.store.upgrade import plan_upgrade


@pytest.fixture
def settings(tmp_path) -> Iterator[NodeSettings]:
    settings = NodeSettings(store={"path": tmp_path / "store", "reserve_mb": 0})
    yield settings
    assert running_roles(settings.store.path) == set()


def waiting(settings: NodeSettings) -> int:
    return len(plan_upgrade(settings.store.url, settings.store.copies).waiting)


def older(settings: NodeSettings) -> None:
    """Tables of a version ago."""
    settings.store.path.mkdir(parents=True)
    configuration = alembic_configuration(settings.store.url)
    alembic.command.upgrade(configuration, "head")
    alembic.command.downgrade(configuration, "-1")
    assert waiting(settings) == 1


@pytest.mark.parametrize("made", [older, lambda settings: None], ids=["older", "none"])
def test_of_parts_that_start_together_one_changes_the_tables(settings, made, monkeypatch):
    made(settings)
    upgraded = []
    upgrade = ownership.upgrade_database

    def counted(url, copies):
        if not sqlite_file(url).exists() or waiting(settings):
            upgraded.append(url)
        return upgrade(url, copies)

    monkeypatch.setattr(ownership, "upgrade_database", counted)
    locks: list[StoreLock] = []
    starting = [
        threading.Thread(target=lambda r=role: locks.append(own(settings, [r]))) for role in ROLES
    ]
    for thread in starting:
        thread.start()
    for thread in starting:
        thread.join()
    assert len(locks) == 3
    assert len(upgraded) == 1
    assert waiting(settings) == 0
    assert running_roles(settings.store.path) == set(ROLES)
    for lock in locks:
        lock.release()


def test_beside_a_part_that_runs_no_tables_are_changed(settings):
    """As after an upgrade of the software, of which one part was not told."""
    older(settings)
    old = StoreLock(settings.store.path, [Role.WORKER])
    old.acquire_roles()
    assert old.take_shared()
    with pytest.raises(StoreInUse, match="another part of the node runs: stop all parts"):
        own(settings, [Role.RECEIVER], patience_s=0.3)
    assert waiting(settings) == 1
    # Once it has ended the one that waits goes on.
    threading.Timer(0.3, old.release).start()
    own(settings, [Role.RECEIVER]).release()
    assert waiting(settings) == 0


def test_an_upgrade_by_hand_needs_the_store_alone(settings):
    part = own(settings, [Role.WEB])
    with pytest.raises(StoreInUse, match="its web runs there"):
        StoreLock(settings.store.path).acquire()
    part.release()
    by_hand = StoreLock(settings.store.path)
    by_hand.acquire()
    with pytest.raises(StoreInUse, match="its web runs there"):
        own(settings, [Role.WEB], patience_s=0.1)
    by_hand.release()


def test_a_part_that_fails_to_start_owns_nothing(settings):
    settings.store.path.mkdir(parents=True)
    with sqlite3.connect(sqlite_file(settings.store.url)) as connection:
        connection.execute("CREATE TABLE alembic_version (version_num VARCHAR(32))")
        connection.execute("INSERT INTO alembic_version VALUES ('9999')")
    connection.close()
    with pytest.raises(RuntimeError, match="of version 9999"):
        own(settings, [Role.WORKER])
