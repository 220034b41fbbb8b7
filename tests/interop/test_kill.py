"""``kill -9`` at random moments: what was acknowledged is there, every lesion has one SEG."""

from __future__ import annotations

import random
import threading
import time

import pytest
from sqlalchemy import select

from benchmarks.peers.node_process import NodeProcess
from benchmarks.peers.orthanc import Orthanc
from dicomnode.deliver.answer import Verdict
from dicomnode.deliver.store_scu import Parcel, send
from dicomnode.settings import DicomDestination
from dicomnode.store.states import DeliveryState, LesionState
from dicomnode.store.tables import Delivery, Instance, Lesion
from tests.dicomnode.studies import save, study
from tests.interop.peers import need

pytestmark = pytest.mark.interop

STUDIES = 10
KILLS = 20
PATIENCE_S = 240.0


class Sender(threading.Thread):
    """Sends everything until everything is acknowledged, whatever happens to the node."""

    def __init__(self, port: int, parcels: list[Parcel]) -> None:
        super().__init__(daemon=True)
        self.acknowledged: set[str] = set()
        self._node = DicomDestination(
            name="node", ae_title=NodeProcess.AE_TITLE, host="127.0.0.1", port=port
        )
        self._parcels = parcels

    def run(self) -> None:
        while open_ones := [p for p in self._parcels if p.path.stem not in self.acknowledged]:
            for parcel, answer in send(open_ones[:40], self._node, "SENDER"):
                if answer.verdict is Verdict.ACCEPTED:
                    self.acknowledged.add(parcel.path.stem)
                # Slowly, so that the kills fall among receiving, computing and delivering alike.
                time.sleep(0.05)
            time.sleep(0.2)


@pytest.mark.timeout(900)
def test_twenty_kills_lose_nothing_and_double_nothing(tmp_path):
    need("Orthanc")
    seed = 20261121
    rng = random.Random(seed)
    parcels = []
    for number in range(STUDIES):
        made = study(f"kill {number}", diameter_mm=8 + number)
        objects = [*made.ct, made.report]
        rng.shuffle(objects)
        parcels += save(objects, tmp_path / f"study {number}")
    with Orthanc(tmp_path / "orthanc") as pacs:
        node = NodeProcess(
            tmp_path / "node",
            pacs.AE_TITLE,
            pacs.dicom_port,
            collect={"quiet_period_s": 1.0},
            retry={"first_wait_s": 0.2, "factor": 1.0},
        )
        node.start()
        sender = Sender(node.port, parcels)
        sender.start()
        for _ in range(KILLS):
            time.sleep(rng.uniform(0.1, 2.5))
            before = set(sender.acknowledged)
            node.kill()
            with node.rows() as session:
                assert before <= set(session.scalars(select(Instance.sop_instance_uid)))
            node.start()
        end = time.monotonic() + PATIENCE_S
        sender.join(PATIENCE_S)
        assert not sender.is_alive(), "not everything was acknowledged"
        while not _all_accepted(node):
            assert time.monotonic() < end, "not every lesion was delivered"
            time.sleep(0.2)
        segs = [
            pacs.ask(f"/instances/{orthanc_id}/tags?simplify") for orthanc_id in pacs.find("SEG")
        ]
        with node.rows() as session:
            instances = session.scalars(select(Instance)).all()
            lesions = session.scalars(select(Lesion)).all()
        node.stop()
    assert {i.sop_instance_uid for i in instances} == sender.acknowledged
    sent = {parcel.path.stem: parcel.path for parcel in parcels}
    assert set(sent) == sender.acknowledged
    for instance in instances:
        assert _data_set(instance.path) == _data_set(sent[instance.sop_instance_uid])
    assert len(lesions) == STUDIES
    assert len(segs) == STUDIES
    assert len({seg["StudyInstanceUID"] for seg in segs}) == STUDIES
    assert not list((tmp_path / "node" / "store").rglob("*.part"))


def _all_accepted(node: NodeProcess) -> bool:
    with node.rows() as session:
        lesions = session.scalars(select(Lesion.state)).all()
        deliveries = session.scalars(select(Delivery.state)).all()
    return (
        len(deliveries) == STUDIES
        and set(lesions) == {LesionState.PUBLISHED}
        and set(deliveries) == {DeliveryState.ACCEPTED}
    )


def _data_set(path) -> bytes:
    """The bytes behind the file meta information, which each writer makes its own."""
    with open(path, "rb") as file:
        content = file.read()
    length = int.from_bytes(content[140:144], "little")
    return content[144 + length :]
