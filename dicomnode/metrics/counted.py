"""What is counted while it happens, in this process: it begins at nought with each start.

Labels hold codes and names of the node's own, never what a peer or a data set says.
"""

from __future__ import annotations

import time

from prometheus_client import CollectorRegistry, Counter, Histogram

from dicomnode.tls.faults import FAULT_KINDS

COUNTED = CollectorRegistry()
"""All of this file; each node's own registry takes it in."""

STAGES = ("receive", "segment", "publish", "deliver")

_SECONDS = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 100, 300, 1000)
_REJECTIONS = {
    (1, 2): "application-context-not-supported",
    (1, 3): "calling-ae-not-recognised",
    (1, 7): "called-ae-not-recognised",
    (2, 2): "protocol-version-not-supported",
    (3, 1): "temporary-congestion",
    (3, 2): "local-limit-exceeded",
}
"""Source and diagnostic (PS3.8 Table 9-21) of what the node answers."""

_STAGE = Histogram(
    "dicomnode_stage_seconds",
    "Seconds that one thing took: receiving an object, segmenting a lesion (in its worker), "
    "publishing one (since a worker was given it), sending an object.",
    ["stage"],
    buckets=_SECONDS,
    registry=COUNTED,
)
_REFUSALS = Counter(
    "dicomnode_refusals",
    "Refused by the node: TLS handshakes by what broke them, associations by the reason of the "
    "rejection, instances and requests for commitment by the status of the answer.",
    ["what", "reason"],
    registry=COUNTED,
)

_CALLERS_REJECTED = Counter(
    "dicomnode_callers_rejected",
    "Associations that were rejected by what [[callers]] says: by the name of the rule (none: no "
    "rule fits) and what was lacking or too much.",
    ["caller", "why"],
    registry=COUNTED,
)

_WORKERS_DIED = Counter(
    "dicomnode_workers_died",
    "Worker processes that ended in the midst of their work, by themselves or for their limits.",
    registry=COUNTED,
)

_AUDITED = Counter(
    "dicomnode_audit_messages",
    "Audit messages that were written to the journal, by what they tell.",
    ["message"],
    registry=COUNTED,
)

# Every node says that it starts, so that the metric is there from the beginning.
_AUDITED.labels("ApplicationActivity")

_AUDIT_FAILURES = Counter(
    "dicomnode_audit_failures",
    "Attempts that failed: to write to the journal, to send to the collector, to tell a message.",
    ["what"],
    registry=COUNTED,
)

for _what in ("write", "send", "message"):
    _AUDIT_FAILURES.labels(_what)
for _stage in STAGES:  # so that a rate is known from the first one on
    _STAGE.labels(_stage)
for _reason in _REJECTIONS.values():
    _REFUSALS.labels("association", _reason)
for _kind in FAULT_KINDS:
    _REFUSALS.labels("tls", _kind)
for _status in ("0xA700", "0xA900", "0xC000", "0x0122", "too-large"):
    _REFUSALS.labels("instance", _status)


_OBSERVE = {stage: _STAGE.labels(stage).observe for stage in STAGES}


def took(stage: str, seconds: float) -> None:
    """Count one thing that passed a stage, one of `STAGES`."""
    _OBSERVE[stage](seconds)


def refused(what: str, status: int) -> None:
    """Count an answer that is a failure.

    Parameters
    ----------
    what : str
        "instance" or "commitment".
    status : int
        Of the answer (PS3.7 Annex C).
    """
    _REFUSALS.labels(what, f"0x{status:04X}").inc()


def rejected(source: int, diagnostic: int) -> None:
    """Count an association that was rejected, by source and diagnostic of PS3.8 Table 9-21."""
    reason = _REJECTIONS.get((source, diagnostic), f"{source}-{diagnostic}")
    _REFUSALS.labels("association", reason).inc()


def too_large() -> None:
    """Count an object that grew beyond its limit, and whose association was aborted for it."""
    _REFUSALS.labels("instance", "too-large").inc()


def caller_rejected(caller: str, why: str) -> None:
    """Count an association that was rejected by a rule of [[callers]].

    Parameters
    ----------
    caller : str
        Name of the rule, or "none".
    why : str
        What was lacking or too much, in a word.
    """
    _CALLERS_REJECTED.labels(caller, why).inc()


def handshake_failed(kind: str) -> None:
    """Count a TLS handshake that came to nothing, by one of `FAULT_KINDS`."""
    _REFUSALS.labels("tls", kind).inc()


def worker_died() -> None:
    """Count a worker process that ended before it gave an answer."""
    _WORKERS_DIED.inc()


def audited(message: str) -> None:
    """Count an audit message that is on disk, by the name of its class."""
    _AUDITED.labels(message).inc()


def audit_failed(what: str) -> None:
    """Count a failure to write, to send, or to tell a message."""
    _AUDIT_FAILURES.labels(what).inc()


class StageClock:
    """Times what begins in one call and ends in another.

    Parameters
    ----------
    stage : str
        One of `STAGES`.
    """

    def __init__(self, stage: str) -> None:
        self._stage = stage
        self._begun: dict[int, float] = {}

    def begin(self, number: int) -> None:
        """A thing has begun, for the first time or again."""
        self._begun[number] = time.monotonic()

    def end(self, number: int) -> None:
        """It has ended; one that was not begun is not counted."""
        begun = self._begun.pop(number, None)
        if begun is not None:
            took(self._stage, time.monotonic() - begun)
