"""The database: one engine, transactions for reading and for writing, migrations."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import alembic.command
import alembic.config
from sqlalchemy import Engine, create_engine, event, text
from sqlalchemy.engine import make_url
from sqlalchemy.orm import Session
from sqlalchemy.sql.dml import Insert

from dicomnode.store.sqlite_writer import SqliteWriter

MIGRATIONS = Path(__file__).parent / "migrations"

_POSTGRES = {
    "connect_timeout": 10,
    "application_name": "dicomnode",
    # A server that is gone without a word is noticed in a minute, not in two hours.
    "keepalives_idle": 30,
    "tcp_user_timeout": 60_000,
    "options": "-c lock_timeout=60000",
}
"""Of libpq; what the URL says besides wins."""
_ONE_WRITER = text("SELECT pg_advisory_xact_lock(4242)")


class Database:
    """Opens transactions on the node's rows.

    Parameters
    ----------
    url : str
        An SQLAlchemy URL of SQLite or PostgreSQL. SQLite is opened in WAL mode with full
        synchronisation, so that a committed transaction survives a power cut.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self.engine = _engine(url)
        sqlite = self.engine.dialect.name == "sqlite"
        self._writer = SqliteWriter(self.engine) if sqlite else None

    def upgrade(self) -> None:
        """Bring the tables to the newest version (Alembic)."""
        alembic.command.upgrade(alembic_configuration(self.url), "head")

    @contextmanager
    def read(self) -> Iterator[Session]:
        """Open a transaction that writes nothing; writers do not wait for it.

        It sees one moment: on SQLite by WAL, on PostgreSQL by its isolation.
        """
        engine = self.engine
        if engine.dialect.name == "postgresql":
            engine = engine.execution_options(
                isolation_level="REPEATABLE READ", postgresql_readonly=True
            )
        with Session(engine, expire_on_commit=False) as session:
            yield session

    @contextmanager
    def write(self) -> Iterator[Session]:
        """Open a transaction that commits at the end, or rolls back when an error leaves it.

        One writes at a time, from the first statement on: what a transaction reads is still so
        when it writes. On SQLite that is its writing lock, taken at the start; on PostgreSQL an
        advisory lock, after which each statement sees all that was committed.
        """
        options = {"sqlite_begin": "BEGIN IMMEDIATE"}
        engine = self.engine.execution_options(**options)
        with Session(engine, expire_on_commit=False) as session, session.begin():
            if self.engine.dialect.name == "postgresql":
                session.execute(_ONE_WRITER)
            yield session

    def insert(self, statement: Insert, rows: Sequence[Mapping[str, Any]]) -> None:
        """Commit rows in one transaction of their own, the shortest way there is.

        Parameters
        ----------
        statement : Insert
            The same object each time.
        rows : sequence of mapping
            Values of all columns by name.
        """
        if self._writer is not None:
            self._writer.insert(statement, rows)
            return
        with self.write() as session:
            session.connection().execute(statement, list(rows))

    def close(self) -> None:
        """Close every connection."""
        if self._writer is not None:
            self._writer.close()
        self.engine.dispose()


def alembic_configuration(url: str) -> alembic.config.Config:
    """Build the configuration that the migrations of this package run with."""
    configuration = alembic.config.Config()
    configuration.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    configuration.set_main_option("sqlalchemy.url", url.replace("%", "%%"))
    return configuration


def _engine(url: str) -> Engine:
    # Parameters hold descriptions from data sets, which errors must not quote.
    parsed = make_url(url)
    if parsed.get_backend_name() == "postgresql":
        told = {name: value for name, value in _POSTGRES.items() if name not in parsed.query}
        return create_engine(
            url, connect_args=told, pool_size=10, pool_pre_ping=True, hide_parameters=True
        )
    engine = create_engine(url, connect_args={"timeout": 60}, hide_parameters=True)

    @event.listens_for(engine, "connect")
    def prepare(connection: Any, _record: Any) -> None:
        # The driver must not begin transactions by itself: BEGIN IMMEDIATE below does.
        connection.isolation_level = None
        cursor = connection.cursor()
        cursor.execute("PRAGMA journal_mode=WAL")
        cursor.execute("PRAGMA synchronous=FULL")
        cursor.execute("PRAGMA foreign_keys=ON")
        cursor.close()

    @event.listens_for(engine, "begin")
    def begin(connection: Any) -> None:
        statement = connection.get_execution_options().get("sqlite_begin", "BEGIN")
        connection.exec_driver_sql(statement)

    return engine
