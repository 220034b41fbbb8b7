"""One picture of a soak: memory above, counts below, a line for each fault."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from matplotlib.figure import Figure

from benchmarks.soaked.faults import Fault
from benchmarks.soaked.watch import Look

_COLOURS = {
    "node": "#D55E00",
    "writer": "#CC79A7",
    "worker": "#E69F00",
    "stopped": "#F0E442",
    "locked": "#999999",
    "pacs": "#0072B2",
    "refusing": "#56B4E9",
    "part-receiver": "#332288",
    "part-worker": "#882255",
    "part-web": "#117733",
}
"""Okabe and Ito 2008, and some more."""


def plot(looks: Sequence[Look], faults: Sequence[Fault], path: Path) -> None:
    """Write the picture as PNG."""
    figure = Figure(figsize=(11, 7), layout="constrained")
    memory, counts = figure.subplots(2, sharex=True)
    times = [look.at_s for look in looks]
    memory.plot(times, [look.tree_mb for look in looks], color="#000000", label="node and workers")
    memory.plot(times, [look.rss_mb for look in looks], color="#009E73", label="node")
    memory.set_ylabel("resident memory, MiB")
    counts.plot(
        times, [look.acknowledged for look in looks], color="#009E73", label="acknowledged objects"
    )
    counts.set_ylabel("acknowledged")
    delivered = counts.twinx()
    delivered.plot(
        times, [look.delivered for look in looks], color="#0072B2", label="results accepted"
    )
    delivered.set_ylabel("results accepted by Orthanc")
    counts.set_xlabel("s")
    named: set[str] = set()
    for fault in faults:
        for axes in (memory, counts):
            label = fault.kind if axes is memory and fault.kind not in named else None
            axes.axvspan(
                fault.at_s,
                fault.at_s + max(fault.took_s, 0.3),
                color=_COLOURS[fault.kind],
                alpha=0.4,
                label=label,
            )
        named.add(fault.kind)
    memory.legend(loc="upper left", ncols=3, fontsize="small")
    counts.legend(loc="upper left", fontsize="small")
    delivered.legend(loc="lower right", fontsize="small")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)
