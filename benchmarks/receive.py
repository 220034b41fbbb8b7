"""Time to take 400 CT slices by C-STORE: this node against Orthanc and DCMTK's storescp.

    python -m benchmarks.receive --rounds 5 --json bench-out/receive.json

Every server starts on an empty folder in each round, and the rounds are interleaved, so that a
busy minute of the machine hits all of them. Nagle's algorithm is off on both sides (TCP_NODELAY=1;
DCMTK leaves it on otherwise, and then it is what is measured). The node, whole as it serves, and
Orthanc fsync each file and index it; storescp does neither.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable
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
from benchmarks.peers.processor import processor_s

Server = NodeProcess | Orthanc | Storescp

SERVERS: dict[str, Callable[[Path], Server]] = {
    "node": lambda folder: NodeProcess(folder, "NOBODY", 9),
    "Orthanc": Orthanc,
    "storescp": Storescp,
}


@dataclass(frozen=True)
class Run:
    """One server in one round.

    Attributes
    ----------
    server : str
    wall_s : float
        From the start of storescu to its end.
    cpu_s : float
        User and system time of the server meanwhile.
    stored : int
        Instances that it says it has.
    """

    server: str
    wall_s: float
    cpu_s: float
    stored: int


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


def measure(name: str, series: Path, scratch: Path) -> Run:
    """Start a server on an empty folder, send it the series, stop it."""
    folder = Path(tempfile.mkdtemp(prefix=f"{name}-", dir=scratch))
    with SERVERS[name](folder) as server:
        time.sleep(2.0)  # what starting left to do, such as the node's workers' imports
        before, start = processor_s(server.pid), time.perf_counter()
        storescu(server.port, server.AE_TITLE, [series])
        wall = time.perf_counter() - start
        run = Run(name, wall, processor_s(server.pid) - before, server.count())
    shutil.rmtree(folder)
    # What one server left to the disk's queue must not fall to the next.
    os.sync()
    return run


def main() -> None:
    """Run the comparison, print a table and write JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--count", type=int, default=400)
    parser.add_argument("--edge", type=int, default=512)
    parser.add_argument("--json", type=Path, default=None)
    arguments = parser.parse_args()
    runs: list[Run] = []
    with tempfile.TemporaryDirectory() as scratch:
        series = Path(scratch, "series")
        series.mkdir()
        write_series(series, arguments.count, arguments.edge)
        for _ in range(arguments.rounds):
            runs += [measure(server, series, Path(scratch)) for server in SERVERS]
    lost = [run for run in runs if run.stored != arguments.count]
    if lost:
        raise SystemExit(f"not everything was stored: {lost}")

    walls = {s: [run.wall_s for run in runs if run.server == s] for s in SERVERS}
    medians = {server: statistics.median(values) for server, values in walls.items()}
    cpus = {s: statistics.median(r.cpu_s for r in runs if r.server == s) for s in SERVERS}
    table = Table(title=f"{arguments.count} CT of {arguments.edge}², {arguments.rounds} rounds")
    for column in ("server", "median s", "min s", "max s", "CPU s", "wall / Orthanc"):
        table.add_column(column, justify="left" if column == "server" else "right")
    for server, values in walls.items():
        numbers = (medians[server], min(values), max(values), cpus[server])
        ratio = medians[server] / medians["Orthanc"]
        table.add_row(server, *(f"{number:.2f}" for number in numbers), f"{ratio:.2f}")
    Console().print(table)
    if arguments.json:
        report = {
            "count": arguments.count,
            "edge": arguments.edge,
            "median_wall_s": medians,
            "median_cpu_s": cpus,
            "node_over_orthanc": medians["node"] / medians["Orthanc"],
            "runs": [asdict(run) for run in runs],
        }
        arguments.json.parent.mkdir(parents=True, exist_ok=True)
        arguments.json.write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main()
