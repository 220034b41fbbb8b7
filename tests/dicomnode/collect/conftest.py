"""The collector over objects in a folder, without a network and without waiting."""

from __future__ import annotations

import time

import pytest
from sqlalchemy import select

from dicomnode.collect.collector import Collector
from dicomnode.receive.folder import find_instances
from dicomnode.receive.sop_classes import CT_CLASSES
from dicomnode.routing import Rule
from dicomnode.settings import CollectSettings
from dicomnode.store.instances import InstanceIndex
from dicomnode.store.tables import Lesion
from dicomnode.timing import CallScheduler
from tests.dicomnode.studies import save


@pytest.fixture
def collect_objects(database, tmp_path):
    """Store objects from a folder, look at everything, give all lesions."""
    index = InstanceIndex(database, CT_CLASSES)

    def collect(*objects, quiet: float = 1e-6, seg_wait: float = 300, **rule) -> list[Lesion]:
        collector = Collector(
            database,
            CallScheduler(),
            CollectSettings(quiet_period_s=quiet, seg_wait_s=seg_wait, patience_h=1.0),
            [Rule(name="all", **rule)],
            lambda: None,
        )
        folder = tmp_path / f"objects {time.monotonic_ns()}"
        save(objects, folder)
        for finding in find_instances(folder):
            assert finding.received is not None, finding.reason
            index.add(finding.received)
        collector.collect_all()
        return _lesions(database)

    return collect


def _lesions(database) -> list[Lesion]:
    with database.read() as session:
        return list(session.scalars(select(Lesion).order_by(Lesion.id)))
