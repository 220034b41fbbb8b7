"""Metrics of the audit trail, looked at when asked for."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from dicomnode.audit.service import AuditService


class AuditMetrics(Collector):
    """What waits for the disk, and what for the collector.

    Parameters
    ----------
    audit : AuditService
    """

    def __init__(self, audit: AuditService) -> None:
        self._audit = audit

    def collect(self) -> Iterator[Metric]:
        """Look; nothing is told where there is no audit trail."""
        standing = self._audit.standing()
        if standing is None:
            return
        for name, words, value in (
            ("unwritten", "Audit messages that are not on disk yet.", standing.waiting),
            (
                "failing_seconds",
                "For how long no audit message could be written; 0 where they can.",
                standing.failing_s,
            ),
            (
                "unsent",
                "Audit messages that the collector does not have; 0 where there is none.",
                standing.unsent,
            ),
            (
                "oldest_unsent_seconds",
                "Age of the oldest of them; 0 where it has all.",
                standing.oldest_unsent_s,
            ),
        ):
            yield GaugeMetricFamily(f"dicomnode_audit_{name}", words, value=value)
