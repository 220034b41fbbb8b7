"""A node listens soon: what only workers need is not loaded, and nothing long is waited for."""

from __future__ import annotations

import subprocess
import sys
import threading

from dicomnode.collect import collector as collecting
from dicomnode.collect.collector import Collector
from dicomnode.node import Node
from dicomnode.settings import CollectSettings
from dicomnode.timing import CallScheduler
from tests.dicomnode.test_node import settings

_LOADED = "import sys, dicomnode.commands; print(*sorted(sys.modules))"
_OF_WORKERS = {"numba", "scipy", "torch", "matplotlib", "SimpleITK", "pyamg", "cv2"}


def test_a_node_loads_nothing_at_its_start_that_only_workers_need():
    run = subprocess.run([sys.executable, "-c", _LOADED], capture_output=True, text=True)
    loaded = set(run.stdout.split())
    assert "dicomnode.node" in loaded
    assert not loaded & _OF_WORKERS


def test_who_sends_does_not_wait_for_marks_that_a_crash_left(database, monkeypatch):
    go_on, begun = threading.Event(), threading.Event()
    examine = collecting.examine_received

    def slowly(found):
        begun.set()
        assert go_on.wait(30)
        return examine(found)

    monkeypatch.setattr(collecting, "examine_received", slowly)
    scheduler = CallScheduler()
    collector = Collector(database, scheduler, CollectSettings(), [], lambda: None)
    collector.start()
    try:
        assert begun.wait(30)
    finally:
        go_on.set()
        collector.stop()


def test_who_sends_does_not_wait_for_the_search_through_the_store(tmp_path, monkeypatch):
    go_on, begun = threading.Event(), threading.Event()

    def slowly(*_):
        begun.set()
        assert go_on.wait(30)
        return iter(())

    monkeypatch.setattr("dicomnode.receive.reconcile._unknown", slowly)
    with Node(settings(tmp_path, 9)) as node:
        assert begun.wait(30)
        assert node.port
        go_on.set()
