"""What goes wrong at moments of chance."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import socket
import sqlite3
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import psutil

from benchmarks.peers.node_parts import NodeParts
from benchmarks.peers.node_process import NodeProcess
from benchmarks.peers.orthanc import Orthanc
from dicomnode.store.lock import ROLES, Role

_LOOK_EVERY_S = 0.002
_A_TRANSACTION_S = 5.0
_LISTENS_WITHIN_S = 120.0

# A-ASSOCIATE-RJ (PS3.8 9.3.4): transient, by the service provider (presentation), local limit.
_REJECT = b"\x03\0\0\0\0\x04\0\2\3\2"


@dataclass(frozen=True)
class Fault:
    """Something that went wrong, on purpose.

    Attributes
    ----------
    kind : str
        A name in `Faults.KINDS`.
    at_s : float
        Since the soak began.
    took_s : float
        Until what was hit was back.
    """

    kind: str
    at_s: float
    took_s: float


class NeverBack(RuntimeError):
    """The node, or a part of it, did not run again."""


class Faults:
    """Hits the node, its parts and its peer.

    Parameters
    ----------
    node : NodeProcess
        With kinds of `PARTS`, a `NodeParts`.
    pacs : Orthanc
    chance : random.Random
    hold_s : float
        How long a lock is held, a process stopped, or the destination away.
    """

    KINDS = ("node", "writer", "worker", "stopped", "locked", "pacs", "refusing")
    PARTS = tuple(f"part-{role}" for role in ROLES)
    """Of a node in three parts, besides: one part is killed, the others go on."""

    def __init__(
        self, node: NodeProcess, pacs: Orthanc, chance: random.Random, hold_s: float
    ) -> None:
        self._node, self._pacs, self._chance, self._hold_s = node, pacs, chance, hold_s
        self._database = Path(node.settings.store.url.removeprefix("sqlite:///"))
        self._deeds: dict[str, Callable[[], None]] = {
            "node": self._kill_node,
            "writer": self._kill_writer,
            "worker": self._kill_worker,
            "stopped": self._stop_for_a_while,
            "locked": self._lock_database,
            "pacs": self._kill_pacs,
            "refusing": self._refuse,
        }
        for role, kind in zip(ROLES, self.PARTS, strict=True):
            self._deeds[kind] = partial(self._kill_part, role)

    def order(self, count: int, kinds: tuple[str, ...] = KINDS) -> list[str]:
        """So many kinds by chance, each as often as the others."""
        chosen = [kinds[i % len(kinds)] for i in range(count)]
        self._chance.shuffle(chosen)
        return chosen

    def strike(self, kind: str, begun: float) -> Fault:
        """Let one thing go wrong, and wait until what was hit is back.

        Raises
        ------
        NeverBack
        """
        start = time.monotonic()
        self._deeds[kind]()
        end = time.monotonic()
        return Fault(kind, round(start - begun, 2), round(end - start, 2))

    def start_node(self) -> None:
        """Start the node as systemd does: again, where it ends."""
        end = time.monotonic() + _LISTENS_WITHIN_S
        while time.monotonic() < end:
            with contextlib.suppress(TimeoutError):
                self._node.start()
                return
            self._node.kill()
        raise NeverBack(f"the node does not listen {_LISTENS_WITHIN_S:g} s after it was killed")

    def _kill_part(self, role: Role) -> None:
        """Kill one part, and start it as systemd does: again, where it ends."""
        node = self._node
        if not isinstance(node, NodeParts):
            raise TypeError("expected a node in three parts")
        node.kill_part(role)
        end = time.monotonic() + _LISTENS_WITHIN_S
        while time.monotonic() < end:
            node.begin(role)
            with contextlib.suppress(TimeoutError):
                node.wait_for(role)
                return
            node.kill_part(role)
        raise NeverBack(f"the {role} does not run {_LISTENS_WITHIN_S:g} s after it was killed")

    def _kill_node(self) -> None:
        self._node.kill()
        self.start_node()

    def _kill_writer(self) -> None:
        """Kill the node while a transaction is written: the moment that the log grows."""
        log = self._database.with_name(f"{self._database.name}-wal")
        before = _size(log)
        end = time.monotonic() + _A_TRANSACTION_S
        while _size(log) == before and time.monotonic() < end:
            time.sleep(_LOOK_EVERY_S)
        self._kill_node()

    def _kill_worker(self) -> None:
        """Kill a process that computes; one that does nothing where none is at work."""
        children = [child for pid in self._node.pids for child in _children(pid)]
        workers = [child for child in children if child.num_threads() > 1]
        if workers:
            busy = sorted(workers, key=lambda one: sum(one.cpu_times()[:2]))
            with contextlib.suppress(psutil.NoSuchProcess):
                busy[-1].kill()

    def _stop_for_a_while(self) -> None:
        """One process, of those that the node has."""
        pid = self._chance.choice(self._node.pids)
        os.kill(pid, signal.SIGSTOP)
        time.sleep(self._hold_s)
        os.kill(pid, signal.SIGCONT)

    def _lock_database(self) -> None:
        """Somebody else writes: the node's transactions wait, or fail and are made anew."""
        connection = sqlite3.connect(self._database, timeout=60, isolation_level=None)
        try:
            connection.execute("BEGIN IMMEDIATE")
            time.sleep(self._hold_s)
            connection.execute("ROLLBACK")
        finally:
            connection.close()

    def _kill_pacs(self) -> None:
        self._pacs.kill()
        time.sleep(self._hold_s)
        self._pacs.start()

    def _refuse(self) -> None:
        """The destination turns associations away for a while."""
        self._pacs.kill()
        with _Refuser(self._pacs.dicom_port):
            time.sleep(self._hold_s)
        self._pacs.start()


class _Refuser:
    """Turns every association away, and may be asked again."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_server(("127.0.0.1", port))
        self._thread = threading.Thread(target=self._refuse, daemon=True)

    def _refuse(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._socket.accept()
                with connection, contextlib.suppress(OSError):
                    connection.settimeout(1.0)
                    connection.recv(65536)
                    connection.sendall(_REJECT)
                    connection.recv(1)

    def __enter__(self) -> _Refuser:
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._thread.join()


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def _children(pid: int) -> list[psutil.Process]:
    try:
        return psutil.Process(pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return []
