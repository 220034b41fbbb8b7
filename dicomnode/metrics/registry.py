"""All metrics of one node."""

from __future__ import annotations

from collections.abc import Sequence

from prometheus_client import CollectorRegistry, PlatformCollector, ProcessCollector

from dicomnode.audit.service import AuditService
from dicomnode.health.health import Health
from dicomnode.health.vitals import Vitals
from dicomnode.metrics.audited import AuditMetrics
from dicomnode.metrics.counted import COUNTED
from dicomnode.metrics.machine import MachineMetrics
from dicomnode.metrics.rows import RowMetrics


def metrics_of(
    vitals: Vitals,
    health: Health,
    destinations: Sequence[str],
    audit: AuditService | None = None,
) -> CollectorRegistry:
    """Gather what is counted, what rows say, the machine, and the process (memory, CPU, files)."""
    registry = CollectorRegistry()
    registry.register(COUNTED)
    registry.register(RowMetrics(vitals.database, destinations))
    registry.register(MachineMetrics(vitals, health))
    if audit is not None:
        registry.register(AuditMetrics(audit))
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    return registry
