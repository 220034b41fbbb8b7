"""``kill -9`` while the history of marks arrives in any order: of each mark the newest stands."""

from __future__ import annotations

import random
import time

import pytest
from sqlalchemy import select

from benchmarks.peers.node_process import NodeProcess
from benchmarks.peers.orthanc import Orthanc
from dicomnode.store.states import DeliveryState, LesionState
from dicomnode.store.tables import Delivery, Lesion, Result
from tests.dicomnode.collect.test_kinship import moved, report
from tests.dicomnode.studies import save, study
from tests.interop.peers import need
from tests.interop.test_kill import PATIENCE_S, Sender

pytestmark = pytest.mark.interop

STUDIES = 3
VERSIONS = 3
KILLS = 6
DONE = {LesionState.PUBLISHED, LesionState.SUPERSEDED}
ENDED = {DeliveryState.ACCEPTED, DeliveryState.WITHDRAWN}


@pytest.mark.timeout(900)
def test_kills_among_versions_leave_the_newest_of_each_mark(tmp_path):
    need("Orthanc")
    rng = random.Random(20261121)
    objects, newest = [], {}
    for number in range(STUDIES):
        made = study(f"versions {number}", diameter_mm=10 + number)
        for version in range(VERSIONS):
            axes = moved(made.axes[0], (0.9 * version, 0.9 * version, 0))
            name = f"{version}"
            drawn = report(
                made,
                axes,
                name,
                seed=made.seed,
                series=50 + version,
                tracking=f"T{version}",
                day=version + 1,
            )
            objects.append(drawn)
            newest[str(made.ct[0].SeriesInstanceUID)] = str(drawn.SOPInstanceUID)
        objects += [*made.ct]
    rng.shuffle(objects)
    parcels = save(objects, tmp_path / "objects")
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
            node.kill()
            node.start()
        end = time.monotonic() + PATIENCE_S
        sender.join(PATIENCE_S)
        assert not sender.is_alive(), "not everything was acknowledged"
        while not _all_done(node):
            assert time.monotonic() < end, "not every lesion came to its end"
            time.sleep(0.2)
        node.stop()
        segs = pacs.find("SEG")
        with node.rows() as session:
            lesions = session.scalars(select(Lesion)).all()
            accepted = session.scalars(
                select(Result.lesion_id)
                .join(Delivery)
                .where(Delivery.state == DeliveryState.ACCEPTED)
            ).all()
    assert len(lesions) == STUDIES * VERSIONS
    standing = [lesion for lesion in lesions if lesion.replaced_by is None]
    assert {lesion.series_instance_uid: lesion.source_sop_instance_uid for lesion in standing} == (
        newest
    )
    assert {lesion.state for lesion in standing} == {LesionState.PUBLISHED}
    assert {lesion.id for lesion in standing} <= set(accepted)
    assert len(segs) == len(accepted), "each was sent once"


def _all_done(node: NodeProcess) -> bool:
    """Whether all marks are here, each has come to its end, and nothing is under way."""
    with node.rows() as session:
        lesions = session.scalars(select(Lesion)).all()
        deliveries = set(session.scalars(select(Delivery.state)))
    standing = [lesion for lesion in lesions if lesion.replaced_by is None]
    return (
        len(lesions) == STUDIES * VERSIONS
        and len(standing) == STUDIES
        and {lesion.state for lesion in standing} == {LesionState.PUBLISHED}
        and {lesion.state for lesion in lesions} <= DONE
        and not any(lesion.unsettled for lesion in lesions)
        and deliveries <= ENDED
    )
