"""Health and metrics, as a watcher asks for them over a real socket."""

from __future__ import annotations

import json
import logging
import re
import threading
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from dicomnode.demo.stand_in_pacs import StandInPacs
from dicomnode.health import checks
from dicomnode.health.checks import Check
from dicomnode.health.health import Health
from dicomnode.health.vitals import Vitals
from dicomnode.metrics.rows import RowMetrics
from dicomnode.node import Node
from dicomnode.receive.pressure import Pressure, Watermarks
from dicomnode.store.states import CircuitState, DeliveryState
from dicomnode.store.tables import Circuit, Delivery, Result
from tests.dicomnode.studies import send_to, study
from tests.dicomnode.test_no_patient_data import WORDS, told
from tests.dicomnode.test_node import deliveries, settings, until

ROOT = Path(__file__).parents[2]
CONFIG = ROOT / "config"


def get(node: Node, path: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{node.web_port}{path}", timeout=30) as got:
            return got.status, got.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def metrics(node: Node) -> dict[tuple[str, str], float]:
    """Of each sample, name and values of its labels, in the order of their names."""
    status, text = get(node, "/metrics")
    assert status == 200
    return {
        (sample.name, " ".join(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def watched(tmp_path: Path, pacs_port: int, **changes: object) -> Node:
    return Node(settings(tmp_path, pacs_port, web={"port": 0}, **changes))


def test_a_node_is_ready_and_says_what_it_did_and_says_it_again_after_a_restart(tmp_path):
    made = study("metrics")
    for dataset in (*made.ct, made.report):
        told(dataset)
    with StandInPacs(tmp_path / "pacs") as pacs:
        with watched(tmp_path, pacs.port) as node:
            before = metrics(node)
            send_to(node.port, [*made.ct, made.report], tmp_path / "out")
            send_to(node.port, [made.report], tmp_path / "stranger", calling="STRANGER")
            assert pacs.wait_for(1, 240)
            until(lambda: deliveries(node)[0].state is DeliveryState.ACCEPTED, "acceptance")
            status, text = get(node, "/health/ready")
            assert (status, json.loads(text)["ready"]) == (200, True)
            assert {check["name"] for check in json.loads(text)["checks"]} == {
                "services",
                "store",
                "database",
                "receiver",
                "workers",
                "disk",
                "pressure",
            }
            assert get(node, "/health/live")[0] == 200
            after, page = metrics(node), get(node, "/metrics")[1]
        with watched(tmp_path, pacs.port) as node:
            again = metrics(node)

    def gained(name: str, labels: str) -> float:
        return after[name, labels] - before.get((name, labels), 0)

    assert gained("dicomnode_stage_seconds_count", "receive") == len(made.ct) + 2
    for stage in ("segment", "publish", "deliver"):
        assert gained("dicomnode_stage_seconds_count", stage) == 1
        assert gained("dicomnode_stage_seconds_sum", stage) > 0
    kept = {
        ("dicomnode_instances", ""): len(made.ct) + 1,
        ("dicomnode_lesions", "published"): 1,
        ("dicomnode_marks_total", ""): 1,
        ("dicomnode_results_total", ""): 1,
        ("dicomnode_lesion_seconds_count", ""): 1,
        ("dicomnode_deliveries", "pacs accepted"): 1,
        ("dicomnode_oldest_undelivered_seconds", "pacs"): 0,
        ("dicomnode_ready", ""): 1,
    }
    assert {key: after[key] for key in kept} == {key: again[key] for key in kept} == kept
    assert [word for word in WORDS if word in page.lower()] == []
    assert made.report.SOPInstanceUID not in page


def test_what_waits_and_what_is_refused_is_counted(tmp_path):
    with StandInPacs(tmp_path / "away") as pacs:
        port = pacs.port
    made = study("waits")
    with watched(tmp_path, port, listen={"host": "127.0.0.1", "port": 0,
                                         "calling_ae_titles": ["SENDER"]}) as node:  # fmt: skip
        before = metrics(node)
        broken = study("waits, broken").report
        broken.StudyInstanceUID = "none"
        send_to(node.port, [broken, *made.ct, made.report], tmp_path / "out")
        send_to(node.port, [made.report], tmp_path / "stranger", calling="STRANGER")
        until(lambda: deliveries(node) and deliveries(node)[0].attempts, "an attempt")
        found = metrics(node)
    assert found["dicomnode_queue_length", "deliver"] == 1
    assert found["dicomnode_queue_age_seconds", "deliver"] > 0
    assert found["dicomnode_oldest_undelivered_seconds", "pacs"] > 0
    for labels in ("calling-ae-not-recognised association", "0xA900 instance"):
        key = ("dicomnode_refusals_total", labels)
        assert found[key] - before[key] == 1, labels


def test_what_is_away_and_dead_letters_are_counted_by_reason(tmp_path, database):
    def found() -> dict[tuple[str, str], float]:
        return {
            (sample.name, " ".join(sample.labels.values())): sample.value
            for family in RowMetrics(database, ["pacs", "archive"]).collect()
            for sample in family.samples
        }

    with database.write() as session:
        session.add(Circuit(destination="pacs", state=CircuitState.HALF_OPEN, failures=7, probes=2))
        for number, (status, words) in enumerate(
            [(0x0122, "DOE^JANE"), (0x0122, "other"), (413, "HTTP 413 DOE^JANE"), (None, None)]
        ):
            result = Result(
                kind="k", sop_class_uid="1.2", sop_instance_uid=f"1.2.{number}", path="x", size=1
            )
            session.add(result)
            session.flush()
            session.add(
                Delivery(
                    result_id=result.id,
                    destination="pacs",
                    state=DeliveryState.REFUSED,
                    status=status,
                    peer_words=words,
                )
            )
    after = found()
    dead = {labels: n for (name, labels), n in after.items() if name == "dicomnode_dead_letters"}
    assert dead == {"archive none": 0, "pacs 0x0122": 2, "pacs http-413": 1, "pacs none": 1}
    assert after["dicomnode_circuit_open", "pacs"] == 1
    assert after["dicomnode_circuit_failures", "pacs"] == 7
    assert after["dicomnode_circuit_open", "archive"] == 0
    assert after["dicomnode_store_readable", ""] == 1


def test_below_the_watermark_the_node_is_not_ready_and_says_why(tmp_path, caplog):
    caplog.set_level(logging.INFO)
    with StandInPacs(tmp_path / "pacs") as pacs, watched(
        tmp_path, pacs.port, store={"path": tmp_path / "store", "reserve_mb": 10**9}
    ) as node:  # fmt: skip
        status, text = get(node, "/health/ready")
        found = metrics(node)
        assert get(node, "/health/live")[0] == 200
    assert status == 503
    failed = [check for check in json.loads(text)["checks"] if not check["passed"]]
    assert [check["name"] for check in failed] == ["disk", "pressure"]
    assert found["dicomnode_pressure_level", ""] == 2
    assert "reserve_mb is 1000000000" in failed[0]["reason"]
    assert found["dicomnode_ready", ""] == found["dicomnode_check_passed", "disk"] == 0
    assert caplog.text.count("health.changed check=disk ready=False") == 1


@pytest.fixture
def vitals(tmp_path, database):
    return Vitals(
        root=tmp_path,
        reserve_bytes=0,
        database=database,
        listening=lambda: True,
        associations=lambda: 0,
        max_associations=1,
        workers_alive=lambda: 1,
        workers=1,
        scheduler_runs=lambda: True,
        threads=(threading.current_thread().name,),
        pressure=pressure(free_bytes=10),
        certificate_end=lambda: 0.0,
    )


def pressure(free_bytes: int) -> Pressure:
    marks = Watermarks(
        marks_free_bytes=4,
        nothing_free_bytes=2,
        release_bytes=0,
        marks_backlog=1,
        nothing_backlog=1,
    )
    return Pressure(marks, lambda: free_bytes, lambda: 0)


def changed(vitals: Vitals, **changes: object) -> Vitals:
    return Vitals(**(vars(vitals) | changes))


@pytest.mark.parametrize(
    ("look", "changes"),
    [
        (checks.services, {"threads": ("no-such-thread",)}),
        (checks.services, {"scheduler_runs": lambda: False}),
        (checks.store, {"root": Path("/nowhere/at/all")}),
        (checks.receiver, {"listening": lambda: False}),
        (checks.disk, {"reserve_bytes": 2**62}),
        (checks.disk, {"root": Path("/nowhere/at/all")}),
        (checks.pressure, {"pressure": pressure(free_bytes=1)}),
    ],
)
def test_each_check_can_fail(vitals, look, changes):
    assert look(vitals).passed
    failed = look(changed(vitals, **changes))
    assert not failed.passed
    assert failed.reason


def test_dead_workers_matter_where_work_waits(vitals, database, monkeypatch):
    dead = changed(vitals, workers_alive=lambda: 0)
    assert checks.workers(dead).passed
    monkeypatch.setattr(checks, "_WORK", ())
    with database.engine.begin() as connection:
        connection.exec_driver_sql(
            "INSERT INTO lesion (mark_key, mark, source_sop_instance_uid, unsettled, state, "
            "warnings, attempts, waiting_since, changed_at) "
            "VALUES ('k', '{}', '1.2', 0, 'ready', '[]', 0, 0, 0)"
        )
    assert checks.workers(dead).passed
    monkeypatch.undo()
    assert not checks.workers(dead).passed


def test_a_database_that_is_gone_fails_its_check(vitals, database):
    assert checks.database(vitals).passed
    with database.engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE lesion RENAME TO elsewhere")
    failed = checks.database(vitals)
    assert not failed.passed
    assert "OperationalError" in failed.reason


def test_a_check_that_hangs_is_not_waited_for_and_not_begun_twice(vitals, monkeypatch):
    release, begun = threading.Event(), []

    def hangs(_vitals: Vitals) -> Check:
        begun.append(1)
        release.wait(60)
        return Check("hangs", True, "at last")

    monkeypatch.setattr("dicomnode.health.health.LIVE", (hangs,))
    health = Health(vitals, limit_s=0.05)
    for _ in range(2):
        (check,) = health.live()
        assert not check.passed
        assert "no answer within" in check.reason
    assert len(begun) == 1
    release.set()


def test_dashboard_and_alerts_name_metrics_that_there_are(tmp_path):
    with StandInPacs(tmp_path / "pacs") as pacs, watched(tmp_path, pacs.port) as node:
        known = {name for name, _ in metrics(node)}
    dashboard = json.loads((CONFIG / "grafana-dashboard.json").read_text(encoding="utf-8"))
    asked = [target["expr"] for panel in dashboard["panels"] for target in panel.get("targets", [])]
    rules = (CONFIG / "prometheus-alerts.yml").read_text(encoding="utf-8")
    alerts = re.findall(r"^ +expr: (.+)$", rules, re.MULTILINE)
    assert len(alerts) == rules.count("- alert:") == rules.count("mend:")
    assert len(asked) > 10
    for expression in (*asked, *alerts):
        names = re.findall(r"\b(?:dicomnode|process|python)_\w+", expression)
        assert names, expression
        assert set(names) <= known, expression
