"""What is written past SQLAlchemy's session is what the session would have written."""

from __future__ import annotations

import pytest
from sqlalchemy import insert, select
from sqlalchemy.dialects import postgresql

from dicomnode.store.database import Database
from dicomnode.store.instances import InstanceIndex, _put
from dicomnode.store.tables import Instance
from tests.dicomnode.store.test_database import CT, received


@pytest.fixture
def database(tmp_path):
    database = Database(f"sqlite:///{tmp_path / 'node.sqlite'}")
    database.upgrade()
    yield database
    database.close()


def rows(database: Database) -> dict[str, tuple]:
    with database.engine.connect() as connection:
        found = connection.exec_driver_sql("SELECT * FROM instance").all()
    return {row[0]: tuple(row) for row in found}


def test_a_row_is_bit_for_bit_what_the_session_writes(database):
    index = InstanceIndex(database, [CT])
    row = index._row(received("1.2.3.1"))
    with database.write() as session:
        session.execute(insert(Instance), row)
    by_session = rows(database)
    with database.write() as session:
        session.delete(session.get_one(Instance, "1.2.3.1"))
    database.insert(_put("sqlite"), [row])
    assert rows(database) == by_session


def test_a_group_with_a_row_that_cannot_be_written_leaves_nothing_and_the_next_goes_in(database):
    index = InstanceIndex(database, [CT])
    statement = _put("sqlite")
    good = index._row(received("1.2.3.1"))
    with pytest.raises(Exception, match="NOT NULL"):
        database.insert(statement, [good, good | {"sop_instance_uid": "1.2.3.2", "path": None}])
    assert rows(database) == {}
    database.insert(statement, [good])
    assert set(rows(database)) == {"1.2.3.1"}


def test_a_closed_database_is_opened_again(database):
    index = InstanceIndex(database, [CT])
    index.add(received("1.2.3.1"))
    database.close()
    index.add(received("1.2.3.2"))
    with database.read() as session:
        assert len(session.scalars(select(Instance)).all()) == 2


def test_it_survives_a_power_cut_as_every_other_write(database):
    InstanceIndex(database, [CT]).add(received("1.2.3.1"))
    connection = database._writer._connection
    for name, value in (("journal_mode", "wal"), ("synchronous", 2), ("foreign_keys", 1)):
        assert connection.cursor().execute(f"PRAGMA {name}").fetchone() == (value,)


def test_postgresql_takes_the_same_row_in_its_own_words():
    text = str(_put("postgresql").compile(dialect=postgresql.dialect()))
    assert "ON CONFLICT (sop_instance_uid) DO UPDATE SET" in text
    assert "received_at = excluded.received_at" in text
    assert "SET sop_instance_uid" not in text
