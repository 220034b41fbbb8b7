"""Metrics of the node's parts, as seen from any of them."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from dicomnode.health.beat import parts_seen


class PartMetrics(Collector):
    """Looks at locks and heartbeats each time that it is asked.

    Parameters
    ----------
    root : Path
        The store.
    """

    def __init__(self, root: Path) -> None:
        self._root = root

    def collect(self) -> Iterator[Metric]:
        """Look."""
        up = GaugeMetricFamily(
            "dicomnode_part_up", "1 where a process plays the part now.", labels=["part"]
        )
        silent = GaugeMetricFamily(
            "dicomnode_part_silent_seconds",
            "Seconds since the part said last how it is; 0 where one process plays all.",
            labels=["part"],
        )
        try:
            parts = parts_seen(self._root)
        except OSError:
            parts = ()
        for part in parts:
            up.add_metric([part.role], float(part.runs))
            if part.runs:
                said_at = time.time() if part.beat is None else part.beat.beat_at
                silent.add_metric([part.role], max(0.0, time.time() - said_at))
        yield up
        yield silent
