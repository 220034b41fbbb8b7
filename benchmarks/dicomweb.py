"""Frames by WADO-RS: this node against Orthanc with its DICOMweb plugin.

    python -m benchmarks.dicomweb --rounds 3 --json bench-out/dicomweb.json

Both hold the same series of CT and listen on loopback. Each client asks for one frame after the
other over one connection, as viewers do: `multipart/related; type="application/octet-stream";
transfer-syntax=*`. The rounds of both are interleaved. Processor time is that of the server.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

import pydicom
from rich.console import Console
from rich.table import Table

from benchmarks.peers.dcmtk import storescu
from benchmarks.peers.node_process import NodeProcess
from benchmarks.peers.orthanc import Orthanc
from benchmarks.peers.ports import free_port
from benchmarks.peers.processor import processor_s
from benchmarks.receive import write_series

_ACCEPT = "multipart/related; type=application/octet-stream; transfer-syntax=*"
_JSON = "application/dicom+json"
_PLUGINS = Path("/usr/lib/orthanc")


@dataclass(frozen=True)
class Run:
    """One server in one round.

    Attributes
    ----------
    server, what : str
    clients : int
        That asked at the same time.
    answers : int
    wall_s, cpu_s : float
    """

    server: str
    what: str
    clients: int
    answers: int
    wall_s: float
    cpu_s: float

    @property
    def rate(self) -> float:
        """Answers a second."""
        return self.answers / self.wall_s


def ask(port: int, paths: list[str], accept: str, least: int) -> None:
    """Ask for all paths over one connection; each answer must have so many bytes."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    for path in paths:
        connection.request("GET", path, headers={"Accept": accept})
        answer = connection.getresponse()
        body = answer.read()
        if answer.status != 200 or len(body) < least:
            raise RuntimeError(f"{path}: {answer.status}, {len(body)} bytes")
    connection.close()


def measure(
    server: str, what: str, pid: int, port: int, clients: int, asked: Callable[[], tuple]
) -> Run:
    """Let clients ask, each for everything, and time it."""
    paths, accept, least = asked()
    with ThreadPoolExecutor(clients) as pool:
        before, start = processor_s(pid), time.perf_counter()
        asking = [pool.submit(ask, port, paths, accept, least) for _ in range(clients)]
        for one in asking:
            one.result()
        wall = time.perf_counter() - start
    return Run(server, what, clients, clients * len(paths), wall, processor_s(pid) - before)


def main() -> None:
    """Run the comparison, print a table and write JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--edge", type=int, default=512)
    parser.add_argument("--clients", type=int, nargs="+", default=[1, 4])
    parser.add_argument("--json", type=Path, default=None)
    arguments = parser.parse_args()
    plugin = next(iter(sorted(_PLUGINS.glob("libOrthancDicomWeb.so*"))), None)
    if plugin is None:
        raise SystemExit(
            f"Orthanc's DICOMweb plugin is not in {_PLUGINS} (Debian: orthanc-dicomweb)"
        )
    runs: list[Run] = []
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        (folder / "series").mkdir()
        write_series(folder / "series", arguments.count, arguments.edge)
        headers = [
            pydicom.dcmread(path, stop_before_pixels=True)
            for path in sorted((folder / "series").iterdir())
        ]
        series = (
            f"/dicom-web/studies/{headers[0].StudyInstanceUID}"
            f"/series/{headers[0].SeriesInstanceUID}"
        )
        frames = [f"{series}/instances/{h.SOPInstanceUID}/frames/1" for h in headers]
        asked = {
            "frames": lambda: (frames, _ACCEPT, arguments.edge**2 * 2),
            "metadata": lambda: ([f"{series}/metadata"] * 3, _JSON, arguments.count * 500),
            "search": lambda: (["/dicom-web/studies?PatientName=Bench*"] * 30, _JSON, 100),
        }
        web_port = free_port()
        web = {"port": web_port, "dicomweb": True, "loopback_role": "viewer"}
        with (
            NodeProcess(folder / "node", "NOBODY", 9, web=web) as node,
            Orthanc(folder / "orthanc", Plugins=[str(plugin)]) as orthanc,
        ):
            for server in (node, orthanc):
                storescu(server.port, server.AE_TITLE, [folder / "series"])
            os.sync()
            time.sleep(2.0)
            servers = {
                "node": (node.pid, web_port),
                "Orthanc": (orthanc.pid, orthanc.http_port),
            }
            for _ in range(arguments.rounds):
                for what, paths in asked.items():
                    for clients in arguments.clients:
                        for name, (pid, port) in servers.items():
                            runs.append(measure(name, what, pid, port, clients, paths))
    table = Table(title=f"{arguments.count} CT of {arguments.edge}², {arguments.rounds} rounds")
    for column in ("asked for", "clients", "server", "answers/s", "CPU ms each", "rate / Orthanc"):
        table.add_column(column, justify="right" if "s" in column[-1:] else "left")
    summary = []
    for what in asked:
        for clients in arguments.clients:
            of = {
                name: [r for r in runs if (r.server, r.what, r.clients) == (name, what, clients)]
                for name in servers
            }
            rates = {name: statistics.median(r.rate for r in found) for name, found in of.items()}
            for name, found in of.items():
                cpu = statistics.median(1000 * r.cpu_s / r.answers for r in found)
                ratio = rates[name] / rates["Orthanc"]
                numbers = (f"{rates[name]:.0f}", f"{cpu:.2f}", f"{ratio:.2f}")
                table.add_row(what, str(clients), name, *numbers)
                summary.append(
                    {
                        "what": what,
                        "clients": clients,
                        "server": name,
                        "answers_per_s": rates[name],
                        "cpu_ms_each": cpu,
                        "rate_over_orthanc": ratio,
                    }
                )
    Console().print(table)
    if arguments.json:
        arguments.json.parent.mkdir(parents=True, exist_ok=True)
        report = {"summary": summary, "runs": [asdict(run) for run in runs]}
        arguments.json.write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main()
