"""Metrics of the machine and of the services, looked at when asked for."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from prometheus_client.core import GaugeMetricFamily, InfoMetricFamily, Metric
from prometheus_client.registry import Collector

from dicomnode.health.health import Health
from dicomnode.health.vitals import ReceiverVitals, Vitals
from dicomnode.receive.pressure import Pressure
from dicomnode.version import VERSION


class MachineMetrics(Collector):
    """Disk, associations, workers, and what `/health/ready` says.

    Parameters
    ----------
    vitals : Vitals
    health : Health
    """

    def __init__(self, vitals: Vitals, health: Health) -> None:
        self._vitals = vitals
        self._health = health

    def collect(self) -> Iterator[Metric]:
        """Look."""
        vitals = self._vitals
        yield InfoMetricFamily("dicomnode", "The version that runs.", value={"version": VERSION})
        checks = self._health.ready()
        passed = GaugeMetricFamily(
            "dicomnode_check_passed", "1 where a check of /health/ready passes.", labels=["check"]
        )
        for check in checks:
            passed.add_metric([check.name], float(check.passed))
        yield passed
        yield _gauge(
            "dicomnode_ready",
            "1 where all checks pass.",
            float(all(check.passed for check in checks)),
        )
        if vitals.receiver is not None:
            yield from _receiver(vitals.receiver)
            yield from _pressure(vitals.receiver.pressure)
        if vitals.worker is not None:
            yield _gauge("dicomnode_workers_alive", "Worker processes.", vitals.worker.alive())
            yield _gauge("dicomnode_workers_limit", "[segment] processes.", vitals.worker.processes)
        yield _gauge(
            "dicomnode_disk_reserve_bytes",
            "The watermark: with less free, nothing is received.",
            vitals.reserve_bytes,
        )
        with contextlib.suppress(OSError):
            yield _gauge("dicomnode_disk_free_bytes", "Free in the store.", vitals.free_bytes)
            yield _gauge("dicomnode_disk_size_bytes", "Size of its disk.", vitals.size_bytes)


def _receiver(receiver: ReceiverVitals) -> Iterator[Metric]:
    yield _gauge("dicomnode_associations", "Open associations.", receiver.associations())
    yield _gauge(
        "dicomnode_associations_limit", "[listen] max_associations.", receiver.max_associations
    )
    yield _gauge(
        "dicomnode_certificate_end_seconds",
        "When the receiver's certificate ends, in seconds since 1970; 0 where no peer can take "
        "it, infinity where there is none.",
        receiver.certificate_end(),
    )


def _pressure(pressure: Pressure) -> Iterator[Metric]:
    reading, marks = pressure.read(), pressure.watermarks
    yield _gauge(
        "dicomnode_pressure_level",
        "0 where all is taken, 1 where marks are and CT images are not, 2 where nothing is.",
        reading.level,
    )
    yield _gauge(
        "dicomnode_disk_marks_only_bytes",
        "The upper watermark: with less free, no CT image is received.",
        marks.marks_free_bytes,
    )
    if reading.backlog is not None:
        yield _gauge("dicomnode_backlog", "Rows that wait for a step.", reading.backlog)
    backlogs = GaugeMetricFamily(
        "dicomnode_backlog_limit", "From when on less is taken.", labels=["taken"]
    )
    backlogs.add_metric(["marks"], marks.marks_backlog)
    backlogs.add_metric(["nothing"], marks.nothing_backlog)
    yield backlogs


def _gauge(name: str, words: str, value: float) -> Metric:
    return GaugeMetricFamily(name, words, value=value)
