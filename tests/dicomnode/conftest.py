"""A database of its own for each test.

SQLite; or PostgreSQL, where ``DICOMNODE_TEST_POSTGRES`` is the URL of a database from which others
can be made: ``postgresql+psycopg://node@127.0.0.1/postgres``.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from sqlalchemy import create_engine, make_url, text

from dicomnode.store.database import Database

SERVER = os.environ.get("DICOMNODE_TEST_POSTGRES")


@pytest.fixture
def database(tmp_path):
    if SERVER is None:
        yield from _opened(f"sqlite:///{tmp_path / 'node.sqlite'}")
        return
    with _emptied(SERVER) as url:
        yield from _opened(url)


def _opened(url: str) -> Iterator[Database]:
    database = Database(url)
    database.upgrade()
    yield database
    database.close()


@contextmanager
def _emptied(server: str) -> Iterator[str]:
    name = f"test_{uuid.uuid4().hex}"
    engine = create_engine(server, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
        yield make_url(server).set(database=name).render_as_string(hide_password=False)
        connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
    engine.dispose()
