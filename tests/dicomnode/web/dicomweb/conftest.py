"""A service that holds one small study."""

from __future__ import annotations

import pytest

from dicomnode.store.database import Database
from dicomnode.store.tables import Base
from tests.dicomnode.web.dicomweb.objects import small_study
from tests.dicomnode.web.dicomweb.served import Served


@pytest.fixture(scope="session")
def made():
    """A study: CT and a report."""
    return small_study("dicomweb")


@pytest.fixture
def database(tmp_path):
    """One whose tables are made at once: migrations have tests of their own."""
    database = Database(f"sqlite:///{tmp_path / 'node.sqlite'}")
    Base.metadata.create_all(database.engine)
    yield database
    database.close()


@pytest.fixture
def served(tmp_path, database, made):
    """A service that holds `made`."""
    with Served(tmp_path, database) as served:
        served.keep(*made.ct, made.report)
        yield served
