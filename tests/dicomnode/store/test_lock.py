"""A store has one owner."""

from __future__ import annotations

import threading

import pytest

from dicomnode.store.lock import ROLES, NamingLock, Role, StoreInUse, StoreLock, running_roles


def test_a_store_has_one_owner_at_a_time(tmp_path):
    first, second = StoreLock(tmp_path / "store"), StoreLock(tmp_path / "store")
    first.acquire()
    with pytest.raises(StoreInUse, match="in use by another process"):
        second.acquire()
    first.release()
    first.release()
    second.acquire()
    second.release()


def test_each_role_has_one_owner_and_all_of_them_the_store(tmp_path):
    root = tmp_path / "store"
    receiver, worker = StoreLock(root, [Role.RECEIVER]), StoreLock(root, [Role.WORKER])
    assert not root.exists()
    receiver.acquire()
    worker.acquire()
    assert running_roles(root) == {Role.RECEIVER, Role.WORKER}
    for roles in ([Role.RECEIVER], [Role.WEB, Role.RECEIVER], ROLES):
        with pytest.raises(StoreInUse, match="its receiver runs there"):
            StoreLock(root, roles).acquire()
    # Who failed holds nothing.
    assert running_roles(root) == {Role.RECEIVER, Role.WORKER}
    worker.release()
    receiver.release()
    whole = StoreLock(root)
    whole.acquire()
    assert running_roles(root) == set(ROLES)
    whole.release()
    assert running_roles(root) == set()


def test_who_only_looks_keeps_nobody_out(tmp_path):
    """A look holds a lock for a moment, in which a part may start."""
    root = tmp_path / "store"
    stop = threading.Event()
    first = StoreLock(root)
    first.acquire()
    first.release()

    def look() -> None:
        while not stop.is_set():
            running_roles(root)

    looking = threading.Thread(target=look)
    looking.start()
    try:
        for _ in range(200):
            lock = StoreLock(root)
            lock.acquire()
            lock.release()
    finally:
        stop.set()
        looking.join()


def test_tables_are_changed_alone(tmp_path):
    root = tmp_path / "store"
    receiver, worker = StoreLock(root, [Role.RECEIVER]), StoreLock(root, [Role.WORKER])
    receiver.acquire_roles()
    worker.acquire_roles()
    assert receiver.take_alone()
    assert not worker.take_shared()
    receiver.share()
    assert worker.take_shared()
    assert not worker.take_alone()
    receiver.release()
    assert worker.take_alone()
    worker.release()


def test_a_file_is_named_by_one_at_a_time(tmp_path):
    """In whichever process: each has a lock of its own on the folder."""
    order: list[str] = []
    first, second = NamingLock(tmp_path), NamingLock(tmp_path)
    entered = threading.Event()

    def wait_for_it() -> None:
        entered.set()
        with second:
            order.append("second")

    waiting = threading.Thread(target=wait_for_it)
    with first:
        waiting.start()
        entered.wait()
        order.append("first")
    waiting.join()
    assert order == ["first", "second"]
