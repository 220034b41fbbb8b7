"""All metrics of one process."""

from __future__ import annotations

from collections.abc import Sequence

from prometheus_client import CollectorRegistry, PlatformCollector, ProcessCollector

from dicomnode.audit.service import AuditService
from dicomnode.health.health import Health
from dicomnode.health.vitals import Vitals
from dicomnode.metrics.audited import AuditMetrics
from dicomnode.metrics.counted import COUNTED
from dicomnode.metrics.machine import MachineMetrics
from dicomnode.metrics.parts import PartMetrics
from dicomnode.metrics.rows import RowMetrics


def metrics_of(
    vitals: Vitals,
    health: Health,
    destinations: Sequence[str],
    rows: bool = True,
    audit: AuditService | None = None,
) -> CollectorRegistry:
    """Gather what is counted, what rows say, the machine, and the process (memory, CPU, files).

    Parameters
    ----------
    vitals : Vitals
    health : Health
    destinations : sequence of str
        Those that are configured.
    rows : bool
        Whether what rows say is told: of several processes on one store one tells it, so that a
        sum over them counts nothing twice.
    audit : AuditService, optional
    """
    registry = CollectorRegistry()
    registry.register(COUNTED)
    if rows:
        registry.register(RowMetrics(vitals.database, destinations))
        registry.register(PartMetrics(vitals.root))
    registry.register(MachineMetrics(vitals, health))
    if audit is not None:
        registry.register(AuditMetrics(audit))
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    return registry
