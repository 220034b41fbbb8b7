"""Back-pressure: bulk is held back first, then all; and all is taken again without a restart."""

from __future__ import annotations

import logging

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.uid import generate_uid

from dicomnode.receive.intake import Announced, Intake
from dicomnode.receive.pressure import Level, Pressure, Watermarks
from dicomnode.receive.refused import Refused
from dicomnode.receive.scp import StorageSCP
from dicomnode.settings import NodeSettings
from dicomnode.store.backlog import backlog
from dicomnode.store.files import FileStore
from dicomnode.store.states import InstanceState, LesionState
from dicomnode.store.tables import Instance
from tests.dicomnode.receive.loopback import (
    COMPREHENSIVE_SR,
    CT,
    EXPLICIT,
    VERIFICATION,
    MemoryIndex,
    ct,
    encode,
    send,
)

MARKS = Watermarks(
    marks_free_bytes=1000,
    nothing_free_bytes=400,
    release_bytes=50,
    marks_backlog=100,
    nothing_backlog=200,
)


class Gauge:
    """What a test says that there is."""

    def __init__(self) -> None:
        self.free, self.rows, self.now = 10_000, 0, 0.0

    def pressure(self) -> Pressure:
        return Pressure(MARKS, self._free, self._rows, lambda: self.now)

    def _free(self) -> int:
        if self.free is None:
            raise OSError
        return self.free

    def _rows(self) -> int:
        if self.rows is None:
            raise RuntimeError("no database")
        return self.rows


def levels(gauge: Gauge, pressure: Pressure, name: str, values: list[int]) -> list[Level]:
    found = []
    for value in values:
        setattr(gauge, name, value)
        gauge.now += 60
        found.append(pressure.read().level)
    return found


ALL, SOME, NONE = Level.ALL, Level.MARKS, Level.NOTHING


@pytest.mark.parametrize(
    ("name", "steps"),
    [
        (
            "free",
            [(1000, ALL), (999, SOME), (1049, SOME), (1050, ALL), (1000, ALL), (400, SOME),
             (399, NONE), (449, NONE), (450, SOME), (1049, SOME), (399, NONE), (1050, ALL)],
        ),
        (
            "rows",
            [(99, ALL), (100, SOME), (91, SOME), (89, ALL), (99, ALL), (200, NONE), (181, NONE),
             (179, SOME), (95, SOME), (10, ALL)],
        ),
    ],
)  # fmt: skip
def test_levels_begin_at_their_marks_and_end_a_little_beyond(name, steps):
    gauge = Gauge()
    values, expected = zip(*steps, strict=True)
    assert levels(gauge, gauge.pressure(), name, list(values)) == list(expected)


@settings(deadline=None, max_examples=60)
@given(st.lists(st.integers(0, 2000), min_size=1, max_size=8), st.integers(0, 2000))
def test_what_was_before_never_lets_in_more_than_the_watermarks(before, now):
    gauge = Gauge()
    pressure = gauge.pressure()
    *_, found = levels(gauge, pressure, "free", [*before, now])
    fresh = NONE if now < 400 else SOME if now < 1000 else ALL
    assert found >= fresh
    # With room to spare, the past is forgotten.
    assert levels(gauge, pressure, "free", [1050]) == [ALL]


def test_the_worse_of_disk_and_backlog_counts():
    gauge = Gauge()
    pressure = gauge.pressure()
    gauge.free, gauge.rows = 500, 250
    assert pressure.read().level is NONE
    gauge.rows, gauge.now = 0, 60
    assert pressure.read().level is SOME


def test_the_database_is_asked_every_few_seconds_and_the_disk_each_time():
    gauge = Gauge()
    pressure = gauge.pressure()
    assert pressure.read().backlog == 0
    gauge.rows, gauge.free = 150, 9999
    assert (pressure.read().backlog, pressure.read().free_bytes) == (0, 9999)
    gauge.now = 6.0
    assert pressure.read().level is SOME


def test_what_cannot_be_asked_changes_nothing():
    gauge = Gauge()
    pressure = gauge.pressure()
    gauge.free = 500
    assert pressure.read().level is SOME
    gauge.free = gauge.rows = None
    gauge.now = 60
    assert pressure.read().level is SOME
    assert (pressure.read().free_bytes, pressure.read().backlog) == (None, None)


def test_a_change_is_told_once(caplog):
    caplog.set_level(logging.INFO)
    gauge = Gauge()
    levels(gauge, gauge.pressure(), "free", [500, 500, 100, 100, 5000, 5000])
    told = [record.getMessage().split()[1] for record in caplog.records]
    assert told == ["level=marks", "level=nothing", "level=all"]
    assert [record.levelname for record in caplog.records] == ["WARNING", "WARNING", "INFO"]


# -- at the receiver


@pytest.fixture
def gauge():
    return Gauge()


@pytest.fixture
def pressed(node, gauge):
    node.scp = StorageSCP(
        node.settings, node.store, node.index, node.stored.append, pressure=gauge.pressure()
    )
    node.scp.start()
    return node


def mark() -> tuple[bytes, str, str]:
    uid = generate_uid()
    report = ct(
        SOPClassUID=COMPREHENSIVE_SR, SOPInstanceUID=uid, Modality="SR", PixelData=None,
        Rows=None, Columns=None,
    )  # fmt: skip
    return encode(report), COMPREHENSIVE_SR, uid


def test_ct_is_held_back_while_marks_are_taken_and_all_on_one_association(pressed, gauge):
    peer = pressed.associated(CT, COMPREHENSIVE_SR)
    assert send(peer, ct()) == 0x0000
    gauge.free = 900
    assert send(peer, ct()) == 0xA700
    assert peer.store(*mark(), context=3) == 0x0000
    gauge.free = 300
    assert peer.store(*mark(), context=3) == 0xA700
    assert send(peer, ct()) == 0xA700
    gauge.free = 10_000
    assert send(peer, ct()) == 0x0000
    assert peer.store(*mark(), context=3) == 0x0000
    assert len(pressed.index.received) == len(pressed.files()) == 4


def test_at_the_lowest_mark_who_would_store_is_told_of_congestion(pressed, gauge):
    gauge.free = 300
    peer = pressed.peer()
    assert peer.associate(CT, VERIFICATION) == 3
    assert tuple(peer.answer[1:]) == (2, 3, 1)
    # Who asks whether the node lives brings nothing.
    assert pressed.peer().associate(VERIFICATION) == 2
    gauge.free = 900
    assert pressed.peer().associate(CT) == 2


def test_what_is_fetched_is_held_back_as_well(tmp_path, gauge):
    stored = []
    intake = Intake(FileStore(tmp_path, 0), MemoryIndex(), stored.append, gauge.pressure())
    data_set = ct()
    announced = Announced(CT, data_set.SOPInstanceUID, EXPLICIT, "ARCHIVE", "NODE")
    gauge.free = 900
    with pytest.raises(Refused) as refused:
        intake.keep(announced, [encode(data_set)])
    assert refused.value.status == 0xA700
    gauge.free = 10_000
    intake.keep(announced, [encode(data_set)])
    assert len(stored) == 1


# -- what is counted, and where


def test_rows_that_wait_are_counted_up_to_a_limit(database):
    def instance(number: int, state: InstanceState) -> Instance:
        return Instance(
            sop_instance_uid=f"1.{number}", sop_class_uid=CT, study_instance_uid="1",
            series_instance_uid="1", transfer_syntax_uid=EXPLICIT, modality="CT", body_part="",
            study_description="", series_description="", image_type=[], calling_ae="A",
            called_ae="B", path="", size=1, state=state,
        )  # fmt: skip

    with database.write() as session:
        for number in range(5):
            session.add(instance(number, InstanceState.RECEIVED))
        done = next(state for state in InstanceState if state is not InstanceState.RECEIVED)
        session.add(instance(9, done))
    with database.engine.begin() as connection:
        for number, state in enumerate((LesionState.READY, LesionState.PUBLISHED)):
            connection.exec_driver_sql(
                "INSERT INTO lesion (mark_key, mark, source_sop_instance_uid, unsettled, state, "
                "warnings, attempts, waiting_since, changed_at) "
                f"VALUES ('k{number}', '{{}}', '1.2', 0, '{state.value}', '[]', 0, 0, 0)"
            )
    with database.read() as session:
        assert backlog(session, 100) == 6
        assert backlog(session, 3) == 4


def test_a_database_elsewhere_counts_with_its_disk(tmp_path):
    here = NodeSettings(store={"path": tmp_path / "store"})
    assert here.store.places == (tmp_path / "store",)
    url = f"sqlite:///{tmp_path / 'elsewhere' / 'node.sqlite'}"
    there = NodeSettings(store={"path": tmp_path / "store", "database_url": url})
    assert set(there.store.places) == {tmp_path / "store", tmp_path / "elsewhere"}
    server = NodeSettings(
        store={"path": tmp_path, "database_url": "sqlite://"},
    )
    assert server.store.places == (tmp_path,)
