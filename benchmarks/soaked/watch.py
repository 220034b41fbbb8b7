"""Looks at the node while it is soaked: memory, what was acknowledged, what was delivered."""

from __future__ import annotations

import contextlib
import statistics
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import psutil
from sqlalchemy import create_engine, func, select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import NullPool

from benchmarks.peers.node_process import NodeProcess
from dicomnode.store.states import DeliveryState
from dicomnode.store.tables import Delivery

MAX_GROWTH = 0.05
"""Part by which memory may grow over the second half of a stretch without faults."""

_LEAST_LOOKS = 8


@dataclass(frozen=True)
class Look:
    """One moment.

    Attributes
    ----------
    at_s : float
        Since the soak began.
    life : tuple of int
        Process ids of the node, of its parts if it runs in three; none where it does not run.
    rss_mb, tree_mb : float
        Of the node's own process or parts, and of them with their workers.
    acknowledged, delivered : int
    """

    at_s: float
    life: tuple[int, ...]
    rss_mb: float
    tree_mb: float
    acknowledged: int
    delivered: int


class Watch:
    """Looks every `every_s` seconds, in a thread.

    Parameters
    ----------
    node : NodeProcess
    acknowledged : callable
    every_s : float
    """

    def __init__(
        self, node: NodeProcess, acknowledged: Callable[[], int], every_s: float = 0.5
    ) -> None:
        self.looks: list[Look] = []
        self.begun = time.monotonic()
        self._node, self._acknowledged, self._every_s = node, acknowledged, every_s
        self._engine = create_engine(node.settings.store.url, poolclass=NullPool)
        self._delivered = 0
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Watch:
        """Begin."""
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        """End."""
        self._ended.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._ended.wait(self._every_s):
            own, tree, life = _memory(self._node)
            self.looks.append(
                Look(
                    round(time.monotonic() - self.begun, 2),
                    life,
                    own,
                    tree,
                    self._acknowledged(),
                    self._count_delivered(),
                )
            )

    def _count_delivered(self) -> int:
        try:
            with self._engine.connect() as connection:
                query = select(func.count()).where(Delivery.state == DeliveryState.ACCEPTED)
                self._delivered = connection.scalar(query)
        except SQLAlchemyError:  # locked, or not there yet
            pass
        return self._delivered


def _memory(node: NodeProcess) -> tuple[float, float, tuple[int, ...]]:
    own = tree = 0
    life = []
    for pid in node.pids:
        with contextlib.suppress(psutil.Error):  # it was killed
            process = psutil.Process(pid)
            rss = process.memory_info().rss
            own += rss
            tree += rss + sum(_rss(child) for child in process.children(recursive=True))
            life.append(pid)
    return own / 2**20, tree / 2**20, tuple(life)


def _rss(process: psutil.Process) -> int:
    try:
        return process.memory_info().rss
    except psutil.Error:
        return 0


def growth(looks: Sequence[Look], of: Callable[[Look], float]) -> float | None:
    """Part by which memory grew over the second half of a stretch in which the node lived on.

    The median of the last quarter against that of the quarter before: one look may hit a moment at
    which a worker holds a volume. None where there are too few looks.
    """
    if len(looks) < 4 * _LEAST_LOOKS or len({look.life for look in looks}) != 1:
        return None
    quarter = len(looks) // 4
    last = statistics.median(map(of, looks[-quarter:]))
    before = statistics.median(map(of, looks[-2 * quarter : -quarter]))
    return last / before - 1
