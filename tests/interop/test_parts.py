"""Three processes on one store, with DCMTK as the sender and Orthanc as the PACS."""

from __future__ import annotations

import random
import subprocess
import time
from pathlib import Path

import pytest
from sqlalchemy import select

from benchmarks.peers import postgres
from benchmarks.peers.dcmtk import storescu
from benchmarks.peers.node_parts import NodeParts
from benchmarks.peers.orthanc import Orthanc
from dicomnode.store.lock import ROLES, Role
from dicomnode.store.states import LesionState
from dicomnode.store.tables import Instance, Lesion
from tests.dicomnode.deliver.results_on_disk import until
from tests.dicomnode.studies import Study, save, study
from tests.interop.peers import missing, need
from tests.interop.test_kill import Sender

pytestmark = pytest.mark.interop

PATIENCE_S = 240.0
STUDIES = 3


@pytest.fixture
def pacs(tmp_path):
    need("Orthanc")
    need("storescu")
    with Orthanc(tmp_path / "orthanc") as pacs:
        yield pacs


@pytest.fixture
def parts(pacs, tmp_path):
    parts = NodeParts(
        tmp_path / "node",
        pacs.AE_TITLE,
        pacs.dicom_port,
        collect={"quiet_period_s": 1.0},
        retry={"first_wait_s": 0.5, "factor": 1.0},
    )
    parts.start()
    yield parts
    parts.stop()


def lesions(parts: NodeParts) -> list[LesionState]:
    with parts.rows() as session:
        return list(session.scalars(select(Lesion.state).order_by(Lesion.id)))


def test_what_is_acknowledged_comes_out_once_whichever_part_is_killed(parts, pacs, tmp_path):
    made = [study(f"parts {number}") for number in range(4)]

    def send(one: Study) -> None:
        files = [parcel.path for parcel in save([*one.ct, one.report], tmp_path / one.seed)]
        storescu(parts.port, parts.AE_TITLE, files)

    send(made[0])
    until(lambda: len(pacs.find("SEG")) == 1, "the first result", PATIENCE_S)
    # As its unit has it (MemoryDenyWriteExecute=): nothing that compiles.
    mapped = Path(f"/proc/{parts.pid_of(Role.RECEIVER)}/maps").read_text()
    assert "llvmlite" not in mapped
    assert "rwxp" not in mapped

    # The worker dies in the midst of its work; receiving goes on without it.
    send(made[1])
    until(lambda: len(lesions(parts)) == 2, "the second mark is read", PATIENCE_S)
    parts.kill_part(Role.WORKER)
    send(made[2])
    assert parts.count() == sum(len(one.ct) + 1 for one in made[:3])

    # The receiver is restarted, once in order and once not, while the worker takes up its work.
    parts.begin(Role.WORKER)
    parts.stop_part(Role.RECEIVER)
    parts.begin(Role.RECEIVER)
    parts.wait_for(Role.RECEIVER)
    send(made[3])
    parts.kill_part(Role.RECEIVER)
    parts.kill_part(Role.WEB)
    until(lambda: len(pacs.find("SEG")) == 4, "all results, with nobody to receive", PATIENCE_S)
    parts.begin(Role.RECEIVER)
    parts.begin(Role.WEB)
    parts.wait_for(Role.RECEIVER)
    parts.wait_for(Role.WEB)

    # A repeat is recognised by the part that indexes, and makes nothing new.
    send(made[0])
    assert parts.count() == sum(len(one.ct) + 1 for one in made)
    until(
        lambda: lesions(parts) == [LesionState.PUBLISHED] * 4,
        "all lesions are published",
        PATIENCE_S,
    )
    time.sleep(2.0)
    assert len(pacs.find("SEG")) == 4
    assert pacs.count() == 4


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request, tmp_path):
    if request.param == "sqlite":
        yield ""
        return
    if postgres.PROGRAM is None:
        missing("PostgreSQL's server (Debian's postgresql) is not installed")
    with postgres.Postgres() as server:
        yield server.create("parts")


@pytest.mark.timeout(900)
def test_kills_of_any_part_at_any_moment_lose_and_double_nothing(pacs, tmp_path, database_url):
    rng = random.Random(104)
    parcels = []
    for number in range(STUDIES):
        made = study(f"killed {number}", diameter_mm=8 + number)
        parcels += save([*made.ct, made.report], tmp_path / f"study {number}")
    parts = NodeParts(
        tmp_path / "node",
        pacs.AE_TITLE,
        pacs.dicom_port,
        store={"path": str(tmp_path / "node" / "store"), "database_url": database_url},
        collect={"quiet_period_s": 1.0},
        retry={"first_wait_s": 0.2, "factor": 1.0},
    )
    with parts:
        sender = Sender(parts.port, parcels)
        sender.start()
        for _ in range(8):
            time.sleep(rng.uniform(0.5, 2.5))
            role = rng.choice(ROLES)
            parts.kill_part(role)
            time.sleep(rng.uniform(0.0, 1.0))
            parts.begin(role)
        sender.join(PATIENCE_S)
        assert not sender.is_alive(), "not everything was acknowledged"
        until(
            lambda: (
                lesions(parts) == [LesionState.PUBLISHED] * STUDIES
                and len(pacs.find("SEG")) == STUDIES
            ),
            "all results",
            PATIENCE_S,
        )
        with parts.rows() as session:
            held = set(session.scalars(select(Instance.sop_instance_uid)))
    assert held == sender.acknowledged == {parcel.path.stem for parcel in parcels}
    assert pacs.count() == STUDIES
    assert "Traceback" not in parts.log


def test_half_a_study_waits_while_nobody_works(parts, pacs, tmp_path):
    made = study("halves")
    files = [parcel.path for parcel in save([made.report, *made.ct], tmp_path / "study")]
    storescu(parts.port, parts.AE_TITLE, files[: len(files) // 2])
    until(lambda: lesions(parts) == [LesionState.WAITING], "the mark waits", PATIENCE_S)
    parts.kill_part(Role.WORKER)
    storescu(parts.port, parts.AE_TITLE, files[len(files) // 2 :])
    parts.begin(Role.WORKER)
    until(lambda: len(pacs.find("SEG")) == 1, "the result", PATIENCE_S)


def test_a_part_that_runs_twice_says_so_and_leaves(parts):
    command = parts._parts[Role.RECEIVER].args
    second = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert second.returncode == 2
    assert "in use by another process: its receiver runs there" in " ".join(second.stderr.split())
