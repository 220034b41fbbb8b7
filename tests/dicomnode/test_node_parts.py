"""Receiver, worker and web on one store do together what one process does, and fail apart."""

from __future__ import annotations

import json
import os
import time
import urllib.error
import urllib.request

import pytest
from pydicom.uid import ImplicitVRLittleEndian
from pynetdicom.dsutils import encode

from dicomnode.deliver.answer import Verdict
from dicomnode.demo.stand_in_pacs import StandInPacs
from dicomnode.health.beat import LATE_S, Beat, parts_seen
from dicomnode.node import Node
from dicomnode.receive.intake import Announced
from dicomnode.store.lock import ROLES, Role, StoreInUse, running_roles
from dicomnode.store.states import CommitmentState, DeliveryState, LesionState
from dicomnode.store.tables import Commitment
from dicomnode.waking import missed
from tests.dicomnode.deliver.committing_peer import CommittingPeer
from tests.dicomnode.deliver.results_on_disk import queue, segs
from tests.dicomnode.studies import send_to, study
from tests.dicomnode.test_node import deliveries, lesions, settings, until

RECEIVER, WORKER, WEB = ((role,) for role in ROLES)


def ready(node: Node) -> tuple[int, dict[str, dict]]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{node.web_port}/health/ready") as answer:
            status, text = answer.status, answer.read()
    except urllib.error.HTTPError as error:
        status, text = error.code, error.read()
    return status, {check["name"]: check for check in json.loads(text)["checks"]}


def metrics(node: Node) -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{node.web_port}/metrics") as answer:
        return answer.read().decode()


def accepted(node: Node) -> int:
    return sum(row.state is DeliveryState.ACCEPTED for row in deliveries(node))


def test_a_study_that_comes_to_one_process_is_worked_at_by_another(tmp_path):
    first, second, third = study("apart"), study("while away"), study("again")
    with StandInPacs(tmp_path / "pacs") as pacs:
        told = settings(tmp_path, pacs.port)
        with Node(told, roles=RECEIVER) as receiver:
            with Node(told, roles=WORKER) as worker:
                send_to(receiver.port, [*first.ct, first.report], tmp_path / "first")
                until(lambda: accepted(worker) == 1, "the first result")
            # Nobody works: it is received all the same, and worked at by the next.
            answers = send_to(receiver.port, [*second.ct, second.report], tmp_path / "second")
            assert {answer.verdict for answer in answers} == {Verdict.ACCEPTED}
            with Node(told, roles=WORKER) as worker:
                until(lambda: accepted(worker) == 2, "what came meanwhile")
                # The door of the new worker is known to the old receiver.
                send_to(receiver.port, [*third.ct, third.report], tmp_path / "third")
                until(lambda: accepted(worker) == 3, "what comes after that")
                assert [row.state for row in lesions(worker)] == [LesionState.PUBLISHED] * 3
        assert len(pacs.arrivals) == 3


def test_what_is_posted_to_the_web_part_is_worked_at(tmp_path):
    made = study("posted")
    with StandInPacs(tmp_path / "pacs") as pacs:
        told = settings(tmp_path, pacs.port, web={"port": 0})
        with Node(told, roles=WORKER) as worker, Node(told, roles=WEB) as web:
            for dataset in [*made.ct, made.report]:
                web.posting.intake.keep(
                    Announced(
                        str(dataset.SOPClassUID),
                        str(dataset.SOPInstanceUID),
                        ImplicitVRLittleEndian,
                        "POSTER",
                        "DICOMNODE",
                    ),
                    [encode(dataset, True, True)],
                )
            until(lambda: accepted(worker) == 1, "the result")


def test_what_no_hint_told_of_is_found(tmp_path, monkeypatch):
    """As where the receiver dies between a row and its hint."""
    monkeypatch.setattr("dicomnode.parts.working.LOOK_EVERY_S", 0.2)
    assert missed.LOOK_EVERY_S < LATE_S
    monkeypatch.setattr("dicomnode.waking.sender.WakeSender._tell", lambda self: None)
    made = study("unsaid")
    with StandInPacs(tmp_path / "pacs") as pacs:
        told = settings(tmp_path, pacs.port)
        with Node(told, roles=RECEIVER) as receiver, Node(told, roles=WORKER) as worker:
            send_to(receiver.port, [made.report], tmp_path / "mark")
            until(lambda: lesions(worker), "the mark is read")
            send_to(receiver.port, made.ct, tmp_path / "ct")
            until(lambda: accepted(worker) == 1, "the result")


def test_a_report_that_comes_to_the_receiver_wakes_the_worker(tmp_path):
    with CommittingPeer("later") as peer:
        told = settings(
            tmp_path,
            0,
            destinations=[
                {
                    "name": "pacs",
                    "ae_title": peer.AE_TITLE,
                    "host": "127.0.0.1",
                    "port": peer.port,
                    "commit": True,
                }
            ],
            confirm={"batch_s": 0, "batch": 1, "same_association_s": 600},
        )
        with Node(told, roles=RECEIVER) as receiver:
            queue(receiver.database, segs(2, tmp_path / "results"), "pacs")
            with Node(told, roles=WORKER) as worker:
                # The first report ends the wait for one on the same association, ten minutes long.
                for number in range(2):
                    until(lambda n=number: len(peer.requests) > n, "a request")
                    assert peer.report(peer.requests[number], receiver.port) == 0x0000
                with worker.database.read() as session:
                    assert {c.state for c in session.query(Commitment)} == {
                        CommitmentState.REPORTED
                    }


def test_each_part_has_one_process(tmp_path):
    told = settings(tmp_path, 0)
    with Node(told, roles=RECEIVER):
        assert running_roles(told.store.path) == {Role.RECEIVER}
        with pytest.raises(StoreInUse, match="its receiver runs there"), Node(told, roles=RECEIVER):
            pass
        with pytest.raises(StoreInUse, match="its receiver runs there"), Node(told):
            pass
        # What failed took nothing along.
        with Node(told, roles=WORKER):
            assert running_roles(told.store.path) == {Role.RECEIVER, Role.WORKER}
    with Node(told):
        assert running_roles(told.store.path) == set(ROLES)
        for roles in (RECEIVER, WORKER, WEB):
            with pytest.raises(StoreInUse, match="runs there"), Node(told, roles=roles):
                pass
    assert running_roles(told.store.path) == set()


def test_the_web_part_lives_alone_and_says_who_is_missing(tmp_path):
    told = settings(tmp_path, 0, web={"port": 0}, parts={"receiver_port": 0})
    with Node(told, roles=WEB) as web:
        status, checks = ready(web)
        assert status == 503
        assert [name for name, check in checks.items() if not check["passed"]] == ["parts"]
        assert "the receiver does not run; the worker does not run" in checks["parts"]["reason"]
        assert web.unwell is None
        assert 'dicomnode_part_up{part="worker"} 0.0' in metrics(web)
        with Node(told, roles=RECEIVER) as receiver, Node(told, roles=WORKER) as worker:
            status, checks = ready(web)
            assert (status, checks["parts"]["passed"]) == (200, True), checks
            assert {"receiver", "workers", "pressure"}.isdisjoint(checks)
            assert 'dicomnode_part_up{part="worker"} 1.0' in metrics(web)
            # Each tells its own, and what rows say is told once.
            assert {"receiver", "pressure"} <= set(ready(receiver)[1])
            assert "dicomnode_associations 0.0" in metrics(receiver)
            assert "dicomnode_queue_length" in metrics(web)
            assert "dicomnode_queue_length" not in metrics(receiver)
            assert worker.web_port is None
            assert "answers on 127.0.0.1" in web.status
            assert worker.status == "1 of 1 worker processes"
        assert ready(web)[0] == 503


def test_a_part_that_hangs_or_is_unwell_is_seen(tmp_path):
    told = settings(tmp_path, 0)
    root = told.store.path
    with Node(told, roles=WORKER) as worker:
        seen = {part.role: part for part in parts_seen(root)}
        assert seen[Role.WORKER].problem is None
        assert seen[Role.WORKER].beat.pid == os.getpid()
        assert seen[Role.RECEIVER].problem == "the receiver does not run"
        worker._heartbeat._unwell = lambda: "found no thread of collector"
        worker._heartbeat.beat()
        (part,) = (part for part in parts_seen(root) if part.runs)
        assert part.problem == "the worker: found no thread of collector"
        beat = Beat.read(root, Role.WORKER)
        (root / "status" / "worker.json").write_text(
            json.dumps(vars(beat) | {"beat_at": time.time() - LATE_S - 1})
        )
        (part,) = (part for part in parts_seen(root) if part.runs)
        assert "has said nothing for 31 s" in part.problem
        (root / "status" / "worker.json").write_text("not JSON")
        assert Beat.read(root, Role.WORKER) is None
    assert not any(part.runs or part.beat for part in parts_seen(root))
