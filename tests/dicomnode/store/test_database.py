"""Migrations and tables are the same, and rows survive what they must survive."""

from __future__ import annotations

import threading
from pathlib import Path

import alembic.command
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import inspect, select

from dicomnode.store.database import Database, alembic_configuration
from dicomnode.store.instances import InstanceIndex, paths_of
from dicomnode.store.received import InstanceHeader, ReceivedInstance
from dicomnode.store.states import InstanceState
from dicomnode.store.tables import Base, Instance

CT = "1.2.840.10008.5.1.4.1.1.2"
SR = "1.2.840.10008.5.1.4.1.1.88.34"


def received(uid: str, sop_class: str = CT, name: str = "a.dcm") -> ReceivedInstance:
    header = InstanceHeader(
        sop_class_uid=sop_class,
        sop_instance_uid=uid,
        study_instance_uid="1.2",
        series_instance_uid="1.2.3",
        transfer_syntax_uid="1.2.840.10008.1.2.1",
        modality="CT",
        image_type=("ORIGINAL", "PRIMARY"),
        image_position=(1.0, 2.0, 3.0),
    )
    return ReceivedInstance(Path("/store") / name, 10, header, "CALLER", "NODE")


def test_migrations_give_the_tables_that_the_code_has(database):
    with database.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, Base.metadata) == []


def test_migrations_can_be_taken_back(database):
    alembic.command.downgrade(alembic_configuration(database.url), "base")
    assert set(inspect(database.engine).get_table_names()) <= {"alembic_version"}
    database.upgrade()


def test_sqlite_is_opened_durably(tmp_path):
    database = Database(f"sqlite:///{tmp_path / 'node.sqlite'}")
    with database.read() as session:
        connection = session.connection()
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == 2
        assert connection.exec_driver_sql("PRAGMA foreign_keys").scalar() == 1


def test_images_are_held_and_other_objects_examined(database):
    index = InstanceIndex(database, [CT])
    index.add(received("1.2.3.1"))
    index.add(received("1.2.3.2", SR))
    with database.read() as session:
        states = dict(session.execute(select(Instance.sop_instance_uid, Instance.state)).all())
        image = session.get_one(Instance, "1.2.3.1")
    assert states == {"1.2.3.1": InstanceState.HELD, "1.2.3.2": InstanceState.RECEIVED}
    assert image.image_position == [1.0, 2.0, 3.0]
    assert image.calling_ae == "CALLER"


def test_a_second_version_takes_the_place_of_the_first(database):
    index = InstanceIndex(database, [CT])
    index.add(received("1.2.3.1"))
    index.add(received("1.2.3.1", name="b.dcm"))
    assert index.held("1.2.3.1") == Path("/store/b.dcm")
    assert index.held("1.2.3.9") is None


def test_paths_come_in_the_order_asked_for(database):
    index = InstanceIndex(database, [CT])
    for i in range(3):
        index.add(received(f"1.2.3.{i}", name=f"{i}.dcm"))
    with database.read() as session:
        assert [p.name for p in paths_of(session, ["1.2.3.2", "1.2.3.0"])] == ["2.dcm", "0.dcm"]
        with pytest.raises(KeyError):
            paths_of(session, ["1.2.3.0", "1.2.3.7"])


def test_writers_wait_for_each_other(database):
    index = InstanceIndex(database, [CT])

    def add(start: int) -> None:
        for i in range(start, start + 25):
            index.add(received(f"1.2.3.{i}"))

    threads = [threading.Thread(target=add, args=(n * 25,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with database.read() as session:
        assert len(session.scalars(select(Instance.sop_instance_uid)).all()) == 100


def test_an_error_rolls_everything_back(database):
    index = InstanceIndex(database, [CT])
    index.add(received("1.2.3.1"))

    def spoil() -> None:
        with database.write() as session:
            session.get_one(Instance, "1.2.3.1").modality = "spoilt"
            session.flush()
            raise RuntimeError("on purpose")

    with pytest.raises(RuntimeError):
        spoil()
    with database.read() as session:
        assert session.get_one(Instance, "1.2.3.1").modality == "CT"


def test_a_file_takes_a_place_only_where_it_is_still_as_it_was_found(database):
    index = InstanceIndex(database, [])
    first = received("1.2.3.9")
    other, third = (received("1.2.3.9", name=n) for n in ("b", "c"))
    uid, series = first.header.sop_instance_uid, first.header.series_instance_uid
    assert index.put(first, None)
    assert not index.put(other, None)
    assert not index.put(other, third.path)
    assert index.held(uid) == first.path
    assert index.put(other, first.path)
    assert index.held(uid) == other.path
    assert index.paths_of_series(series) == {str(other.path)}
    assert index.paths_of_series(uid) == set()
