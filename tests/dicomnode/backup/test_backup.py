"""What is saved comes back whole, into an empty store; what is broken does not come back at all."""

from __future__ import annotations

import json
import os
import threading
from pathlib import Path

import pytest
from sqlalchemy import select

from dicomnode.backup import (
    BrokenBackup,
    Manifest,
    NotRestored,
    NotSaved,
    refuse_unfinished_restore,
    restore,
    restoring,
    save,
    saving,
)
from dicomnode.store.database import Database
from dicomnode.store.lock import FilesLock, StoreLock
from dicomnode.store.tables import Instance, Lesion, Result
from tests.dicomnode.backup.kept import KeptStore
from tests.dicomnode.killed import kill_me, killed_in


@pytest.fixture
def store(tmp_path):
    store = KeptStore(tmp_path / "store")
    yield store
    store.close()


@pytest.fixture
def configuration(tmp_path):
    path = tmp_path / "node.toml"
    path.write_text('log_level = "INFO"\n')
    return path


def files(root: Path) -> dict[str, bytes]:
    """Everything that rows name, by its place below the store."""
    database = Database(f"sqlite:///{root / 'node.sqlite'}")
    try:
        with database.read() as session:
            named = [
                path
                for column in (Instance.path, Result.path, Lesion.soft_mask_path)
                for path in session.scalars(select(column))
            ]
    finally:
        database.close()
    return {Path(path).relative_to(root).as_posix(): Path(path).read_bytes() for path in named}


def url(root: Path) -> str:
    return f"sqlite:///{root / 'node.sqlite'}"


def test_what_is_saved_comes_back_also_to_another_place(store, configuration, tmp_path):
    store.receive("1.2.3.1")
    store.receive("1.2.3.2", b"another")
    store.make("1.2.3.9")
    saved = save(store.url, store.root, configuration, tmp_path / "backup")
    assert (saved.files, saved.missing) == (6, 0)
    assert (tmp_path / "backup/node.toml").read_text() == configuration.read_text()
    moved = tmp_path / "moved"
    assert restore(tmp_path / "backup", url(moved), moved).moved
    assert files(moved) == files(store.root)
    assert len(files(moved)) == 4
    refuse_unfinished_restore(moved)


def test_nobody_else_can_read_a_backup(store, configuration, tmp_path):
    store.receive("1.2.3.1")
    save(store.url, store.root, configuration, tmp_path / "backup")
    assert (tmp_path / "backup").stat().st_mode & 0o077 == 0
    kept = [tmp_path / "backup/node.sqlite", tmp_path / "backup/node.toml"]
    for path in [*kept, *(tmp_path / "backup").rglob("*.dcm")]:
        assert path.stat().st_mode & 0o077 == 0, path


def test_what_is_saved_while_the_node_receives_is_of_one_moment(store, tmp_path):
    enough, done = threading.Event(), threading.Event()

    def receive() -> None:
        number = 0
        while not done.is_set():
            number += 1
            store.receive(f"1.2.3.{number}", os.urandom(20_000))
            if number == 20:
                enough.set()

    sender = threading.Thread(target=receive)
    sender.start()
    try:
        enough.wait(60)
        save(store.url, store.root, None, tmp_path / "backup")
    finally:
        done.set()
        sender.join()
    restore(tmp_path / "backup", url(tmp_path / "back"), tmp_path / "back")
    kept = files(tmp_path / "back")
    assert len(kept) >= 20
    assert kept.items() <= files(store.root).items()


def test_files_that_are_lost_are_counted_and_the_rest_is_saved(store, tmp_path):
    store.receive("1.2.3.1")
    store.receive("1.2.3.2").unlink()
    assert save(store.url, store.root, None, tmp_path / "backup").missing == 1
    restored = restore(tmp_path / "backup", url(tmp_path / "back"), tmp_path / "back")
    assert restored.manifest.missing == 1


def test_a_backup_is_made_beside_a_running_node_but_not_while_files_are_deleted(store, tmp_path):
    store.receive("1.2.3.1")
    lock = StoreLock(store.root)
    lock.acquire()
    save(store.url, store.root, None, tmp_path / "one")
    lock.release()
    with FilesLock(store.root), pytest.raises(NotSaved, match="copies or deletes"):
        save(store.url, store.root, None, tmp_path / "two")


@pytest.mark.parametrize("where", ["full", "store/backup"])
def test_a_backup_goes_to_an_empty_folder_outside_the_store(store, tmp_path, where):
    (tmp_path / "full").mkdir()
    (tmp_path / "full/file").touch()
    with pytest.raises(NotSaved, match=r"not empty|lies in the store"):
        save(store.url, store.root, None, tmp_path / where)


def test_a_database_of_another_server_is_not_saved(tmp_path):
    (tmp_path / "store").mkdir()
    with pytest.raises(NotSaved, match="pg_dump"):
        save("postgresql://host/name", tmp_path / "store", None, tmp_path / "backup")


def _cut(backup: Path) -> None:
    file = next((backup / "store").rglob("*.dcm"))
    file.write_bytes(file.read_bytes()[:-1])


def _flip(backup: Path) -> None:
    file = next((backup / "store").rglob("*.dcm"))
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)


def _lose(backup: Path) -> None:
    next((backup / "store").rglob("*.dcm")).unlink()


def _lose_the_manifest(backup: Path) -> None:
    (backup / "manifest.json").unlink()


def _change_the_manifest(backup: Path) -> None:
    manifest = backup / "manifest.json"
    content = json.loads(manifest.read_text())
    content["files"] = content["files"][:-1]
    manifest.write_text(json.dumps(content))


def _half_the_manifest(backup: Path) -> None:
    manifest = backup / "manifest.json"
    manifest.write_text(manifest.read_text()[:100])


@pytest.mark.parametrize(
    "spoil",
    [_cut, _flip, _lose, _lose_the_manifest, _change_the_manifest, _half_the_manifest],
)
def test_a_broken_backup_changes_nothing(store, tmp_path, spoil):
    store.receive("1.2.3.1")
    save(store.url, store.root, None, tmp_path / "backup")
    spoil(tmp_path / "backup")
    with pytest.raises(BrokenBackup):
        restore(tmp_path / "backup", url(tmp_path / "back"), tmp_path / "back")
    assert not (tmp_path / "back").exists()


def test_no_path_of_a_manifest_leads_out_of_the_store(store, tmp_path):
    store.receive("1.2.3.1")
    save(store.url, store.root, None, tmp_path / "backup")
    manifest = Manifest.read(tmp_path / "backup")
    with pytest.raises(BrokenBackup, match="below the backup"):
        type(manifest.files[0])("store/../../etc/passwd", 1, "00")


def test_nothing_is_restored_over_a_store(store, tmp_path):
    store.receive("1.2.3.1")
    save(store.url, store.root, None, tmp_path / "backup")
    before = files(store.root)
    with pytest.raises(NotRestored, match="not empty"):
        restore(tmp_path / "backup", store.url, store.root)
    assert files(store.root) == before
    # Also where the database lies elsewhere.
    (tmp_path / "empty").mkdir()
    with pytest.raises(NotRestored, match="over a database"):
        restore(tmp_path / "backup", store.url, tmp_path / "empty")


def test_a_backup_of_newer_software_is_not_restored(store, tmp_path):
    store.receive("1.2.3.1")
    save(store.url, store.root, None, tmp_path / "backup")
    manifest = Manifest.read(tmp_path / "backup")
    newer = Manifest(**{**vars(manifest), "revision": "9999"})
    newer.write(tmp_path / "backup")
    with pytest.raises(NotRestored, match="9999"):
        restore(tmp_path / "backup", url(tmp_path / "back"), tmp_path / "back")


def killed_at_the_third_file(module, work) -> None:
    copy, calls = module.copy_with_digest, []

    def killed(source: Path, target: Path):
        calls.append(target)
        if len(calls) == 3:
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(source.read_bytes()[:5])
            kill_me()
        return copy(source, target)

    def do() -> None:
        module.copy_with_digest = killed
        work()

    killed_in(do)


def test_a_backup_that_was_killed_does_not_count_and_hurts_nobody(store, tmp_path):
    for number in range(5):
        store.receive(f"1.2.3.{number}")
    target, back = tmp_path / "backup", tmp_path / "back"
    killed_at_the_third_file(saving, lambda: save(store.url, store.root, None, target))
    with pytest.raises(BrokenBackup, match="not finished"):
        restore(target, url(back), back)
    with pytest.raises(NotSaved, match="not empty"):
        save(store.url, store.root, None, target)
    assert save(store.url, store.root, None, tmp_path / "again").missing == 0


def test_a_restore_that_was_killed_keeps_the_node_from_starting_until_it_is_done(store, tmp_path):
    for number in range(5):
        store.receive(f"1.2.3.{number}")
    backup, back = tmp_path / "backup", tmp_path / "back"
    save(store.url, store.root, None, backup)
    killed_at_the_third_file(restoring, lambda: restore(backup, url(back), back))
    with pytest.raises(NotRestored, match="not finished"):
        refuse_unfinished_restore(back)
    store.receive("1.2.3.77")
    save(store.url, store.root, None, tmp_path / "other")
    with pytest.raises(NotRestored, match="another backup"):
        restore(tmp_path / "other", url(back), back)
    restore(backup, url(back), back)
    refuse_unfinished_restore(back)
    assert len(files(back)) == 5
