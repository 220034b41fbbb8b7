"""From a mark to its SEG in the PACS, in seconds, with the CT already there.

    python -m benchmarks.turnaround --json bench-out/turnaround.json

A chest phantom goes to the node first; then reports with one mark each, one after the other, by
storescu. Counted is from the moment the node has the report until Orthanc has accepted the SEG,
both by the node's own rows. Then the node is left alone, and its processor time is read.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from pathlib import Path

from rich.console import Console
from rich.table import Table
from sqlalchemy import select

from benchmarks.peers.dcmtk import storescu
from benchmarks.peers.node_process import NodeProcess
from benchmarks.peers.orthanc import Orthanc
from benchmarks.peers.processor import processor_s
from dicomnode.demo.ct_series import CtSeriesDescription, ct_series, save_series
from dicomnode.demo.recist_sr import DrawnMark, recist_report
from dicomnode.store.states import DeliveryState
from dicomnode.store.tables import Delivery, Instance, Lesion, Result
from pipelines.phantom import chest

PATIENCE_S = 120.0


def measure(rounds: int, idle_s: float) -> dict[str, object]:
    """Run everything; give the seconds of each lesion and the idle share of a core."""
    with tempfile.TemporaryDirectory(prefix="turnaround-") as scratch:
        work = Path(scratch)
        with (
            Orthanc(work / "orthanc") as pacs,
            NodeProcess(work / "node", pacs.AE_TITLE, pacs.dicom_port) as node,
        ):
            rows = []
            for seed in range(rounds):
                rows += _one_study(node, work / f"study {seed}", seed)
            idle = _idle(node, idle_s)
    seconds = [row["seconds"] for row in rows]
    return {
        "lesions": rows,
        "median_s": statistics.median(seconds),
        "worst_s": max(seconds),
        "idle_core_percent": idle,
        "idle_for_s": idle_s,
    }


def _one_study(node: NodeProcess, folder: Path, seed: int) -> list[dict[str, object]]:
    phantom = chest(seed)
    ct = ct_series(phantom.volume, CtSeriesDescription(seed=f"turnaround {seed}"))
    storescu(node.port, node.AE_TITLE, save_series(ct, folder))
    rows = []
    for nodule in phantom.nodules:
        name = f"turnaround {seed} {nodule.kind.value}"
        report = recist_report([DrawnMark(nodule.axes, nodule.kind.value)], ct, name)
        path = folder / "report.dcm"
        report.save_as(path)
        storescu(node.port, node.AE_TITLE, [path])
        row = {"kind": nodule.kind.value, "long_mm": round(nodule.axes.long_mm, 1)}
        rows.append(row | {"seconds": _seconds(node, report.SOPInstanceUID)})
    return rows


def _seconds(node: NodeProcess, report_uid: str) -> float:
    query = (
        select(Instance.received_at, Delivery.changed_at)
        .join(Lesion, Lesion.source_sop_instance_uid == Instance.sop_instance_uid)
        .join(Result, Result.lesion_id == Lesion.id)
        .join(Delivery, Delivery.result_id == Result.id)
        .where(
            Instance.sop_instance_uid == report_uid,
            Delivery.state == DeliveryState.ACCEPTED,
        )
    )
    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end:
        with node.rows() as session:
            found = session.execute(query).one_or_none()
        if found is not None:
            return round(found.changed_at - found.received_at, 3)
        time.sleep(0.2)
    raise TimeoutError(f"no accepted SEG after {PATIENCE_S:g} s")


def _idle(node: NodeProcess, seconds: float) -> float:
    """Share of one core, in percent, that the node and its workers use when nothing happens."""
    time.sleep(3.0)
    before, start = processor_s(node.pid), time.monotonic()
    time.sleep(seconds)
    used = processor_s(node.pid) - before
    return round(100 * used / (time.monotonic() - start), 3)


def main() -> None:
    """Print a table and write JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3, help="studies of six lesions")
    parser.add_argument("--idle", type=float, default=30.0, help="seconds to watch the idle node")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    found = measure(options.rounds, options.idle)
    table = Table("kind", "long axis mm", "mark received to SEG accepted, s")
    for row in found["lesions"]:
        table.add_row(row["kind"], str(row["long_mm"]), f"{row['seconds']:.2f}")
    console = Console()
    console.print(table)
    console.print(
        f"median {found['median_s']:.2f} s, worst {found['worst_s']:.2f} s, "
        f"{len(found['lesions'])} lesions; idle {found['idle_core_percent']} % of a core "
        f"over {found['idle_for_s']:g} s"
    )
    if options.json:
        options.json.parent.mkdir(parents=True, exist_ok=True)
        options.json.write_text(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
