"""Writes rows to SQLite by the driver itself, on a connection that is kept.

SQLite takes a tenth of a millisecond to insert a row, SQLAlchemy's session, unit of work and
pool take ten times that: too much for what happens with each slice of a CT. The statement and the
types of its values are SQLAlchemy's all the same.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any

from sqlalchemy import Column, Dialect, Engine
from sqlalchemy.engine.interfaces import Compiled
from sqlalchemy.pool import PoolProxiedConnection
from sqlalchemy.sql.dml import Insert


class PreparedInsert:
    """A statement that inserts a whole row of a table, as the driver takes it.

    Parameters
    ----------
    statement : Insert
    engine : Engine
        Of SQLite.
    """

    def __init__(self, statement: Insert, engine: Engine) -> None:
        columns = statement.table.columns
        compiled: Compiled = statement.compile(engine, column_keys=columns.keys())
        self.text = str(compiled)
        self._columns = tuple(
            (name, _converter(columns[name], engine.dialect)) for name in compiled.positiontup
        )

    def values(self, row: Mapping[str, Any]) -> list[Any]:
        """Give the values of a row, by column name, in the statement's order and form."""
        return [
            row[name] if convert is None else convert(row[name]) for name, convert in self._columns
        ]


def _converter(column: Column[Any], dialect: Dialect) -> Callable[[Any], Any] | None:
    """What makes a value of a column the driver's; None where it is already.

    JSON and states of a slice are mostly those of the slice before, so what came of them is kept;
    of values that are equal, as 0.0 and -0.0 are, the form of the first is.
    """
    convert = column.type.dialect_impl(dialect).bind_processor(dialect)
    return None if convert is None else lru_cache(maxsize=256)(convert)


class SqliteWriter:
    """Commits rows, one transaction for those that come together. Safe to use from threads.

    Parameters
    ----------
    engine : Engine
        Of SQLite; prepares connections.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._lock = threading.Lock()
        self._connection: PoolProxiedConnection | None = None
        self._prepared: dict[Insert, PreparedInsert] = {}

    def insert(self, statement: Insert, rows: Sequence[Mapping[str, Any]]) -> None:
        """Commit rows; where one of them cannot be inserted, none is.

        Parameters
        ----------
        statement : Insert
            The same object each time: it is compiled once.
        rows : sequence of mapping
            Values of all columns by name, lists as tuples.
        """
        with self._lock:
            prepared = self._prepared.get(statement)
            if prepared is None:
                prepared = self._prepared[statement] = PreparedInsert(statement, self._engine)
            values = [prepared.values(row) for row in rows]
            driver = self._driver()
            try:
                # The lock at the start, as `Database.write` takes it.
                driver.execute("BEGIN IMMEDIATE")
                driver.executemany(prepared.text, values)
                driver.execute("COMMIT")
            except BaseException:
                # Closing rolls back, whatever state the connection is in.
                self._close()
                raise

    def close(self) -> None:
        """Close the connection; the next `insert` opens another."""
        with self._lock:
            self._close()

    def _driver(self) -> sqlite3.Connection:
        if self._connection is None:
            self._connection = self._engine.raw_connection()
            # Not one of the pool's any more: it keeps none of those waiting that read.
            self._connection.detach()
        return self._connection.dbapi_connection

    def _close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()
