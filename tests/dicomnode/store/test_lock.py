"""A store has one owner."""

from __future__ import annotations

import pytest

from dicomnode.store.lock import StoreInUse, StoreLock


def test_a_store_has_one_owner_at_a_time(tmp_path):
    first, second = StoreLock(tmp_path / "store"), StoreLock(tmp_path / "store")
    first.acquire()
    with pytest.raises(StoreInUse, match="in use by another process"):
        second.acquire()
    first.release()
    first.release()
    second.acquire()
    second.release()
