"""What goes, and when: by age, by state, by size; by default nothing."""

from __future__ import annotations

import time

import pytest

from dicomnode.retention.plan import kept_bytes, plan_purge
from dicomnode.settings import NodeSettings
from dicomnode.store.states import DeliveryState, LesionState
from dicomnode.store.tables import Delivery, Instance, Lesion, Result
from tests.dicomnode.backup.kept import KeptStore

DAY = 86400.0
NOW = time.time()
STATES = {
    "delivered": {"deliveries": [DeliveryState.ACCEPTED]},
    "unsent": {},
    "refused": {"state": LesionState.REFUSED},
    "failed": {"deliveries": [DeliveryState.REFUSED]},
    "unmarked": None,
    "busy": {"deliveries": [DeliveryState.QUEUED]},
}


@pytest.fixture
def store(tmp_path):
    store = KeptStore(tmp_path / "store")
    yield store
    store.close()


def study(store, number: int, state: str, days: float, size: int = 100) -> str:
    """A study of which nothing happened for some days; its UID."""
    uid, at = f"1.2.{number}", NOW - days * DAY
    store.receive(f"{uid}.1", b"x" * size, study=uid)
    if STATES[state] is not None:
        store.make(f"{uid}.1", study=uid, **STATES[state])
    with store.database.write() as session:
        session.query(Instance).filter_by(study_instance_uid=uid).update({"received_at": at})
        for lesion in session.query(Lesion).filter_by(study_instance_uid=uid):
            lesion.changed_at = at
            for result in lesion.results:
                result.created_at = at
                for delivery in result.deliveries:
                    delivery.changed_at = at
    return uid


def plan(store, **retention) -> list[str]:
    settings = NodeSettings(retention=retention)
    with store.database.read() as session:
        return [one.study.study_instance_uid for one in plan_purge(session, settings, NOW)]


def test_by_default_nothing_goes(store):
    for number, state in enumerate(STATES):
        study(store, number, state, 10_000)
    assert plan(store) == []


@pytest.mark.parametrize("state", sorted({*STATES} - {"busy"}))
def test_a_state_goes_after_its_days_and_no_other_does(store, state):
    of = {name: study(store, n, name, 31) for n, name in enumerate(STATES)}
    assert plan(store, **{f"{state}_days": 30}) == [of[state]]
    assert plan(store, **{f"{state}_days": 32}) == []


@pytest.mark.parametrize("table", [Instance, Lesion, Result, Delivery])
def test_days_count_from_what_happened_last(store, table):
    uid = study(store, 1, "delivered", 31)
    column = {"instance": "received_at", "result": "created_at"}.get(
        table.__tablename__, "changed_at"
    )
    assert plan(store, delivered_days=30) == [uid]
    with store.database.write() as session:
        setattr(session.query(table).one(), column, NOW - DAY)
    assert plan(store, delivered_days=30) == []


def test_over_the_limit_the_longest_unchanged_go_until_it_is_kept(store):
    for number, days in enumerate([5, 9, 7, 3]):
        study(store, number, "delivered", days, size=3 * 2**20)
    study(store, 9, "failed", 100, size=3 * 2**20)
    with store.database.read() as session:
        assert kept_bytes(session) > 15 * 2**20
    assert plan(store, max_gb=10 / 1024) == ["1.2.1", "1.2.2"]
    assert plan(store, max_gb=10 / 1024, over_limit=["failed", "delivered"]) == ["1.2.9", "1.2.1"]
    assert plan(store, max_gb=1) == []
    # What goes by its age counts.
    assert plan(store, max_gb=10 / 1024, failed_days=1) == ["1.2.9", "1.2.1"]


def test_nothing_young_goes_whatever_is_kept(store):
    study(store, 1, "delivered", 0.9, size=2**20)
    study(store, 2, "delivered", 1.1, size=2**20)
    assert plan(store, max_gb=1e-9) == ["1.2.2"]
    assert plan(store, delivered_days=0.1) == ["1.2.2"]
    assert plan(store, delivered_days=0.1, at_least_h=0) == ["1.2.2", "1.2.1"]
