"""How many crops a second batched matting solves, beside the CPU solver in the same run.

    python -m benchmarks.gpu_matting --crops 64 --json out.json

Phantom nodules of all kinds, 8 to 24 mm, on grids of 1.25 x 0.7 x 0.7 mm; the trimap's band lies
1.5 mm to both sides of the true edge. Each time is the least of some rounds, with the packing of
the crops, both ways of the transfer and the answers in their places; "solve" is the iterations
alone. The greatest difference of alpha from the CPU solver is printed with them.
"""

from __future__ import annotations

import argparse
import json
import platform
import time
from collections.abc import Callable
from itertools import cycle, islice, product
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from pipelines.matting.batched import (
    closed_form_batch,
    groups,
    learning_based_batch,
    read_crops,
)
from pipelines.matting.closed_form import closed_form
from pipelines.matting.window_batch import WindowBatch, find_device
from pipelines.phantom import NoduleKind, nodule_patch
from pipelines.trimap import trimap_from_mask

SPACING_MM = (1.25, 0.7, 0.7)
DIAMETERS_MM = (8.0, 12.0, 16.0, 20.0, 24.0)
BAND_MM = 1.5


def scenes(count: int, distinct: int) -> tuple[list[npt.NDArray], list[npt.NDArray]]:
    """Images in HU and trimaps; after `distinct` ones they repeat, since phantoms take long."""
    images, trimaps = [], []
    for seed, (diameter, kind) in enumerate(
        islice(cycle(product(DIAMETERS_MM, NoduleKind)), distinct)
    ):
        patch = nodule_patch(kind, diameter, SPACING_MM, seed)
        images.append(patch.volume.array)
        trimaps.append(
            trimap_from_mask(
                patch.occupancy.array >= 0.5, SPACING_MM, inner_mm=BAND_MM, outer_mm=BAND_MM
            )
        )
    return list(islice(cycle(images), count)), list(islice(cycle(trimaps), count))


def least_seconds(work: Callable[[], object], rounds: int) -> float:
    """Least time of some rounds after one that warms up."""
    work()
    times = []
    for _ in range(rounds):
        begun = time.perf_counter()
        work()
        times.append(time.perf_counter() - begun)
    return min(times)


def solve_seconds(
    images: list, trimaps: list, device: str | None, compile_step: bool, rounds: int
) -> float:
    """Time of the iterations alone, the crops being on the device."""
    place = find_device(device)
    crops = read_crops(images, trimaps)
    batches = [
        WindowBatch.build(group, sides, 1e-7, False, place, np.dtype(np.float32))
        for sides, group in groups(crops, 3, place.type)
    ]
    return least_seconds(lambda: [b.solve(1e-5, 2000, compile_step) for b in batches], rounds)


def measure(
    crops: int, distinct: int, device: str | None, rounds: int, compile_step: bool
) -> dict[str, object]:
    images, trimaps = scenes(crops, distinct)

    def alone() -> list:
        return [closed_form(i, t, SPACING_MM) for i, t in zip(images, trimaps, strict=True)]

    def batch(method: Callable = closed_form_batch) -> list:
        return method(images, trimaps, device=device, compile_step=compile_step)

    difference = max(float(np.abs(a - b).max()) for a, b in zip(alone(), batch(), strict=True))
    place = find_device(device)
    cuda = place.type == "cuda"
    seconds = {
        "closed form, one after another on the CPU": least_seconds(alone, rounds),
        "closed form, batched": least_seconds(batch, rounds),
        "closed form, batched, solve": solve_seconds(images, trimaps, device, compile_step, rounds),
        "learning based, batched": least_seconds(lambda: batch(learning_based_batch), rounds),
    }
    return {
        "device": torch.cuda.get_device_name(place) if cuda else platform.processor() or "cpu",
        "torch": torch.__version__,
        "compiled": compile_step,
        "crops": crops,
        "distinct": min(distinct, crops),
        "unknown voxels": int(sum((t == 1).sum() for t in trimaps)),
        "greatest difference of alpha": difference,
        "gpu memory MiB": torch.cuda.max_memory_allocated(place) / 2**20 if cuda else None,
        "crops per second": {name: crops / value for name, value in seconds.items()},
    }


def main() -> None:
    """Print crops a second and write them as JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--crops", type=int, default=64)
    parser.add_argument("--distinct", type=int, default=30, help="phantoms that are not repeated")
    parser.add_argument("--device", help="a PyTorch device; cuda where there is one")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--compile", action="store_true", help="compile the iteration")
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    options = parser.parse_args()
    found = measure(
        options.crops, options.distinct, options.device, options.rounds, options.compile
    )
    for name, value in found.items():
        if name != "crops per second":
            print(f"{name}: {value}")
    for name, value in found["crops per second"].items():
        print(f"{name:42} {value:10.1f} crops/s")
    if options.json:
        options.json.write_text(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
