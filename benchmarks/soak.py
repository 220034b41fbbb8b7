"""Many senders, many objects, and kills at random moments: is anything lost, doubled or leaked?

    python -m benchmarks.soak --seed 1 --json bench-out/soak.json --plot bench-out/soak.png
    python -m benchmarks.soak --senders 4 --instances 500 --lesions 5 --kills 7 --seconds 240
    python -m benchmarks.soak --parts --instances 4000 --lesions 16 --kills 20

Senders repeat what was refused or left without an answer, as a PACS does, and write down what was
answered with 0x0000. Some studies hold a mark, whose result goes to Orthanc. While the first part
of the objects is sent (`--calm-from`), the node, its workers, whoever writes to the database, and
Orthanc are killed, stopped or locked out, in an order and at moments that follow from the seed;
then nothing goes wrong, and memory is compared. It ends within `--seconds`, with what is known by
then. With `--parts` the node is three processes, as the units of ``dicomnode.target`` run it; each
is killed while the others go on, besides.

The exit status is 0 where every promise held, 1 where one was broken, 3 where time ran out first or
too little was sent to compare memory.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks.soaked.faults import Faults
from benchmarks.soaked.plot import plot
from benchmarks.soaked.run import Options, soak

_STATUS = {"held": 0, "broken": 1, "unfinished": 3}


def _options() -> argparse.Namespace:
    default = Options()
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--senders", type=int, default=default.senders)
    parser.add_argument("--instances", type=int, default=default.instances)
    parser.add_argument("--lesions", type=int, default=default.lesions)
    parser.add_argument("--kills", type=int, default=default.kills, help="faults of all kinds")
    parser.add_argument("--parts", action="store_true", help="receiver, worker and web apart")
    parser.add_argument("--kinds", nargs="+", choices=[*Faults.KINDS, *Faults.PARTS])
    parser.add_argument("--seconds", type=float, default=default.seconds, help="at most")
    parser.add_argument(
        "--calm-from",
        type=float,
        default=default.calm_from,
        help="part of the objects after which nothing is broken any more",
    )
    parser.add_argument(
        "--hold", type=float, default=default.hold_s, help="seconds of a lock, a stop, an absence"
    )
    parser.add_argument("--pause", type=float, default=default.pause_s, help="of each sender, s")
    parser.add_argument("--seed", type=int, default=default.seed)
    parser.add_argument("--folder", type=Path, default=None, help="of the run; a new one is made")
    parser.add_argument("--json", type=Path, default=None)
    parser.add_argument("--plot", type=Path, default=None)
    given = parser.parse_args()
    given.kinds = given.kinds or [*Faults.KINDS, *(Faults.PARTS if given.parts else ())]
    if not given.parts and set(given.kinds) & set(Faults.PARTS):
        parser.error("a part is killed where there are some: --parts")
    return given


def main() -> None:
    """Run it, print a table, write JSON and the picture."""
    given = _options()
    options = Options(
        senders=given.senders,
        instances=given.instances,
        lesions=given.lesions,
        kills=given.kills,
        seconds=given.seconds,
        calm_from=given.calm_from,
        hold_s=given.hold,
        pause_s=given.pause,
        seed=given.seed,
        kinds=tuple(given.kinds),
        parts=given.parts,
    )
    with tempfile.TemporaryDirectory(prefix="soak-", dir=given.folder) as folder:
        report, course = soak(options, Path(folder))
    _print(report)
    if given.json:
        given.json.parent.mkdir(parents=True, exist_ok=True)
        given.json.write_text(json.dumps(report, indent=1) + "\n")
    if given.plot:
        plot(course.looks, course.struck, given.plot)
    raise SystemExit(_STATUS[str(report["verdict"])])


def _print(report: dict[str, object]) -> None:
    console = Console()
    table = Table(title=f"Soak: {report['verdict']}", show_header=False)
    for name in (
        "objects",
        "acknowledged",
        "repeats",
        "lesions",
        "deliveries",
        "results_in_orthanc",
        "memory_growth",
        "largest_mb",
        "seconds",
        "killed_to_listening_s",
    ):
        table.add_row(name.replace("_", " "), str(report[name]))
    console.print(table)
    for words in (*report["broken"], *report["unfinished"]):
        console.print(words, markup=False, highlight=False, soft_wrap=True)


if __name__ == "__main__":
    main()
