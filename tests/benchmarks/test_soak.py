"""The soak's parts: its judge sees what is lost, its watch what grows, its studies differ."""

from __future__ import annotations

import random

import pytest
from sqlalchemy import delete, select

from benchmarks.peers.node_parts import NodeParts
from benchmarks.soaked.faults import Faults
from benchmarks.soaked.material import Material, Plan
from benchmarks.soaked.verdict import judge
from benchmarks.soaked.watch import Look, growth
from benchmarks.standing.full_store import fill
from dicomnode.store.database import Database
from dicomnode.store.tables import Instance


class _Kept:
    """A node's rows and folder without the node."""

    def __init__(self, database, folder):
        self._database, self.folder = database, folder

    def rows(self):
        return self._database.read()


class _Pacs:
    def ask(self, *_):
        return []


def test_the_judge_sees_what_is_lost_cut_or_left(tmp_path):
    database = Database(f"sqlite:///{tmp_path / 'node.sqlite'}")
    fill(tmp_path / "store", database.url, 3)
    node = _Kept(database, tmp_path)
    with database.read() as session:
        uids = session.scalars(select(Instance.sop_instance_uid)).all()
    wrong = {uid: "0" * 64 for uid in uids}
    assert len(judge(node, _Pacs(), wrong, set()).faults) == 3
    with database.write() as session:
        session.execute(delete(Instance).where(Instance.sop_instance_uid == uids[0]))
    (tmp_path / "store" / "incoming" / "a.part").touch()
    found = judge(node, _Pacs(), wrong, {uids[1]})
    assert f"acknowledged and not in the index: {uids[0]}" in found.faults
    assert f"acknowledged and not as it was sent: {uids[1]}" in found.faults
    assert "a part is left: a.part" in found.faults
    assert found.still_open == [f"no lesion of report {uids[1]}"]


def test_growth_is_seen_where_the_node_lived_on():
    def looks(last: float, life: int = 1) -> list[Look]:
        flat = [Look(i / 2, (1,), 100.0, 300.0, i, 0) for i in range(30)]
        return flat + [Look(15 + i / 2, (life,), last, 300.0, i, 0) for i in range(10)]

    assert growth(looks(110.0), lambda look: look.rss_mb) == pytest.approx(0.1)
    assert growth(looks(110.0), lambda look: look.tree_mb) == 0
    assert growth(looks(110.0, life=2), lambda look: look.rss_mb) is None
    assert growth(looks(110.0)[:20], lambda look: look.rss_mb) is None


def test_studies_follow_from_their_number_and_share_no_uid():
    material = Material(Plan.of(100, 2), seed=3)
    plan = material.plan
    assert plan.instances == plan.studies * 24 + 2 >= 100
    assert sum(map(plan.is_marked, range(plan.studies))) == 2 == len(material.reports())
    sent = [item for number in range(plan.studies) for item in material.study(number)]
    assert len({item.sop_instance for item in sent}) == len(sent) == plan.instances
    assert sent[:24] == Material(plan, seed=3).study(0)[:24]
    assert all(item.sop_instance.encode() in item.data_set for item in sent)


def test_every_kind_of_fault_has_its_turn():
    class Node:
        class settings:
            class store:
                url = "sqlite:////nowhere"

    faults = Faults(Node(), None, random.Random(1), 1.0)
    order = faults.order(2 * len(Faults.KINDS))
    assert sorted(order) == sorted(2 * Faults.KINDS)
    assert set(Faults.PARTS) == {"part-receiver", "part-worker", "part-web"}


def test_a_part_that_is_killed_is_started_until_it_runs_and_no_other_is(tmp_path, monkeypatch):
    node = NodeParts(tmp_path, "PACS", 4242)
    done: list[tuple[str, str]] = []
    refused = iter([True, False])

    def wait_for(role: str) -> None:
        done.append(("waits", role))
        if next(refused):
            raise TimeoutError

    monkeypatch.setattr(node, "kill_part", lambda role: done.append(("killed", role)))
    monkeypatch.setattr(node, "begin", lambda role: done.append(("begun", role)))
    monkeypatch.setattr(node, "wait_for", wait_for)
    faults = Faults(node, None, random.Random(1), 1.0)
    fault = faults.strike("part-web", 0.0)
    assert fault.kind == "part-web"
    assert [what for what, role in done] == ["killed", "begun", "waits"] * 2
    assert {role for _, role in done} == {"web"}
