"""Rules are reloaded in a running node: associations stay, the next mark goes by the new ones."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from pynetdicom import AE
from pynetdicom.sop_class import Verification
from sqlalchemy import select

from benchmarks.peers.node_process import NodeProcess
from dicomnode.deliver.answer import Verdict
from dicomnode.rule_reload import RulesStatus
from dicomnode.store.states import LesionState
from dicomnode.store.tables import Delivery, Instance, Lesion
from tests.dicomnode.studies import send_to, study

PATIENCE_S = 240.0
NIGHT = """
[[rules]]
name = "tried"
destinations = ["pacs"]
dry_run = true
[rules.when]
all = [
  { attribute = "called_ae", equals = "SECOND" },
  { attribute = "priority", equals = "low" },
  { attribute = "ct.Modality", equals = "CT" },
  { not = { attribute = "mark.Modality", equals = "CT" } },
]
"""


def until(condition: Callable[[], object], what: str) -> None:
    end = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < end, f"{what}: not within {PATIENCE_S:g} s"
        time.sleep(0.05)


@pytest.fixture
def node(tmp_path: Path):
    with NodeProcess(
        tmp_path / "node",
        "NOBODY",
        1,
        listen={"more_ae_titles": ["SECOND"], "network_timeout_s": 300},
        collect={"quiet_period_s": 1.0},
        segment={"processes": 1},
        rules=[{"name": "never", "match.modality": "MR"}],
    ) as node:
        yield node


def status(node: NodeProcess) -> RulesStatus:
    return RulesStatus.read(node.folder / "store")


def reload(node: NodeProcess, text: str) -> None:
    before = status(node)
    node.configuration.write_text(text)
    os.kill(node.pid, signal.SIGHUP)
    until(lambda: status(node) != before, "an answer to the reload")


@pytest.mark.timeout(400)
def test_rules_change_while_an_association_is_open(node, tmp_path):
    made = study("reload")
    good = node.configuration.read_text()
    until(lambda: status(node) is not None, "the first rules")
    entity = AE("SENDER")
    entity.add_requested_context(Verification)
    association = entity.associate("127.0.0.1", node.port, ae_title="SECOND")
    assert association.is_established
    try:
        reload(node, good.replace('"never"', '""'))
        assert "rules.0.name" in status(node).problem
        assert "rules.kept" in node.log
        assert association.send_c_echo().Status == 0x0000
        reload(node, good + NIGHT)
        assert status(node).problem is None
        assert [rule["name"] for rule in status(node).rules] == ["never", "tried"]
        assert association.send_c_echo().Status == 0x0000, "the same association"
    finally:
        association.release()

    answers = send_to(node.port, [*made.ct, made.report], tmp_path / "out", called="SECOND")
    assert {answer.verdict for answer in answers} == {Verdict.ACCEPTED}

    def lesion() -> Lesion | None:
        with node.rows() as session:
            return session.scalars(select(Lesion)).first()

    until(lambda: (found := lesion()) and found.state is LesionState.PUBLISHED, "the dry run")
    with node.rows() as session:
        (found,) = session.scalars(select(Lesion))
        assert (found.rule, found.dry_run, found.destinations) == ("tried", True, ["pacs"])
        assert [Path(result.path).is_file() for result in found.results] == [True]
        assert session.scalars(select(Delivery)).all() == []
        assert set(session.scalars(select(Instance.priority))) == {"low"}
    assert str(made.report.PatientName) not in node.log
