"""One soak from its start to its verdict."""

from __future__ import annotations

import random
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path

from benchmarks.peers.node_parts import NodeParts
from benchmarks.peers.node_process import NodeProcess
from benchmarks.peers.orthanc import Orthanc
from benchmarks.soaked.faults import Fault, Faults, NeverBack
from benchmarks.soaked.material import Material, Plan
from benchmarks.soaked.senders import Senders
from benchmarks.soaked.verdict import Findings, is_settled, judge, told
from benchmarks.soaked.watch import MAX_GROWTH, Look, Watch, growth

_TO_SETTLE = 0.3
"""Part of the time that is kept for what is left when all was sent, and for the verdict."""


@dataclass(frozen=True)
class Options:
    """What is asked for; see ``python -m benchmarks.soak --help``."""

    senders: int = 50
    instances: int = 20_000
    lesions: int = 80
    kills: int = 21
    seconds: float = 720.0
    calm_from: float = 0.5
    hold_s: float = 3.0
    pause_s: float = 0.0
    seed: int = 1
    kinds: tuple[str, ...] = Faults.KINDS
    parts: bool = False


@dataclass
class Course:
    """How it went.

    Attributes
    ----------
    looks : list of Look
    struck : list of Fault
    calm_at_s, sent_at_s, ended_at_s : float
        Since it began: from when on nothing was broken, all was sent, all was looked at.
    settled : bool
        Whether every lesion and delivery was final in time.
    never : str
        Why the node did not come back; empty where it did.
    """

    looks: list[Look] = field(default_factory=list)
    struck: list[Fault] = field(default_factory=list)
    calm_at_s: float = 0.0
    sent_at_s: float = 0.0
    ended_at_s: float = 0.0
    settled: bool = False
    never: str = ""


def soak(options: Options, folder: Path) -> tuple[dict[str, object], Course]:
    """Run it in an empty folder; give the report, as JSON has it, and the course."""
    end = time.monotonic() + options.seconds
    material = Material(Plan.of(options.instances, options.lesions), options.seed)
    pacs = Orthanc(folder / "orthanc")
    node = (NodeParts if options.parts else NodeProcess)(
        folder / "node",
        pacs.AE_TITLE,
        pacs.dicom_port,
        listen={"max_associations": options.senders + 10},
        collect={"quiet_period_s": 1.0},
        retry={"first_wait_s": 0.5, "longest_wait_s": 5.0},
        circuit={"first_wait_s": 1.0, "longest_wait_s": 3.0},
    )
    # Before there are threads, for it forks.
    senders = Senders(
        material, options.senders, node.port, node.AE_TITLE, folder / "ledgers", options.pause_s
    )
    try:
        with pacs:
            course = _course(options, material.plan, node, pacs, senders, end)
            node.stop()
            ledger = senders.ledger()
            found = judge(node, pacs, ledger, material.reports())
    finally:
        senders.stop()
        node.kill()
    return _report(options, material.plan, course, found, len(ledger), senders.repeats), course


def _course(
    options: Options,
    plan: Plan,
    node: NodeProcess,
    pacs: Orthanc,
    senders: Senders,
    end: float,
) -> Course:
    chance = random.Random(options.seed)
    faults = Faults(node, pacs, chance, options.hold_s)
    course = Course()
    send_until = end - options.seconds * _TO_SETTLE
    with Watch(node, lambda: senders.acknowledged) as watch:
        course.looks = watch.looks
        try:
            faults.start_node()
            senders.go()
            kinds = faults.order(options.kills, options.kinds)
            most = options.calm_from * plan.instances
            for at, kind in zip(sorted(chance.uniform(0, most) for _ in kinds), kinds, strict=True):
                while senders.acknowledged < at and time.monotonic() < send_until:
                    time.sleep(0.01)
                if time.monotonic() >= send_until:
                    break
                time.sleep(chance.uniform(0, 0.5))
                course.struck.append(faults.strike(kind, watch.begun))
            course.calm_at_s = time.monotonic() - watch.begun
            while senders.running and time.monotonic() < send_until:
                time.sleep(0.1)
        except NeverBack as error:
            course.never = str(error)
        senders.stop()
        course.sent_at_s = time.monotonic() - watch.begun
        while not course.never and not course.settled and time.monotonic() < end:
            time.sleep(0.5)
            course.settled = is_settled(node)
        course.ended_at_s = time.monotonic() - watch.begun
    return course


def _report(
    options: Options,
    plan: Plan,
    course: Course,
    found: Findings,
    acknowledged: int,
    repeats: int,
) -> dict[str, object]:
    calm = [look for look in course.looks if course.calm_at_s <= look.at_s <= course.sent_at_s]
    grown = {
        "node": growth(calm, lambda look: look.rss_mb),
        "node and workers": growth(calm, lambda look: look.tree_mb),
    }
    broken = [*found.faults, *([course.never] if course.never else [])]
    broken += [
        f"memory of {name} grew by {part:.1%} over the second half"
        for name, part in grown.items()
        if part is not None and part > MAX_GROWTH
    ]
    unfinished = []
    if acknowledged < plan.instances:
        unfinished.append(f"{acknowledged} of {plan.instances} objects were acknowledged in time")
    if len(course.struck) < options.kills:
        unfinished.append(f"{len(course.struck)} of {options.kills} faults happened in time")
    if not course.settled:
        # What is on its way when time is over is no broken promise.
        unfinished.append("not every lesion and delivery was final in time")
        unfinished += told(found.still_open)
    else:
        broken += found.still_open
    if None in grown.values():
        unfinished.append("the stretch without faults was too short to compare memory")
    return {
        "verdict": "broken" if broken else "unfinished" if unfinished else "held",
        "broken": told(broken),
        "unfinished": unfinished,
        "options": asdict(options),
        "objects": plan.instances,
        "acknowledged": acknowledged,
        "repeats": repeats,
        "lesions": found.lesions,
        "deliveries": found.deliveries,
        "results_in_orthanc": found.in_pacs,
        "memory_growth": grown,
        "largest_mb": {
            "node": max((look.rss_mb for look in course.looks), default=0.0),
            "node and workers": max((look.tree_mb for look in course.looks), default=0.0),
        },
        "seconds": {
            "with faults": round(course.calm_at_s, 1),
            "sent": round(course.sent_at_s, 1),
            "all": round(course.ended_at_s, 1),
        },
        "killed_to_listening_s": [
            fault.took_s
            for fault in course.struck
            if fault.kind in ("node", "writer", *Faults.PARTS)
        ],
        "faults": [asdict(fault) for fault in course.struck],
        "looks": [asdict(look) for look in course.looks],
    }
