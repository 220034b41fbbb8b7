"""Three processes on one store, with DCMTK as the sender and Orthanc as the PACS."""

from __future__ import annotations

import subprocess
import time

import pytest
from sqlalchemy import select

from benchmarks.peers.dcmtk import storescu
from benchmarks.peers.node_parts import NodeParts
from benchmarks.peers.orthanc import Orthanc
from dicomnode.store.lock import Role
from dicomnode.store.states import LesionState
from dicomnode.store.tables import Lesion
from tests.dicomnode.deliver.results_on_disk import until
from tests.dicomnode.studies import Study, save, study
from tests.interop.peers import need

pytestmark = pytest.mark.interop

PATIENCE_S = 240.0


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


def test_storescu_is_killed_midway_and_the_worker_with_it(parts, pacs, tmp_path):
    """Half a study waits; what it lacks comes to a receiver while nobody works."""
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
