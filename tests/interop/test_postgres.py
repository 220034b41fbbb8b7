"""The node on PostgreSQL: one writer at a time, reads of one moment, a server that is killed."""

from __future__ import annotations

import random
import subprocess
import sys
import threading
import time

import pytest
from sqlalchemy import func, select

from benchmarks.peers import postgres as peer
from benchmarks.peers.node_process import NodeProcess
from benchmarks.peers.orthanc import Orthanc
from benchmarks.peers.postgres import Postgres
from dicomnode.reader_study.answering import Asked, answer
from dicomnode.reader_study.ending import close, delete_study
from dicomnode.reader_study.exports import answers_csv
from dicomnode.reader_study.readings import study_results
from dicomnode.reader_study.taking_part import (
    begin,
    find_study,
    presentation_for,
    seen,
)
from dicomnode.store.database import Database
from dicomnode.store.instances import InstanceIndex
from dicomnode.store.states import DeliveryState, LesionState
from dicomnode.store.tables import Delivery, Instance, Lesion
from tests.dicomnode.reader_study.small import small_study
from tests.dicomnode.store.test_database import CT, received
from tests.dicomnode.studies import save, study
from tests.interop.peers import missing, need
from tests.interop.test_kill import Sender

pytestmark = pytest.mark.interop

STUDIES = 3
PATIENCE_S = 240.0


@pytest.fixture(scope="module")
def server():
    if peer.PROGRAM is None:
        missing("PostgreSQL's server (Debian's postgresql) is not installed")
    with Postgres() as server:
        yield server


@pytest.fixture
def rows(server, request):
    database = Database(server.create(request.node.name.replace("[", "_").replace("]", "")))
    database.upgrade()
    yield database
    database.close()


def test_what_a_writer_read_is_so_when_it_writes(rows):
    InstanceIndex(rows, [CT]).add(received("1.2.3"))

    def add_one() -> None:
        for _ in range(25):
            with rows.write() as session:
                found = session.get_one(Instance, "1.2.3")
                found.size = found.size + 1

    threads = [threading.Thread(target=add_one) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with rows.read() as session:
        assert session.get_one(Instance, "1.2.3").size == 10 + 8 * 25


def test_a_read_sees_one_moment_and_waits_for_no_writer(rows):
    index = InstanceIndex(rows, [CT])
    index.add(received("1.2.3"))
    count = select(func.count()).select_from(Instance)
    with rows.read() as session:
        assert session.scalar(count) == 1
        index.add(received("1.2.4"))
        assert session.scalar(count) == 1
    with rows.write(), rows.read() as session:
        assert session.scalar(count) == 2


def test_a_reader_study_is_drawn_once_and_keeps_every_answer(rows, tmp_path):
    study = small_study(tmp_path, cases=4, repeats=2, database=rows)
    number = study.made.study_id

    def take_part(reader: str) -> None:
        begin(rows, number, reader)
        for place in range(1, 7):
            with rows.read() as session:
                shown = presentation_for(session, number, reader, place)
            seen(rows, shown.id)
            answer(rows, number, reader, place, Asked("A", seconds=1.0, words="“soft”"))

    readers = ["anna", "anna", "ben", "ben"]  # each at two browsers
    threads = [threading.Thread(target=take_part, args=(reader,)) for reader in readers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    close(rows, number, "olga")
    with rows.read() as session:
        found = find_study(session, number)
        assert len(found.presentations) == 12
        assert len(answers_csv(session, found).splitlines()) == 25
        results = study_results(session, found)
    assert results.preferences[0].answers == 8
    assert [one.positions for one in results.habits] == [(4, 0, 0, 0)] * 2
    delete_study(rows, study.store, "eggs-and-matte")


@pytest.mark.timeout(900)
def test_kills_of_the_server_and_of_the_node_lose_nothing(server, tmp_path):
    need("Orthanc")
    rng = random.Random(5432)
    parcels = []
    for number in range(STUDIES):
        made = study(f"postgres {number}", diameter_mm=8 + number)
        parcels += save([*made.ct, made.report], tmp_path / f"study {number}")
    with Orthanc(tmp_path / "orthanc") as pacs:
        node = NodeProcess(
            tmp_path / "node",
            pacs.AE_TITLE,
            pacs.dicom_port,
            store={"path": str(tmp_path / "node" / "store"), "database_url": server.create("kept")},
            collect={"quiet_period_s": 1.0},
            retry={"first_wait_s": 0.2, "factor": 1.0},
        )
        node.start()
        sender = Sender(node.port, parcels)
        sender.start()
        for number in range(6):
            time.sleep(rng.uniform(0.5, 2.5))
            if number % 3 == 2:
                node.kill()
                node.start()
            else:
                server.kill()
                time.sleep(rng.uniform(0.2, 1.0))
                server.start()
        end = time.monotonic() + PATIENCE_S
        sender.join(PATIENCE_S)
        assert not sender.is_alive(), "not everything was acknowledged"
        while not _all_accepted(node):
            assert time.monotonic() < end, node.log[-4000:]
            time.sleep(0.2)
        segs = pacs.find("SEG")
        with node.rows() as session:
            held = set(session.scalars(select(Instance.sop_instance_uid)))
        found = {name: _run(node, name) for name in ("doctor", "jobs", "upgrade", "purge")}
        node.stop()
    assert held == sender.acknowledged == {parcel.path.stem for parcel in parcels}
    assert len(segs) == STUDIES
    assert "Traceback" not in node.log
    assert "the newest" in found["doctor"], found
    assert not [text for text in found.values() if "Traceback" in text]


def _all_accepted(node: NodeProcess) -> bool:
    with node.rows() as session:
        lesions = session.scalars(select(Lesion.state)).all()
        deliveries = session.scalars(select(Delivery.state)).all()
    return (
        len(deliveries) == STUDIES
        and set(lesions) == {LesionState.PUBLISHED}
        and set(deliveries) == {DeliveryState.ACCEPTED}
    )


def _run(node: NodeProcess, command: str) -> str:
    more = {"upgrade": ["--check"], "purge": ["--dry-run"]}.get(command, [])
    done = subprocess.run(
        [sys.executable, "-m", "dicomnode", command, *more, "--config", str(node.configuration)],
        capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    return done.stdout + done.stderr
