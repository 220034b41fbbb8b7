"""A database of its own for each test."""

from __future__ import annotations

import pytest

from dicomnode.store.database import Database


@pytest.fixture
def database(tmp_path):
    database = Database(f"sqlite:///{tmp_path / 'node.sqlite'}")
    database.upgrade()
    yield database
    database.close()
