"""The collector decides each lesion on its own, gives up in time, and starts again when asked."""

from __future__ import annotations

import time

import pytest
from pydicom.dataset import Dataset
from sqlalchemy import select

from dicomnode.collect import collector as collecting
from dicomnode.collect.collector import Collector
from dicomnode.demo.ct_series import CtSeriesDescription, ct_series
from dicomnode.demo.recist_sr import Coordinates, DrawnMark, recist_report
from dicomnode.receive.folder import find_instances
from dicomnode.receive.sop_classes import CT_CLASSES
from dicomnode.routing import Rule
from dicomnode.settings import CollectSettings
from dicomnode.store.instances import InstanceIndex
from dicomnode.store.received import ReceivedInstance
from dicomnode.store.states import LesionState
from dicomnode.store.tables import Finding, Lesion
from dicomnode.timing import CallScheduler
from tests.dicomnode.studies import save, study


@pytest.fixture
def collect(database, tmp_path):
    """Store objects from a folder, and look at everything."""
    scheduler = CallScheduler()
    collector = Collector(
        database,
        scheduler,
        CollectSettings(quiet_period_s=1e-6, patience_h=1.0),
        [Rule(name="all")],
        lambda: None,
    )
    index = InstanceIndex(database, CT_CLASSES)

    def collect(objects) -> Collector:
        folder = tmp_path / f"objects {time.monotonic_ns()}"
        save(objects, folder)
        for finding in find_instances(folder):
            index.add(finding.received)
        collector.collect_all()
        return collector

    return collect


def lesions(database) -> list[Lesion]:
    with database.read() as session:
        return list(session.scalars(select(Lesion).order_by(Lesion.id)))


def test_a_mark_that_has_waited_too_long_is_refused_and_starts_again_when_sent_again(
    database, collect
):
    made = study("patience")
    collector = collect([made.report])
    with database.write() as session:
        session.scalars(select(Lesion)).one().waiting_since -= 3700
    collector.expire()
    (lesion,) = lesions(database)
    assert lesion.state is LesionState.REFUSED
    assert lesion.reason.startswith("waited 1 h: the image")
    collect([made.report])
    (lesion,) = lesions(database)
    assert lesion.state is LesionState.WAITING
    collector.expire()
    assert lesions(database)[0].state is LesionState.WAITING


def test_a_lesion_that_cannot_be_joined_stops_no_other(database, collect, monkeypatch):
    broken, sound = study("broken"), study("sound")
    true_place = collecting.join

    def place(session, lesion, *rest):
        if lesion.source_sop_instance_uid == broken.report.SOPInstanceUID:
            raise ZeroDivisionError("Somebody^Named")
        return true_place(session, lesion, *rest)

    monkeypatch.setattr(collecting, "join", place)
    collect([*broken.ct, broken.report, *sound.ct, sound.report])
    found = {lesion.source_sop_instance_uid: lesion for lesion in lesions(database)}
    assert found[sound.report.SOPInstanceUID].state is LesionState.READY
    refused = found[broken.report.SOPInstanceUID]
    assert refused.state is LesionState.REFUSED
    assert "ZeroDivisionError" in refused.reason
    assert "Somebody" not in refused.reason


def test_an_object_that_cannot_be_read_stops_no_other(database, collect):
    spoilt, sound = study("spoilt"), study("sound")
    spoilt.report.ContentSequence[0].ValueType = "NONSENSE"
    collect([spoilt.report, *sound.ct, sound.report])
    states = {lesion.source_sop_instance_uid: lesion.state for lesion in lesions(database)}
    assert states[sound.report.SOPInstanceUID] is LesionState.READY


def test_uneven_slices_may_only_lack_some_and_wait_for_them(database, collect):
    made = study("uneven")
    for image in made.ct:
        image.InstanceNumber = None
    collect([*(made.ct[i] for i in (5, 8, 12, 14, 19)), made.report])
    (lesion,) = lesions(database)
    assert lesion.state is LesionState.WAITING
    assert "slice gaps differ" in lesion.reason
    collect(made.ct)
    assert lesions(database)[0].state is LesionState.READY


def test_many_marks_on_one_series_are_joined_in_one_pass(database, collect):
    centres = [(10 + i % 3, 20 + 6 * (i // 3), 20 + 8 * (i % 3)) for i in range(9)]
    made = study("many", centres=centres, diameter_mm=4.0)
    collect([*made.ct, made.report])
    assert [lesion.state for lesion in lesions(database)] == [LesionState.READY] * 9


def test_a_mark_in_space_finds_its_slice_past_one_that_cannot_be_placed(database, collect):
    made = study("space")
    drawn = [DrawnMark(made.axes[0], "lesion")]
    report = recist_report(drawn, made.ct, "space", coordinates=Coordinates.SPACE)
    stray = ct_series(
        made.volume[:1],
        CtSeriesDescription(seed="space", series_number=9),
        {0: {"ImageOrientationPatient": [1, 0, 0, 1, 0, 0]}},
    )
    collect([*stray, *made.ct, report])
    (lesion,) = lesions(database)
    assert lesion.state is LesionState.READY, lesion.reason
    assert lesion.key_sop_instance_uid == made.ct[12].SOPInstanceUID


def test_an_object_that_would_hold_up_all_others_is_refused_unparsed(
    database, collect, monkeypatch
):
    monkeypatch.setattr("dicomnode.marks.defined_lengths.MAX_ELEMENTS", 500)
    made = study("costly")
    items = [Dataset() for _ in range(500)]
    for item in items:
        item.PatientComments = ""
        item.is_undefined_length_sequence_item = True
    made.report.ReferencedImageSequence = items
    collect([made.report])
    assert not lesions(database)
    with database.read() as session:
        (finding,) = session.scalars(select(Finding))
    assert finding.reason == "found more than 500 elements: it would take too long to read"


def test_more_marks_than_one_pass_looks_at_are_all_joined(database, tmp_path, monkeypatch):
    monkeypatch.setattr(collecting, "_AT_ONCE", 3)
    centres = [(12, 12 + 12 * (i // 4), 12 + 12 * (i % 4)) for i in range(8)]
    made = study("passes", centres=centres, diameter_mm=4.0)
    collector = Collector(
        database,
        CallScheduler(),
        CollectSettings(quiet_period_s=1e-6),
        [Rule(name="all")],
        lambda: None,
    )
    collector.start()
    try:
        save([*made.ct, made.report], tmp_path / "objects")
        for finding in find_instances(tmp_path / "objects"):
            InstanceIndex(database, CT_CLASSES).add(finding.received)
            collector.notify(finding.received)
        end = time.monotonic() + 60
        while [lesion.state for lesion in lesions(database)] != [LesionState.READY] * 8:
            assert time.monotonic() < end, [lesion.reason for lesion in lesions(database)]
            time.sleep(0.05)
    finally:
        collector.stop()


@pytest.fixture
def started(database):
    """A collector that runs, and what it is told by itself."""
    collector = Collector(
        database,
        CallScheduler(),
        CollectSettings(quiet_period_s=1e-6),
        [Rule(name="all")],
        lambda: None,
    )
    collector.start()
    yield collector
    collector.stop()


def until(reached) -> None:
    end = time.monotonic() + 60
    while not reached():
        assert time.monotonic() < end
        time.sleep(0.02)


def received(database, folder, objects) -> list[ReceivedInstance]:
    """Store objects and index them, as the receiver does before it says so."""
    save(objects, folder)
    found = [finding.received for finding in find_instances(folder)]
    for one in found:
        InstanceIndex(database, CT_CLASSES).add(one)
    return found


def test_a_ct_wakes_the_collector_only_while_a_lesion_waits_for_it(
    database, collect, tmp_path, monkeypatch
):
    made, other = study("awaited"), study("other")
    collector = collect([made.report, *other.ct])
    woken = []
    monkeypatch.setattr(collector, "revisit", lambda *uids: woken.append(uids[0]))
    for one in received(database, tmp_path / "other", other.ct):
        collector.notify(one)
    assert woken == []
    for one in received(database, tmp_path / "awaited", made.ct):
        collector.notify(one)
    assert woken == [lesions(database)[0].key_sop_instance_uid]
    woken.clear()
    collector.collect_all()
    assert lesions(database)[0].state is LesionState.READY
    for one in received(database, tmp_path / "again", made.ct):
        collector.notify(one)
    assert woken == []
    (report,) = received(database, tmp_path / "report", [made.report])
    collector.notify(report)
    assert woken == [made.report.SOPInstanceUID]


def test_a_ct_that_comes_while_its_lesion_is_looked_at_is_not_missed(
    database, started, tmp_path, monkeypatch
):
    made = study("meanwhile")
    true_join = collecting.join

    def join(session, lesion, *rest):
        decision = true_join(session, lesion, *rest)
        monkeypatch.setattr(collecting, "join", true_join)
        for one in received(database, tmp_path / "ct", made.ct):
            started.notify(one)
        return decision

    monkeypatch.setattr(collecting, "join", join)
    for one in received(database, tmp_path / "report", [made.report]):
        started.notify(one)
    until(lambda: [lesion.state for lesion in lesions(database)] == [LesionState.READY])
