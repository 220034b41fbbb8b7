"""Masks are put on their CT by workers: nothing waits for them but their own lesions."""

from __future__ import annotations

from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool

import pytest
from sqlalchemy import select

from dicomnode.collect.collector import Collector
from dicomnode.collect.mask_work import ATTEMPTS, UNDER_WAY
from dicomnode.receive.folder import find_instances
from dicomnode.receive.sop_classes import CT_CLASSES
from dicomnode.routing import Rule
from dicomnode.settings import CollectSettings
from dicomnode.store.instances import InstanceIndex
from dicomnode.store.states import LesionState
from dicomnode.store.tables import Lesion
from dicomnode.timing import CallScheduler
from tests.dicomnode.mask_objects import ball, circles, segmentation, structure_set
from tests.dicomnode.studies import save, study

READY, WAITING = LesionState.READY, LesionState.WAITING


class Workers:
    """What was given to workers, to be done when a test says so."""

    def __init__(self) -> None:
        self.given: list[tuple] = []

    def submit(self, function, *arguments) -> Future:
        future: Future = Future()
        self.given.append((future, function, arguments))
        return future

    def work(self) -> int:
        """Do all that was given; how much that was."""
        given, self.given = self.given, []
        for future, function, arguments in given:
            try:
                future.set_result(function(*arguments))
            except Exception as error:
                future.set_exception(error)
        return len(given)

    def die(self) -> None:
        given, self.given = self.given, []
        for future, _, _ in given:
            future.set_exception(BrokenProcessPool())


@pytest.fixture
def workers():
    return Workers()


@pytest.fixture
def collector(database, workers):
    return Collector(
        database,
        CallScheduler(),
        CollectSettings(quiet_period_s=1e-6),
        [Rule(name="all")],
        lambda: None,
        submit=workers.submit,
    )


@pytest.fixture
def store(database, tmp_path):
    def store(*objects) -> None:
        save(objects, tmp_path / "objects")
        for finding in find_instances(tmp_path / "objects"):
            InstanceIndex(database, CT_CLASSES).add(finding.received)

    return store


def lesions(database) -> list[Lesion]:
    with database.read() as session:
        return list(session.scalars(select(Lesion).order_by(Lesion.id)))


def test_a_mask_is_put_on_its_ct_by_a_worker_and_axes_do_not_wait(
    database, collector, workers, store
):
    made = study("axes beside masks", centres=[(12, 20, 20)])
    seg = segmentation(made.ct, [ball((12, 44, 44)), ball((12, 44, 20), 8.0)])
    store(*made.ct, made.report, seg)
    collector.collect_all()
    found = {row.reason: row.state for row in lesions(database)}
    assert found == {None: READY, UNDER_WAY: WAITING}
    assert len(workers.given) == 2
    collector.collect_all()
    assert len(workers.given) == 2, "each is given out once"
    assert workers.work() == 2
    collector.collect_all()
    assert [row.state for row in lesions(database)] == [READY] * 3
    assert not workers.given, "what is known is not asked for again"


def test_lesions_are_compared_once_the_masks_of_all_are_there(database, collector, workers, store):
    made = study("compared")
    store(*made.ct, segmentation(made.ct, [ball()]))
    collector.collect_all()
    workers.work()
    collector.collect_all()
    # A node that was started anew knows no masks.
    again = Collector(
        database,
        CallScheduler(),
        CollectSettings(quiet_period_s=1e-6),
        [Rule(name="all")],
        lambda: None,
        submit=workers.submit,
    )
    store(structure_set(made, [circles(made, (12, 33, 32))]))
    for _ in range(4):
        again.collect_all()
        workers.work()
    states = [row.state for row in lesions(database)]
    assert sorted(states) == sorted([READY, LesionState.SUPERSEDED])


def test_a_worker_that_dies_costs_an_attempt(database, collector, workers, store):
    made = study("dies")
    store(*made.ct, segmentation(made.ct, [ball()]))
    for _ in range(ATTEMPTS):
        collector.collect_all()
        assert [row.state for row in lesions(database)] == [WAITING]
        workers.die()
    collector.collect_all()
    (lesion,) = lesions(database)
    assert lesion.state is LesionState.REFUSED
    assert "cannot be put on the CT" in lesion.reason


def test_a_mask_that_is_too_large_says_so_through_a_worker(
    database, collector, workers, store, monkeypatch
):
    monkeypatch.setattr("dicomnode.collect.mask_on_ct.LARGEST_ML", 0.1)
    made = study("large")
    store(*made.ct, segmentation(made.ct, [ball()]))
    collector.collect_all()
    workers.work()
    collector.collect_all()
    (lesion,) = lesions(database)
    assert lesion.state is LesionState.REFUSED
    assert "expected a lesion of at most 0.1" in lesion.reason
