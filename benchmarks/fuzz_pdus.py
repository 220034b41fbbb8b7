"""Damaged PDUs, command sets and data sets: does the receiver crash, hang or leak?

    python -m benchmarks.fuzz_pdus --count 1000000 --seed 1 --json bench-out/fuzz_pdus.json
    python -m benchmarks.fuzz_pdus --count 500000 --first 500000 --seed 1    # the second half of it
    python -m benchmarks.fuzz_pdus --seed 1 --case 4711     # one case again, with its traceback

Each case is what one peer sends: an A-ASSOCIATE-RQ (a fifth of them), the PDUs of an association
(two fifths), a command set, or a data set, with one fault or several. It follows from the seed and
its number alone, so that halves can run beside each other. Most are given to the receiver in this
process, a share over sockets to one that listens. A crash is any error other than those that the
receiver has types for, and any line that the node logs as ERROR; a leak is growth of memory,
objects, threads or descriptors over the second half of a run, or a file or an association that is
left over.
"""

from __future__ import annotations

import argparse
import gc
import json
import logging
import os
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeElapsedColumn
from rich.table import Table

from benchmarks.fuzz_receiver.case import Errors, Fault, Material, Receiver, Verdict
from benchmarks.fuzz_receiver.over_sockets import ListeningReceiver
from dicomnode.logs import silence_libraries

MAX_GROWTH = 0.05
"""Part by which memory and objects may grow over the second half."""

_LOOK_EVERY = 20_000
_SOCKETS_AT_A_TIME = 200
_MAX_TOLD = 40


@dataclass(frozen=True)
class Look:
    """The process at one moment.

    Attributes
    ----------
    cases : int
        Done so far.
    rss_kb, objects, threads, descriptors : int
    """

    cases: int
    rss_kb: int
    objects: int
    threads: int
    descriptors: int


@dataclass
class Outcome:
    """What came of all cases.

    Attributes
    ----------
    counts : Counter
        Cases by kind and verdict.
    over_sockets : int
        How many of them.
    faults : list of Fault
    looks : list of Look
    """

    counts: Counter[tuple[str, Verdict]] = field(default_factory=Counter)
    over_sockets: int = 0
    faults: list[Fault] = field(default_factory=list)
    looks: list[Look] = field(default_factory=list)

    def add(self, kind: str, told: Verdict | Fault) -> None:
        if isinstance(told, Fault):
            self.faults.append(told)
            told = told.verdict
        self.counts[kind, told] += 1

    @property
    def leaks(self) -> list[str]:
        """What grew over the second half."""
        half = [look for look in self.looks if look.cases >= self.looks[-1].cases / 2]
        if len(half) < 2:
            return []
        first, last = half[0], half[-1]
        grown = [
            f"{name} from {before} to {after}"
            for name, before, after in (
                ("rss_kb", first.rss_kb, last.rss_kb),
                ("objects", first.objects, last.objects),
            )
            if after > before * (1 + MAX_GROWTH)
        ]
        return grown + [
            f"{name} from {before} to {after}"
            for name, before, after in (
                ("threads", first.threads, last.threads),
                ("descriptors", first.descriptors, last.descriptors),
            )
            if after > before
        ]


def fuzz(
    count: int,
    seed: int,
    socket_share: float,
    folder: Path,
    on_progress: Callable[[int], None] = lambda done: None,
    first: int = 0,
) -> Outcome:
    """Run `count` cases from number `first` on, those of a share over sockets."""
    outcome, material = Outcome(), Material(seed)
    errors = Errors()
    logger = logging.getLogger("dicomnode")
    logger.addHandler(errors)
    level, propagates = logger.level, logger.propagate
    logger.setLevel(logging.ERROR)
    logger.propagate = False
    every = round(1 / socket_share) if socket_share else 0
    receiver = Receiver(folder / "in-process", errors)
    try:
        with ListeningReceiver(folder / "listening", errors) as listening:
            for done, number in enumerate(range(first, first + count), 1):
                damaged = material.damaged(number)
                by_socket = every and number % every == 0 and damaged.kind in _STREAMS
                if by_socket:
                    told = listening.judge(number, damaged, material.requests[1])
                    outcome.over_sockets += 1
                else:
                    told = receiver.judge(number, damaged)
                outcome.add(damaged.kind, told)
                if by_socket and outcome.over_sockets % _SOCKETS_AT_A_TIME == 0:
                    _note_left_over(outcome, number, listening.settled())
                if done % _LOOK_EVERY == 0 or done == count:
                    _note_left_over(outcome, number, listening.settled() + receiver.left_over())
                    outcome.looks.append(_look(done))
                    on_progress(done)
    finally:
        receiver.close()
        logger.removeHandler(errors)
        logger.setLevel(level)
        logger.propagate = propagates
    return outcome


_STREAMS = ("association", "conversation")


def _note_left_over(outcome: Outcome, number: int, left: list[str]) -> None:
    if left:
        words = ", ".join(left[:10])
        outcome.faults.append(Fault(number, "many", Verdict.LEFT_OVER, words))


def _look(cases: int) -> Look:
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return Look(
        cases,
        pages * os.sysconf("SC_PAGE_SIZE") // 1024,
        len(gc.get_objects()),
        threading.active_count(),
        len(os.listdir("/proc/self/fd")),
    )


def memory_folder() -> str | None:
    """A folder in memory for stores that are thrown away; None where there is none."""
    return "/dev/shm" if os.access("/dev/shm", os.W_OK) else None


def _report(outcome: Outcome, count: int, first: int, seed: int, seconds: float) -> dict:
    return {
        "cases": count,
        "first": first,
        "seed": seed,
        "seconds": round(seconds, 1),
        "over_sockets": outcome.over_sockets,
        "verdicts": {f"{k}: {v.value}": n for (k, v), n in sorted(outcome.counts.items(), key=str)},
        "faults": [asdict(fault) | {"verdict": fault.verdict.value} for fault in outcome.faults],
        "leaks": outcome.leaks,
        "looks": [asdict(look) for look in outcome.looks],
    }


def _print(outcome: Outcome, title: str) -> None:
    console = Console()
    table = Table(title=title)
    table.add_column("what was damaged")
    for verdict in Verdict:
        table.add_column(verdict.value, justify="right")
    for kind in sorted({kind for kind, _ in outcome.counts}):
        table.add_row(kind, *(str(outcome.counts[kind, verdict]) for verdict in Verdict))
    console.print(table)
    for fault in outcome.faults[:_MAX_TOLD]:
        words = f"case {fault.number}, {fault.kind}: {fault.verdict.value}: {fault.words}"
        console.print(words, markup=False, highlight=False, soft_wrap=True)
    first, last = outcome.looks[0], outcome.looks[-1]
    console.print(f"{outcome.over_sockets} over sockets; {first} to {last}", highlight=False)
    for leak in outcome.leaks:
        console.print(f"leak: {leak}", markup=False, highlight=False)


def main() -> None:
    """Run the cases, print what came of them, write JSON; exit code 1 for a fault or a leak."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=100_000)
    parser.add_argument("--first", type=int, default=0, help="number of the first case")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--socket-share", type=float, default=0.02)
    parser.add_argument("--case", type=int, help="only this one, in process; its fault is raised")
    parser.add_argument("--json", type=Path, default=None)
    arguments = parser.parse_args()
    silence_libraries()
    with tempfile.TemporaryDirectory(dir=memory_folder()) as scratch:
        if arguments.case is not None:
            damaged = Material(arguments.seed).damaged(arguments.case)
            Console().print(damaged)
            receiver = Receiver(Path(scratch), Errors())
            Console().print(receiver.judge(arguments.case, damaged, raising=True))
            return
        started = time.monotonic()
        with Progress(BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()) as bar:
            task = bar.add_task("cases", total=arguments.count)
            outcome = fuzz(
                arguments.count,
                arguments.seed,
                arguments.socket_share,
                Path(scratch),
                lambda done: bar.update(task, completed=done),
                arguments.first,
            )
        seconds = time.monotonic() - started
    said = f"{arguments.count} cases from {arguments.first} on in {seconds:.0f} s"
    _print(outcome, f"{said}, seed {arguments.seed}")
    if arguments.json:
        arguments.json.parent.mkdir(parents=True, exist_ok=True)
        report = _report(outcome, arguments.count, arguments.first, arguments.seed, seconds)
        arguments.json.write_text(json.dumps(report, indent=1) + "\n")
    if outcome.faults or outcome.leaks:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
