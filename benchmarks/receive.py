"""Time to take 400 CT slices by C-STORE: this node against Orthanc and DCMTK's storescp.

Every server starts on an empty folder in each round, and the rounds are interleaved, so that a
busy minute of the machine hits all of them. Nagle's algorithm is off on both sides (TCP_NODELAY=1;
DCMTK leaves it on otherwise, and then it is what is measured). The node and Orthanc fsync each file
and index it; storescp does neither.

    python benchmarks/receive.py --rounds 5 --json receive.json
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import socket
import statistics
import subprocess
import sys
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

_SEARCH_PATH = os.pathsep.join([os.environ.get("PATH", ""), "/usr/local/sbin", "/usr/sbin"])
_ENVIRONMENT = {**os.environ, "TCP_NODELAY": "1"}


@dataclass(frozen=True)
class Run:
    """One server in one round.

    Attributes
    ----------
    server : str
    wall_s : float
        From the start of storescu to its end.
    cpu_s : float
        User and system time of the server, its start and its end included.
    stored : int
        Files on disk afterwards.
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


def _program(name: str) -> str:
    found = shutil.which(name, path=_SEARCH_PATH)
    if found is None:
        raise SystemExit(f"{name} is not installed")
    return found


def _node(folder: Path, port: int) -> list[str]:
    return [sys.executable, __file__, "--serve", str(folder), str(port)]


def _orthanc(folder: Path, port: int) -> list[str]:
    configuration = folder / "orthanc.json"
    configuration.write_text(
        json.dumps(
            {
                "StorageDirectory": str(folder / "storage"),
                "IndexDirectory": str(folder / "storage"),
                "DicomPort": port,
                "DicomAlwaysAllowStore": True,
                "DicomCheckCalledAet": False,
                "HttpServerEnabled": False,
                "Plugins": [],
            }
        )
    )
    return [_program("Orthanc"), str(configuration)]


def _storescp(folder: Path, port: int) -> list[str]:
    (folder / "storage").mkdir()
    return [_program("storescp"), "--max-pdu", "131072", "-od", str(folder / "storage"), str(port)]


SERVERS: dict[str, Callable[[Path, int], list[str]]] = {
    "node": _node,
    "Orthanc": _orthanc,
    "storescp": _storescp,
}


def serve(folder: Path, port: int) -> None:
    """Run the node's receiver with its real store and index until SIGTERM."""
    from dicomnode.receive.scp import ReceiverSettings, StorageSCP
    from dicomnode.receive.sop_classes import CT_CLASSES
    from dicomnode.store.database import Database
    from dicomnode.store.files import FileStore
    from dicomnode.store.instances import InstanceIndex

    store = FileStore(folder / "storage", reserve_bytes=2**30)
    store.sweep()
    database = Database(f"sqlite:///{folder / 'node.sqlite'}")
    database.upgrade()
    settings = ReceiverSettings(host="127.0.0.1", port=port, ae_title="NODE")
    with StorageSCP(settings, store, InstanceIndex(database, CT_CLASSES)):
        signal.sigwait({signal.SIGTERM})
    database.close()


def measure(server: str, series: Path, scratch: Path) -> Run:
    """Start `server` on an empty folder, send it the series, stop it."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    folder = Path(tempfile.mkdtemp(prefix=f"{server}-", dir=scratch))
    before = os.times()
    with open(folder / "log", "wb") as log:
        process = subprocess.Popen(
            SERVERS[server](folder, port), stdout=log, stderr=log, env=_ENVIRONMENT
        )
        try:
            _wait_until_it_answers(process, port, folder / "log")
            sender = [_program("storescu"), "-aec", "NODE", "+sd", "127.0.0.1", str(port)]
            start = time.perf_counter()
            subprocess.run([*sender, str(series)], check=True, env=_ENVIRONMENT)
            wall = time.perf_counter() - start
            after = os.times()
            sender_cpu = after.children_user + after.children_system
            sender_cpu -= before.children_user + before.children_system
        finally:
            process.terminate()
            process.wait(60)
    end = os.times()
    children = end.children_user + end.children_system
    cpu = children - before.children_user - before.children_system - sender_cpu
    stored = sum(
        1
        for path in (folder / "storage").rglob("*")
        if path.is_file() and path.stat().st_size > 100_000 and "index" not in path.name
    )
    shutil.rmtree(folder)
    # What one server left to the disk's queue must not fall to the next.
    os.sync()
    return Run(server, wall, cpu, stored)


def _wait_until_it_answers(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    echo = [_program("echoscu"), "-aec", "NODE", "127.0.0.1", str(port)]
    for _ in range(300):
        if process.poll() is not None:
            raise SystemExit(f"the server ended:\n{log.read_text()}")
        done = subprocess.run(echo, env=_ENVIRONMENT, capture_output=True, check=False)
        if done.returncode == 0:
            return
        time.sleep(0.1)
    raise SystemExit("the server does not answer")


def main() -> None:
    """Run the comparison, print a table and write JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--count", type=int, default=400)
    parser.add_argument("--edge", type=int, default=512)
    parser.add_argument("--json", type=Path, default=None)
    parser.add_argument("--serve", nargs=2, metavar=("FOLDER", "PORT"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.serve:
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
        serve(Path(arguments.serve[0]), int(arguments.serve[1]))
        return

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
        arguments.json.write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main()
