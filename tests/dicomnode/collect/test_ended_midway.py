"""A node that is ended after, or within, any step of collecting ends where it would have."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import select

from dicomnode.collect.collector import Collector
from dicomnode.jobs import lesion_queue
from dicomnode.receive.folder import find_instances
from dicomnode.receive.sop_classes import CT_CLASSES
from dicomnode.routing import Rule
from dicomnode.settings import CollectSettings
from dicomnode.store.database import Database
from dicomnode.store.instances import InstanceIndex
from dicomnode.store.states import DeliveryState, LesionState
from dicomnode.store.tables import Lesion
from dicomnode.timing import CallScheduler
from tests.dicomnode.collect.test_kinship import lines, moved, report
from tests.dicomnode.jobs.rows import published
from tests.dicomnode.studies import save, study

MOST_STEPS = 30


class Ended(BaseException):
    """As if by kill -9: nothing in the node may catch it."""


def database_at(folder: Path) -> Database:
    return Database(f"sqlite:///{folder / 'node.sqlite'}")


def collector_of(database: Database) -> Collector:
    return Collector(
        database,
        CallScheduler(),
        CollectSettings(quiet_period_s=1e-6),
        [Rule(name="all", destinations=["pacs"])],
        lambda: None,
    )


def store(database: Database, folder: Path, *objects) -> None:
    save(objects, folder)
    for finding in find_instances(folder):
        InstanceIndex(database, CT_CLASSES).add(finding.received)


def work(database: Database, is_empty: Callable[[Lesion], bool]) -> bool:
    """One lesion that is ready is published, or nothing can be made of it."""
    with database.write() as session:
        ready = select(Lesion).where(Lesion.state == LesionState.READY).order_by(Lesion.id)
        lesion = session.scalars(ready).first()
        if lesion is None:
            return False
        if is_empty(lesion):
            lesion_queue.record_refused(session, lesion.id, "empty")
        else:
            lesion.state = LesionState.SEGMENTED
            lesion_queue.record_published(session, lesion.id, published(lesion.id, ("pacs",)))
    return True


def live(database: Database, is_empty: Callable[[Lesion], bool]) -> None:
    """From a start until nothing is left to do."""
    collector = collector_of(database)
    collector.collect_all()
    while work(database, is_empty):
        collector.collect_all()


def end_of(database: Database) -> list[tuple]:
    with database.read() as session:
        return [
            (
                lesion.state,
                lesion.replaced_by,
                lesion.unsettled,
                [d.state for result in lesion.results for d in result.deliveries],
            )
            for lesion in session.scalars(select(Lesion).order_by(Lesion.id))
        ]


def end_after(database: Database, steps: int, *, within: bool) -> None:
    """Let a database end the node after so many transactions, or within the next one."""
    true_write = database.write
    left = [steps]

    @contextmanager
    def write():
        with true_write() as session:
            yield session
            if left[0] == 0 and within:
                raise Ended
            left[0] -= 1
        if left[0] == 0 and not within:
            raise Ended

    database.write = write


@pytest.fixture(scope="module")
def stored(tmp_path_factory):
    """A node that has published one mark, and got a changed one and a copy of that since."""
    folder = tmp_path_factory.mktemp("ended")
    made = study("ended")
    database = database_at(folder)
    database.upgrade()
    store(database, folder / "first", *made.ct, report(made, made.axes[0], "1", day=1))
    live(database, lambda lesion: False)
    changed = moved(made.axes[0], (2.0, 1.0, 0))
    newer = report(made, changed, "2", series=51, tracking="T2", day=2)
    store(database, folder / "second", newer, lines(made, changed, 0.25))
    database.close()
    return folder / "node.sqlite"


@pytest.mark.parametrize("within", [False, True])
@pytest.mark.parametrize("refused", [False, True])
def test_any_step_can_be_the_last_one(stored, tmp_path, refused, within):
    def is_empty(lesion: Lesion) -> bool:
        return refused and lesion.id != 1

    ends = []
    for steps in range(MOST_STEPS):
        folder = tmp_path / str(steps)
        folder.mkdir()
        shutil.copy(stored, folder)
        database = database_at(folder)
        # The first life is not ended, and says how the others have to end.
        end_after(database, steps or MOST_STEPS, within=within)
        try:
            live(database, is_empty)
            was_ended = False
        except Ended:
            was_ended = True
            database.close()
            database = database_at(folder)
            live(database, is_empty)
        ends.append(end_of(database))
        database.close()
        if steps and not was_ended:
            break
    assert len(ends) > 4
    assert all(end == ends[0] for end in ends)
    first = ends[0][0]
    if refused:
        assert first == (LesionState.PUBLISHED, None, False, [DeliveryState.QUEUED])
    else:
        assert first[0] is LesionState.SUPERSEDED
        assert first[3] == [DeliveryState.WITHDRAWN]
        assert [end[0] for end in ends[0]].count(LesionState.PUBLISHED) == 1
