"""What systemd is told: ready when it is, alive only while it is, and the end before it ends."""

from __future__ import annotations

import os
import queue
import re
import signal
import socket
import subprocess
import sys
import threading
import time

import pytest

from benchmarks.peers.ports import free_port
from dicomnode.node import Node
from dicomnode.service_manager import ServiceManager, attend
from tests.dicomnode.test_node import settings

PATIENCE_S = 240.0


class Listener:
    """The manager's side."""

    def __init__(self, path) -> None:
        self.path = str(path)
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(self.path)
        self._socket.settimeout(PATIENCE_S)

    def hear(self) -> dict[str, str]:
        return dict(line.split("=", 1) for line in self._socket.recv(4096).decode().split("\n"))

    def hear_until(self, name: str) -> dict[str, str]:
        while name not in (said := self.hear()):
            pass
        return said

    def close(self) -> None:
        self._socket.close()


@pytest.fixture
def listener(tmp_path):
    listener = Listener(tmp_path / "notify")
    yield listener
    listener.close()


def attended(manager, *signals, unwell=None, reload=lambda: None) -> None:
    asked: queue.SimpleQueue[signal.Signals] = queue.SimpleQueue()
    for number in signals:
        asked.put(number)
    attend(manager, asked, reload, lambda: unwell, lambda: "two\nlines")


def test_a_reload_is_told_with_its_moment_and_ends_in_readiness(listener):
    reloaded: list[str] = []
    before = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
    attended(
        ServiceManager(listener.path, 60),
        signal.SIGHUP,
        signal.SIGTERM,
        reload=lambda: reloaded.append("rules"),
    )
    after = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
    assert listener.hear() == {"READY": "1", "STATUS": "two lines"}
    assert listener.hear() == {"WATCHDOG": "1", "STATUS": "two lines"}
    reloading = listener.hear()
    assert reloading["RELOADING"] == "1"
    assert before <= int(reloading["MONOTONIC_USEC"]) <= after
    assert reloaded == ["rules"]
    assert listener.hear()["READY"] == "1"
    assert listener.hear()["WATCHDOG"] == "1"
    assert listener.hear()["STOPPING"] == "1"


def test_a_node_that_lacks_something_is_not_said_to_be_alive(listener):
    attended(ServiceManager(listener.path, 60), signal.SIGTERM, unwell="no thread of collector")
    assert "READY" in listener.hear()
    assert listener.hear() == {"STATUS": "no thread of collector"}
    assert "STOPPING" in listener.hear()


def test_the_look_is_thrice_a_time_out(monkeypatch, listener):
    for name, value in (("NOTIFY_SOCKET", listener.path), ("WATCHDOG_USEC", "30000000")):
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("WATCHDOG_PID", str(os.getpid()))
    assert ServiceManager.from_environment().every_s == 10
    # Workers must not find it.
    assert not {"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"} & set(os.environ)
    assert ServiceManager.from_environment().every_s is None


def test_the_watchdog_of_another_process_is_left_to_it(monkeypatch, listener):
    monkeypatch.setenv("NOTIFY_SOCKET", listener.path)
    monkeypatch.setenv("WATCHDOG_USEC", "30000000")
    monkeypatch.setenv("WATCHDOG_PID", "1")
    ServiceManager.from_environment().beat(None, "fine")
    assert listener.hear() == {"STATUS": "fine"}


@pytest.mark.parametrize("address", [None, "/nowhere/notify", "@nobody-listens-here"])
def test_a_manager_that_does_not_listen_stops_nothing(address):
    attended(ServiceManager(address, 60), signal.SIGHUP, signal.SIGTERM)


def test_a_manager_that_hangs_stops_nothing(listener):
    """It listens, and reads nothing: its queue is full after some ten lines."""
    manager = ServiceManager(listener.path, 60)

    def tell() -> None:
        for _ in range(20):
            manager.beat(None, "fine")

    telling = threading.Thread(target=tell, daemon=True)
    telling.start()
    telling.join(PATIENCE_S / 4)
    assert not telling.is_alive()


def test_a_thread_that_has_ended_is_missed(tmp_path):
    with Node(settings(tmp_path, 1)) as node:
        assert node.unwell is None
        assert f"port {node.port}, 0 of 20 associations" in node.status
        next(s for s in node.working._keeping if s.name == "retention").stop()
        assert "retention" in node.unwell


def test_a_node_says_when_it_is_ready_reloads_and_stops(tmp_path, listener):
    """And a SIGHUP that comes while it still imports is a reload, not its end."""
    port = free_port()
    (tmp_path / "node.toml").write_text(
        f'[store]\npath = "{tmp_path / "store"}"\nreserve_mb = 0\n'
        f'[listen]\nhost = "127.0.0.1"\nport = {port}\n[segment]\nprocesses = 1\nstop_s = 0\n'
    )
    process = subprocess.Popen(
        [sys.executable, "-m", "dicomnode", "serve", "-c", str(tmp_path / "node.toml")],
        env=os.environ | {"NOTIFY_SOCKET": listener.path, "WATCHDOG_USEC": "900000"},
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        end = time.monotonic() + PATIENCE_S / 4
        while not _blocks_hang_ups(process.pid):
            assert process.poll() is None
            assert time.monotonic() < end
            time.sleep(0.005)
        process.send_signal(signal.SIGHUP)
        ready = listener.hear()
        assert "READY" in ready
        assert f"port {port}" in ready["STATUS"]
        socket.create_connection(("127.0.0.1", port), PATIENCE_S).close()
        listener.hear_until("RELOADING")
        listener.hear_until("READY")
        for _ in range(3):
            listener.hear_until("WATCHDOG")
        process.terminate()
        listener.hear_until("STOPPING")
        _, log = process.communicate(timeout=PATIENCE_S)
    finally:
        process.kill()
    assert process.returncode == 0
    assert re.search(r"rules\.reloaded|rules\.kept", log)
    assert "node.stopped" in log


def _blocks_hang_ups(pid: int) -> bool:
    with open(f"/proc/{pid}/status") as status:
        blocked = next(line for line in status if line.startswith("SigBlk:"))
    return bool(int(blocked.split()[1], 16) >> (signal.SIGHUP - 1) & 1)
