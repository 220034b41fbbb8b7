"""Damaged files of marks: does a reader crash, hang, or give coordinates that are not there?

    python -m benchmarks.fuzz_marks DATA --cases 100000 --json bench-out/fuzz_marks.json
    python -m benchmarks.fuzz_marks DATA --case 4711      # one case again, with its traceback

Half of the cases are torn byte by byte, half by structure (elements and items removed, repeated,
retyped, replaced, grafted, nested). The cases follow from the seed and the files of DATA alone.
They run in a child process with 4 GiB of address space; one that stands still for 20 s is ended and
counts as a hang, and so does every reading of more than a second of processor time.
"""

from __future__ import annotations

import argparse
import gc
import json
import multiprocessing
import resource
import time
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeElapsedColumn
from rich.table import Table

from benchmarks.fuzz.case import FAULTS, Case, Verdict, prepared, run
from benchmarks.fuzz.corpus import Whole, load

STANDSTILL_S = 20.0
ADDRESS_SPACE = 4 * 1024**3
MAX_TOLD = 40

_BATCH = 200


@dataclass
class Outcome:
    """What came of all cases.

    Attributes
    ----------
    by_file : dict
        Name of the whole file to how often each verdict came.
    faults : list of Case
    slowest : Case or None
    """

    by_file: dict[str, Counter[Verdict]] = field(default_factory=lambda: defaultdict(Counter))
    faults: list[Case] = field(default_factory=list)
    slowest: Case | None = None

    def add(self, case: Case) -> None:
        self.by_file[case.name][case.verdict] += 1
        if case.verdict in FAULTS:
            self.faults.append(case)
        if self.slowest is None or case.seconds > self.slowest.seconds:
            self.slowest = case

    def total(self, verdict: Verdict) -> int:
        return sum(counts[verdict] for counts in self.by_file.values())


def _work(
    pipe: Connection, progress, corpus: Sequence[Whole], seed: int, start: int, stop: int
) -> None:
    resource.setrlimit(resource.RLIMIT_AS, (ADDRESS_SPACE, ADDRESS_SPACE))
    gc.collect()
    gc.freeze()  # what was loaded stays, and need not be looked at again
    done: list[Case] = []
    for number in range(start, stop):
        progress.value = number
        case = run(number, seed, corpus)
        done.append(case)
        if case.verdict in FAULTS or len(done) >= _BATCH:
            pipe.send(done)
            done = []
    pipe.send(done)
    pipe.close()


def fuzz(corpus: Sequence[Whole], cases: int, seed: int, on_progress=lambda done: None) -> Outcome:
    """Run cases in a child process that is started again after each one that ends it."""
    outcome = Outcome()
    context = multiprocessing.get_context("spawn")
    start = 0
    while start < cases:
        progress = context.Value("q", start)
        receiver, sender = context.Pipe(duplex=False)
        child = context.Process(target=_work, args=(sender, progress, corpus, seed, start, cases))
        child.start()
        sender.close()
        seen: set[int] = set()
        end = _listen(receiver, progress, outcome, seen, on_progress)
        if end is None:
            child.join()
            break
        child.kill()
        child.join()
        stopped = progress.value
        # What the child had not yet sent is run again, and what stopped it is left out.
        for number in range(start, stopped):
            if number not in seen:
                outcome.add(run(number, seed, corpus))
        whole, _ = prepared(stopped, seed, corpus)
        words = f"the process {end}"
        verdict = Verdict.HANG if end == "stood still" else Verdict.CRASH
        outcome.add(Case(stopped, whole.name, verdict, STANDSTILL_S, words))
        start = stopped + 1
    return outcome


def _listen(
    receiver: Connection, progress, outcome: Outcome, seen: set[int], on_progress
) -> str | None:
    """Take what the child sends; None once it has ended well, else how it ended."""
    last, since = -1, time.monotonic()
    while True:
        try:
            if receiver.poll(0.5):
                for case in receiver.recv():
                    outcome.add(case)
                    seen.add(case.number)
                continue_at = progress.value
                on_progress(continue_at)
        except EOFError:
            complete = not seen or max(seen) == progress.value
            return None if complete and seen else "ended"
        if progress.value != last:
            last, since = progress.value, time.monotonic()
        elif time.monotonic() - since > STANDSTILL_S:
            return "stood still"


def _report(outcome: Outcome, cases: int, seed: int, seconds: float) -> dict:
    return {
        "cases": cases,
        "seed": seed,
        "seconds": round(seconds, 1),
        "verdicts": {verdict.value: outcome.total(verdict) for verdict in Verdict},
        "slowest": None
        if outcome.slowest is None
        else {"case": outcome.slowest.number, "s": round(outcome.slowest.seconds, 3)},
        "by_file": {
            name: {verdict.value: count for verdict, count in counts.items()}
            for name, counts in sorted(outcome.by_file.items())
        },
        "faults": [asdict(case) | {"verdict": case.verdict.value} for case in outcome.faults],
    }


def _print(outcome: Outcome, title: str) -> None:
    console = Console()
    table = Table(title=title)
    table.add_column("file")
    for verdict in Verdict:
        table.add_column(verdict.value, justify="right")
    for name, counts in sorted(outcome.by_file.items()):
        table.add_row(name, *(str(counts[verdict]) for verdict in Verdict))
    table.add_section()
    table.add_row("all", *(str(outcome.total(verdict)) for verdict in Verdict))
    console.print(table)
    for case in outcome.faults[:MAX_TOLD]:
        console.print(
            f"case {case.number}, {case.name}: {case.verdict.value}: {case.words}",
            markup=False,
            highlight=False,
        )
    if outcome.slowest is not None:
        console.print(f"slowest: case {outcome.slowest.number}, {outcome.slowest.seconds:.3f} s")


def main() -> None:
    """Run the cases, print what came of them, write JSON; exit code 1 for any fault."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="where the data sets are")
    parser.add_argument("--cases", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--case", type=int, help="only this one, and let its fault show")
    parser.add_argument("--json", type=Path, default=None)
    arguments = parser.parse_args()
    corpus = load(arguments.folder)
    if arguments.case is not None:
        Console().print(run(arguments.case, arguments.seed, corpus, raising=True))
        return
    started = time.monotonic()
    with Progress(BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()) as bar:
        task = bar.add_task("cases", total=arguments.cases)
        outcome = fuzz(
            corpus, arguments.cases, arguments.seed, lambda n: bar.update(task, completed=n)
        )
    seconds = time.monotonic() - started
    _print(outcome, f"{arguments.cases} cases of {len(corpus)} files in {seconds:.0f} s")
    if arguments.json:
        report = _report(outcome, arguments.cases, arguments.seed, seconds)
        arguments.json.parent.mkdir(parents=True, exist_ok=True)
        arguments.json.write_text(json.dumps(report, indent=1) + "\n")
    if outcome.faults:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
