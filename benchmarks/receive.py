"""What taking 400 CT slices by C-STORE costs: this node against Orthanc and DCMTK's storescp.

    python -m benchmarks.receive --senders 1 4 --rounds 5 --json bench-out/receive.json

Every server starts on an empty folder in each round, and the rounds are interleaved, so that a
busy minute of the machine hits all of them. Nagle's algorithm is off on both sides (TCP_NODELAY=1;
DCMTK leaves it on otherwise, and then it is what is measured). The node, whole as it serves, and
Orthanc fsync each file and index it; storescp does neither. Several senders have a series each and
send at the same time.

Processor time is counted from when the server is idle after its start until it is idle again:
of the process that receives, and of that with all that it started (of the node, its workers, which
have nothing to do with a CT until a mark names it). Nothing is deleted before the end: ext4 takes
longer to make a file where it deleted one in the last minutes. A round takes about 0.7 GB of disk
for each number of senders.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid
from rich.console import Console
from rich.table import Table

from benchmarks.peers.dcmtk import Storescp, storescu
from benchmarks.peers.node_process import NodeProcess
from benchmarks.peers.orthanc import Orthanc
from benchmarks.peers.processor import own_processor_s, processor_s, wait_until_idle

Server = NodeProcess | Orthanc | Storescp

SERVERS: dict[str, Callable[[Path], Server]] = {
    "node": lambda folder: NodeProcess(folder, "NOBODY", 9),
    "Orthanc": Orthanc,
    "storescp": Storescp,
}
REFERENCE = "Orthanc"


@dataclass(frozen=True)
class Run:
    """One server in one round.

    Attributes
    ----------
    server : str
    senders : int
        That sent at the same time.
    wall_s : float
        From the start of the first storescu to the end of the last.
    receiver_cpu_s : float
        User and system time meanwhile, and until it was idle again, of the process that receives.
    whole_cpu_s : float
        With the processes that it started.
    stored : int
        Instances that it says it has.
    """

    server: str
    senders: int
    wall_s: float
    receiver_cpu_s: float
    whole_cpu_s: float
    stored: int


@dataclass(frozen=True)
class Row:
    """One server with so many senders: medians of the rounds, and ratios to Orthanc's medians."""

    server: str
    senders: int
    wall_s: float
    least_wall_s: float
    most_wall_s: float
    wall_ratio: float
    receiver_cpu_s: float
    receiver_cpu_ratio: float
    whole_cpu_s: float
    whole_cpu_ratio: float


def write_series(folder: Path, count: int, edge: int) -> None:
    """Write `count` CT slices of `edge` x `edge` pixels of noise, Explicit VR Little Endian."""
    noise = np.random.default_rng(0)
    study, series, frame = generate_uid(), generate_uid(), generate_uid()
    for number in range(count):
        data_set = Dataset()
        data_set.SOPClassUID = CTImageStorage
        data_set.SOPInstanceUID = generate_uid()
        data_set.StudyInstanceUID = study
        data_set.SeriesInstanceUID = series
        data_set.FrameOfReferenceUID = frame
        data_set.PatientName = "Benchmark^CT"
        data_set.PatientID = "BENCHMARK"
        data_set.Modality = "CT"
        data_set.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
        data_set.InstanceNumber = number + 1
        data_set.ImagePositionPatient = [0, 0, float(number)]
        data_set.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
        data_set.PixelSpacing = [0.7, 0.7]
        data_set.SliceThickness = 1
        data_set.SamplesPerPixel = 1
        data_set.PhotometricInterpretation = "MONOCHROME2"
        data_set.Rows = data_set.Columns = edge
        data_set.BitsAllocated = data_set.BitsStored = 16
        data_set.HighBit = 15
        data_set.PixelRepresentation = 1
        data_set.RescaleIntercept, data_set.RescaleSlope = 0, 1
        data_set.PixelData = noise.integers(-1000, 1000, (edge, edge)).astype("<i2").tobytes()
        data_set.file_meta = FileMetaDataset()
        data_set.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        data_set.save_as(folder / f"{number:05}.dcm", enforce_file_format=True)


def write_shares(folder: Path, senders: int, count: int, edge: int) -> list[Path]:
    """Write `count` slices in all, each sender's share as a series in a folder of its own."""
    folders = [folder / f"{senders}-{number}" for number in range(senders)]
    for number, share in enumerate(folders):
        share.mkdir(parents=True)
        write_series(share, count // senders + (number < count % senders), edge)
    return folders


def measure(name: str, shares: Sequence[Path], scratch: Path) -> Run:
    """Start a server on an empty folder, send it each share by a sender of its own, stop it."""
    folder = Path(tempfile.mkdtemp(prefix=f"{name}-", dir=scratch))
    with SERVERS[name](folder) as server:
        wait_until_idle(server.pid)  # the node's workers import and compile after its start
        whole, receiver = processor_s(server.pid), own_processor_s(server.pid)
        start = time.perf_counter()
        with ThreadPoolExecutor(len(shares)) as senders:
            sent = [
                senders.submit(storescu, server.port, server.AE_TITLE, [share]) for share in shares
            ]
        wall = time.perf_counter() - start
        for one in sent:
            one.result()
        wait_until_idle(server.pid)
        run = Run(
            name,
            len(shares),
            wall,
            own_processor_s(server.pid) - receiver,
            processor_s(server.pid) - whole,
            server.count(),
        )
    # What one server left to the disk's queue must not fall to the next.
    os.sync()
    return run


def rows_of(runs: Sequence[Run]) -> list[Row]:
    """Sum up the rounds, in the order of the runs."""

    def median(server: str, senders: int, value: str) -> float:
        return statistics.median(
            getattr(run, value) for run in runs if (run.server, run.senders) == (server, senders)
        )

    rows = []
    for server, senders in dict.fromkeys((run.server, run.senders) for run in runs):
        walls = [run.wall_s for run in runs if (run.server, run.senders) == (server, senders)]
        own = {
            value: median(server, senders, value)
            for value in ("wall_s", "receiver_cpu_s", "whole_cpu_s")
        }
        ratio = {value: own[value] / median(REFERENCE, senders, value) for value in own}
        rows.append(
            Row(
                server=server,
                senders=senders,
                wall_s=own["wall_s"],
                least_wall_s=min(walls),
                most_wall_s=max(walls),
                wall_ratio=ratio["wall_s"],
                receiver_cpu_s=own["receiver_cpu_s"],
                receiver_cpu_ratio=ratio["receiver_cpu_s"],
                whole_cpu_s=own["whole_cpu_s"],
                whole_cpu_ratio=ratio["whole_cpu_s"],
            )
        )
    return rows


def table_of(rows: Sequence[Row], title: str) -> Table:
    """Lay out for people; ratios are to Orthanc's with as many senders."""
    table = Table(title=title)
    for column in ("senders", "server"):
        table.add_column(column)
    for column in ("wall s", "min", "max", "ratio"):
        table.add_column(column, justify="right")
    for column in ("CPU s, receiver", "ratio", "CPU s, whole", "ratio"):
        table.add_column(column, justify="right")
    for row in sorted(rows, key=lambda row: row.senders):
        numbers = (
            row.wall_s,
            row.least_wall_s,
            row.most_wall_s,
            row.wall_ratio,
            row.receiver_cpu_s,
            row.receiver_cpu_ratio,
            row.whole_cpu_s,
            row.whole_cpu_ratio,
        )
        table.add_row(str(row.senders), row.server, *(f"{number:.2f}" for number in numbers))
    return table


def compare(
    senders: Sequence[int], rounds: int, count: int, edge: int, folder: Path | None = None
) -> list[Run]:
    """Run every server with every number of senders, in turn, `rounds` times.

    Parameters
    ----------
    senders : sequence of int
    rounds, count, edge : int
        Rounds; slices in all that are sent in each; their edge in pixels.
    folder : Path, optional
        For the slices and the servers' stores, which are removed at the end.

    Raises
    ------
    SystemExit
        A server has not stored all.
    """
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        shares = [write_shares(Path(scratch), number, count, edge) for number in senders]
        runs = [
            measure(server, share, Path(scratch))
            for _ in range(rounds)
            for share in shares
            for server in SERVERS
        ]
    lost = [run for run in runs if run.stored != count]
    if lost:
        raise SystemExit(f"not everything was stored: {lost}")
    return runs


def main() -> None:
    """Run the comparison, print a table and write JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--senders", type=int, nargs="+", default=[1, 4])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--count", type=int, default=400)
    parser.add_argument("--edge", type=int, default=512)
    parser.add_argument("--json", type=Path, default=None)
    arguments = parser.parse_args()
    runs = compare(arguments.senders, arguments.rounds, arguments.count, arguments.edge)
    rows = rows_of(runs)
    title = f"{arguments.count} CT of {arguments.edge}², {arguments.rounds} rounds"
    Console(width=120).print(table_of(rows, title))
    if arguments.json:
        report = {
            "count": arguments.count,
            "edge": arguments.edge,
            "medians": [asdict(row) for row in rows],
            "runs": [asdict(run) for run in runs],
        }
        arguments.json.parent.mkdir(parents=True, exist_ok=True)
        arguments.json.write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main()
