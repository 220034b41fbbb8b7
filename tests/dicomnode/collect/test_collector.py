"""The collector decides each lesion on its own, gives up in time, and starts again when asked."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from apscheduler.schedulers.background import BackgroundScheduler
from sqlalchemy import select

from dicomnode.collect import collector as collecting
from dicomnode.collect.collector import Collector
from dicomnode.receive.folder import find_instances
from dicomnode.receive.sop_classes import CT_CLASSES
from dicomnode.routing import Rule
from dicomnode.settings import CollectSettings
from dicomnode.store.database import Database
from dicomnode.store.instances import InstanceIndex
from dicomnode.store.received import InstanceHeader, ReceivedInstance
from dicomnode.store.states import LesionState
from dicomnode.store.tables import Lesion
from tests.dicomnode.studies import save, study


@pytest.fixture
def database(tmp_path):
    database = Database(f"sqlite:///{tmp_path / 'node.sqlite'}")
    database.upgrade()
    yield database
    database.close()


@pytest.fixture
def collect(database, tmp_path):
    """Store objects from a folder, and look at everything."""
    scheduler = BackgroundScheduler(timezone="UTC")
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


def test_more_slices_reopen_a_series_that_was_refused(database, collect):
    made = study("uneven")
    for image in made.ct:
        image.InstanceNumber = None
    partly = [made.ct[i] for i in (5, 8, 12, 14, 19)]
    collector = collect([*partly, made.report])
    (lesion,) = lesions(database)
    assert lesion.state is LesionState.REFUSED
    assert "slice gaps differ" in lesion.reason
    collector = collect(made.ct)
    collector.start()
    try:
        collector.notify(_received(made.ct[0]))
        end = time.monotonic() + 20
        while lesions(database)[0].state is not LesionState.READY:
            assert time.monotonic() < end
            time.sleep(0.02)
    finally:
        collector.stop()


def _received(image) -> ReceivedInstance:
    header = InstanceHeader(
        sop_class_uid=image.SOPClassUID,
        sop_instance_uid=image.SOPInstanceUID,
        study_instance_uid=image.StudyInstanceUID,
        series_instance_uid=image.SeriesInstanceUID,
        transfer_syntax_uid=image.file_meta.TransferSyntaxUID,
    )
    return ReceivedInstance(Path("unused"), 0, header)
