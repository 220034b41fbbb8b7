"""How long networks take for what they are given at a time, side by side in one run.

    python -m benchmarks.networks --device cpu --threads 2 --json out.json
    python -m benchmarks.networks --device cuda --precision fp16 --batches 1 4 16 64

An item is what a network's input contract names: a patch of 96 voxels a side, a slice, or the 16
planes of a lesion. Weights do not matter to time; a network without any is made with those that
it is born with. Each time is the least of some rounds after one that warms up. 3DMM-MG runs by
PyTorch and, on the CPU, by the node's compiled kernels, too; memory is what the process, or the
device, held at most beyond what it held before.
"""

from __future__ import annotations

import argparse
import json
import platform
import resource
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch
from rich.console import Console
from rich.table import Table

from models import REGISTRY
from models.counting import multiply_accumulates, parameter_count
from models.loading import weights_about, weights_of
from pipelines.evaluation.cost import item_shape
from pipelines.networks.ghost_on_cpu import alpha_on_cpu, runs_on_cpu

PLANES = 16
"""Of a lesion that is told by its mark."""

PRECISIONS = {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}


@dataclass(frozen=True)
class Row:
    """One network in one batch."""

    network: str
    by: str
    item: str
    parameters: int
    giga_mac: float
    batch: int
    ms_an_item: float
    items_a_second: float
    memory_mb: float


def least_ms(work: Callable[[], object], rounds: int, device: torch.device) -> float:
    """Least time of some rounds after one that warms up, in ms."""
    times = []
    for _ in range(rounds + 1):
        begun = time.perf_counter()
        work()
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        times.append(time.perf_counter() - begun)
    return 1000 * min(times[1:])


def held_mb(device: torch.device) -> float:
    """Most memory held so far, in MB: of the device, or of this process."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 1e6
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3


def rows_of(name: str, batches: list[int], how: argparse.Namespace) -> Iterator[Row]:
    """Times of one network."""
    about = weights_about(name) if weights_of(name) else {}
    network = REGISTRY[name].make(about).eval()
    shape = item_shape(REGISTRY[name].contract, PLANES)
    device, precision = torch.device(how.device), PRECISIONS[how.precision]
    parameters = parameter_count(network)
    giga_mac = multiply_accumulates(network, torch.zeros(1, *shape)) / 1e9
    item = " x ".join(str(n) for n in shape)
    network = network.to(device)

    def row(by: str, batch: int, work: Callable[[], object]) -> Row:
        before = held_mb(device)
        ms = least_ms(work, how.rounds, device) / batch
        held = held_mb(device) - before
        return Row(name, by, item, parameters, giga_mac, batch, ms, 1000 / ms, held)

    for batch in batches:
        given = torch.rand(batch, *shape, device=device)

        def work(given: torch.Tensor = given) -> None:
            with (
                torch.inference_mode(),
                torch.autocast(device.type, precision, enabled=precision != torch.float32),
            ):
                network(given)

        yield row("PyTorch", batch, work)
    if device.type == "cpu" and runs_on_cpu(network):
        patch = np.random.default_rng(0).random(shape[1:], dtype=np.float32)
        yield row("kernels, one core", 1, lambda: alpha_on_cpu(network, patch))


def _cell(value: str | int | float) -> str:
    if isinstance(value, str):
        return value
    return f"{value:,.2f}" if isinstance(value, float) else f"{value:,}"


def main() -> None:
    """Print a table and write it as JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("networks", nargs="*", help="names; all without")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--precision", choices=PRECISIONS, default="fp32")
    parser.add_argument("--threads", type=int, default=1, help="of the CPU")
    parser.add_argument("--batches", type=int, nargs="+", default=[1])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    names = options.networks or [
        name for name, one in REGISTRY.items() if all(find_spec(p) for p in one.packages)
    ]
    where = platform.processor() or platform.machine()
    if options.device.startswith("cuda"):
        where = torch.cuda.get_device_name(options.device)
    title = f"{where}, {options.precision}, {options.threads} threads, PyTorch {torch.__version__}"
    table = Table(title=title)
    for heading in Row.__dataclass_fields__:
        table.add_column(heading.replace("_", " "), justify="right")
    rows = []
    for name in names:
        for row in rows_of(name, options.batches, options):
            rows.append(row)
            table.add_row(*(_cell(value) for value in asdict(row).values()))
    Console(width=150).print(table)
    if options.json:
        text = json.dumps({"where": title, "rows": [asdict(row) for row in rows]}, indent=1)
        options.json.write_text(text + "\n")


if __name__ == "__main__":
    main()
