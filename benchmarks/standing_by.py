"""A node that stands by: 100 associations, 20 idle ones, and a start on 100,000 instances.

    python -m benchmarks.standing_by --json bench-out/standing_by.json

Orthanc and DCMTK's storescp open as many associations in the same run, from the same requestor,
round by round. Idle associations cost what the node's processor time is with them, less what it is
without. A start is timed from the process's beginning until an association is accepted, with the
store full and with it empty; the first start of each, which compiles bytecode, is not counted.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import tempfile
import time
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks.peers.dcmtk import Storescp
from benchmarks.peers.node_process import NodeProcess
from benchmarks.peers.orthanc import Orthanc
from benchmarks.peers.processor import processor_s
from benchmarks.peers.requestor import Requestor
from benchmarks.standing.associations import CLASSES, opened
from benchmarks.standing.full_store import fill

_SETTLES_S = 10.0
"""What a start leaves to do, such as the workers' imports, is over by then."""

_LIMITS = {"open_s": 5.0, "idle_percent": 1.0, "start_s": 3.0}


def measure(options: argparse.Namespace, work: Path) -> dict[str, object]:
    """Run all of it."""
    node = _node(work / "node", options.associations)
    with node:
        time.sleep(_SETTLES_S)
        opening: dict[str, list[float]] = {"node": [], "Orthanc": [], "storescp": []}
        for number in range(options.rounds):
            for name, found in opening.items():
                found.append(_opening(name, node, work / f"{name} {number}", options))
        bare = _core_percent(node, options.idle_s)
        with opened(node.port, node.AE_TITLE, options.idle):
            time.sleep(1.0)
            with_idle = _core_percent(node, options.idle_s)
    return {
        "contexts": len(CLASSES),
        "associations": options.associations,
        "open_s": {name: statistics.median(found) for name, found in opening.items()},
        "opening_s": opening,
        "idle_associations": options.idle,
        "idle_for_s": options.idle_s,
        "core_percent": {"without": bare, "with": with_idle, "by them": with_idle - bare},
        "instances": options.instances,
        "start_s": _starts(work, options),
    }


def _node(folder: Path, associations: int) -> NodeProcess:
    return NodeProcess(folder, "NOBODY", 9, listen={"max_associations": associations + 10})


def _opening(name: str, node: NodeProcess, folder: Path, options: argparse.Namespace) -> float:
    if name == "node":
        with opened(node.port, node.AE_TITLE, options.associations) as took:
            return took
    if name == "Orthanc":
        # It has as many threads as it takes associations.
        server = Orthanc(folder, DicomThreadsCount=options.associations + 10)
    else:
        server = Storescp(folder, "--fork")
    with server, opened(server.port, server.AE_TITLE, options.associations) as took:
        return took


def _core_percent(node: NodeProcess, seconds: float) -> float:
    before, start = processor_s(node.pid), time.monotonic()
    time.sleep(seconds)
    return 100 * (processor_s(node.pid) - before) / (time.monotonic() - start)


def _starts(work: Path, options: argparse.Namespace) -> dict[str, list[float]]:
    """Seconds from the start of the process to the first association, of several starts."""
    found: dict[str, list[float]] = {}
    for name, count in (("empty", 0), ("full", options.instances)):
        node = _node(work / name, options.associations)
        if count:
            fill(node.settings.store.path, node.settings.store.url, count)
            os.sync()
        found[name] = [_start(node) for _ in range(options.rounds + 1)][1:]
        shutil.rmtree(work / name)
    return found


def _start(node: NodeProcess) -> float:
    begun = time.perf_counter()
    node.start()
    with Requestor(node.port, node.AE_TITLE, "PEER", CLASSES) as association:
        took = time.perf_counter() - begun
        association.release()
    node.stop()
    return took


def _print(found: dict[str, object]) -> None:
    table = Table("what", "found", "at most")
    for name, seconds in found["open_s"].items():
        table.add_row(
            f"{found['associations']} associations of {found['contexts']} contexts, {name}, s",
            f"{seconds:.2f}",
            f"{_LIMITS['open_s']:g}" if name == "node" else "",
        )
    table.add_row(
        f"{found['idle_associations']} idle associations, % of a core",
        f"{found['core_percent']['by them']:.2f}",
        f"{_LIMITS['idle_percent']:g}",
    )
    for name, starts in found["start_s"].items():
        count = found["instances"] if name == "full" else 0
        table.add_row(
            f"start to the first association, {count} instances, s",
            f"{statistics.median(starts):.2f}",
            f"{_LIMITS['start_s']:g}",
        )
    Console().print(table)


def main() -> None:
    """Print a table and write JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--associations", type=int, default=100)
    parser.add_argument("--idle", type=int, default=20, help="idle associations")
    parser.add_argument("--idle-s", type=float, default=30.0, help="seconds to watch them")
    parser.add_argument("--instances", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="standing-by-") as scratch:
        work = Path(scratch)
        found = measure(options, work)
    _print(found)
    if options.json:
        options.json.parent.mkdir(parents=True, exist_ok=True)
        options.json.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
