"""Backup, restore and upgrade by the command line."""

from __future__ import annotations

import alembic.command
import pytest
from typer.testing import CliRunner

from dicomnode.commands import app
from dicomnode.store.database import alembic_configuration
from dicomnode.store.lock import StoreLock
from tests.dicomnode.backup.kept import KeptStore


def run(*arguments: object):
    return CliRunner().invoke(app, [str(a) for a in arguments])


@pytest.fixture
def store(tmp_path):
    store = KeptStore(tmp_path / "store")
    store.receive("1.2.3.1")
    yield store
    store.close()


@pytest.fixture
def config(tmp_path, store):
    path = tmp_path / "node.toml"
    path.write_text(f'[store]\npath = "{store.root}"\n')
    return path


def test_a_backup_is_made_and_restored(tmp_path, config):
    assert run("backup", tmp_path / "backup", "-c", config).exit_code == 0
    over = run("restore", tmp_path / "backup", "-c", config)
    assert (over.exit_code, "not empty" in over.stderr) == (2, True)
    elsewhere = tmp_path / "elsewhere.toml"
    elsewhere.write_text(f'[store]\npath = "{tmp_path / "new"}"\n')
    done = run("restore", tmp_path / "backup", "-c", elsewhere)
    assert done.exit_code == 0
    assert "the store was" in done.stdout
    again = run("backup", tmp_path / "backup", "-c", config)
    assert again.exit_code == 2


def test_lost_files_are_told_of(tmp_path, config, store):
    store.receive("1.2.3.2").unlink()
    found = run("backup", tmp_path / "backup", "-c", config)
    assert (found.exit_code, "1 files that rows name" in found.stdout) == (1, True)


def test_an_upgrade_is_checked_done_and_needs_a_stopped_node(config, store):
    assert run("upgrade", "--check", "-c", config).exit_code == 0
    store.close()
    alembic.command.downgrade(alembic_configuration(store.url), "0008")
    waits = run("upgrade", "--check", "-c", config)
    assert waits.exit_code == 1
    assert "0009: Circuits of destinations" in waits.stdout
    lock = StoreLock(store.root)
    lock.acquire()
    running = run("upgrade", "-c", config)
    lock.release()
    assert (running.exit_code, "stop the node first" in running.stderr) == (2, True)
    done = run("upgrade", "-c", config)
    assert done.exit_code == 0
    assert "was-0008" in done.stdout
    assert run("upgrade", "--check", "-c", config).exit_code == 0


def test_nothing_is_made_where_no_node_has_run(tmp_path):
    config = tmp_path / "node.toml"
    config.write_text(f'[store]\npath = "{tmp_path / "none"}"\n')
    assert run("upgrade", "--check", "-c", config).exit_code == 2
    assert run("backup", tmp_path / "backup", "-c", config).exit_code == 2
    assert not (tmp_path / "none").exists()
