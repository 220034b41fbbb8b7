"""Speed and memory of the matting methods, side by side with pymatting and with naive assembly.

    python -m benchmarks.matting --json bench-out/matting.json

Everything runs on one core and in one process, in rounds that interleave the peers, after a warm-up
call each; figures are medians, ratios are taken inside the run. The scene is a noisy ball in 128^3
whose unknown band is a shell of four voxels. pymatting works slice by slice on the same trimap; it
has no third dimension. It runs as it is shipped: whole slices, float64, a relative residual of
1e-7. Beside it stand our closed form at that precision, and pymatting on the crop and at the
residual of 1e-5 that ours takes.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import math
import statistics
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import numba
import numpy as np
import numpy.typing as npt
from scipy import sparse
from scipy.sparse import linalg

from pipelines.lesion import soft_mask_from_recist
from pipelines.matting import METHODS
from pipelines.matting.closed_form import closed_form
from pipelines.phantom import NoduleKind, nodule_patch

WINDOW = (-1000.0, 400.0)
RADII = (10, 20, 32, 50, 70, 100)
"""Shells of 5,000 to 500,000 unknown voxels."""


def shell(radius: float, side: int | None = None) -> tuple[npt.NDArray, npt.NDArray[np.uint8]]:
    """A noisy ball, and the trimap whose unknown voxels are a shell of four voxels around it."""
    side = side or int(2 * radius + 12)
    grid = np.ogrid[:side, :side, :side]
    distance = np.sqrt(sum((g - side / 2) ** 2 for g in grid)).astype(np.float32)
    noise = np.random.default_rng(0).normal(0, 20, distance.shape)
    image = (-860 + 900 / (1 + np.exp(np.clip(distance - radius, -50, 50))) + noise).astype("f4")
    trimap = np.where(distance < radius - 2, 2, np.where(distance < radius + 2, 1, 0))
    return image, trimap.astype(np.uint8)


def naive_closed_form(
    image: npt.NDArray, trimap: npt.NDArray[np.uint8], only_needed: bool = False
) -> npt.NDArray:
    """3D closed form as one would write it first: assemble on the crop, solve with scipy's cg.

    Where `only_needed`, windows without an unknown voxel are left out, which change nothing.
    """
    known = trimap != 1
    box = tuple(slice(max(i.min() - 2, 0), i.max() + 3) for i in np.nonzero(~known))
    guide = np.clip((image[box].astype(float) - WINDOW[0]) / (WINDOW[1] - WINDOW[0]), 0, 1)
    index = np.arange(guide.size).reshape(guide.shape)
    windows = np.lib.stride_tricks.sliding_window_view(index, (3, 3, 3)).reshape(-1, 27)
    if only_needed:
        windows = windows[~known[box].ravel()[windows].all(axis=1)]
    values = guide.ravel()[windows]
    deviation = values - values.mean(axis=1, keepdims=True)
    variance = (deviation**2).mean(axis=1)[:, None, None] + 1e-7 / 27
    entries = np.eye(27) - (1 + deviation[:, :, None] * deviation[:, None, :] / variance) / 27
    rows, columns = np.repeat(windows, 27, axis=1).ravel(), np.tile(windows, (1, 27)).ravel()
    matrix = sparse.coo_matrix((entries.ravel(), (rows, columns)), (guide.size,) * 2).tocsr()
    unknown, alpha = ~known[box].ravel(), (trimap[box] == 2).ravel().astype(float)
    inner = matrix[unknown][:, unknown]
    right = -(matrix[unknown] @ alpha)
    jacobi = sparse.diags(1 / inner.diagonal())
    alpha[unknown], _ = linalg.cg(inner, right, rtol=1e-5, M=jacobi)
    result = (trimap == 2).astype(float)
    result[box] = np.clip(alpha, 0, 1).reshape(guide.shape)
    return result


def slice_by_slice(estimate: Callable, image: npt.NDArray, trimap: npt.NDArray) -> npt.NDArray:
    """One of pymatting's methods on each slice that has unknown pixels."""
    guide = np.clip((image.astype(float) - WINDOW[0]) / (WINDOW[1] - WINDOW[0]), 0, 1)
    alpha = (trimap == 2).astype(float)
    for z in np.flatnonzero((trimap == 1).any(axis=(1, 2))):
        if (trimap[z] == 0).any() and (trimap[z] == 2).any():
            colour = np.repeat(guide[z][..., None], 3, axis=-1)
            alpha[z] = estimate(colour, trimap[z] / 2)
    return alpha


def seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def side_by_side(peers: dict[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """Median seconds of each peer; one warm-up, then all of them in turn, round by round."""
    for work in peers.values():
        work()
    times: dict[str, list[float]] = {name: [] for name in peers}
    for _ in range(rounds):
        for name, work in peers.items():
            times[name].append(seconds(work))
    return {name: statistics.median(found) for name, found in times.items()}


def memory(radius: int, method: str) -> float:
    """Peak bytes a method takes per unknown voxel beside its input and its answer."""
    out = subprocess.run(
        [sys.executable, "-m", "benchmarks.matting", "--memory", str(radius), "--method", method],
        capture_output=True,
        text=True,
        check=True,
    )
    return float(out.stdout)


def _print_memory(radius: int, method: str) -> None:
    """What `memory` runs in a fresh process: Linux keeps the peak, and lets it be reset."""
    small, big = shell(36), shell(radius)
    METHODS[method](*small, (1.0, 1.0, 1.0), window=WINDOW)

    def status(field: str) -> int:
        text = Path("/proc/self/status").read_text()
        return int(text.split(f"{field}:")[1].split()[0]) * 1024

    ctypes.CDLL(None).malloc_trim(0)  # what was freed must not serve unseen
    Path("/proc/self/clear_refs").write_text("5")
    before = status("VmRSS")
    alpha = METHODS[method](*big, (1.0, 1.0, 1.0), window=WINDOW)
    print((status("VmHWM") - before - alpha.nbytes) / np.count_nonzero(big[1] == 1))


def recist_cases() -> dict[str, Callable[[], object]]:
    """From a mark to a soft mask: a nodule of 20 mm in 3D, and one slice of 256 x 256."""
    patch = nodule_patch(NoduleKind.SOLID, 20.0, (1.25, 0.7, 0.7), seed=1)
    key = round(float(patch.volume.map_reference_to_indices(patch.axes.centre[None])[0, 0]))
    one = patch.volume[key : key + 1]
    pad = [(max(256 - n, 0) // 2, max(256 - n + 1, 0) // 2) for n in one.spatial_shape[1:]]
    slice_256 = one.pad([(0, 0), *pad], mode="EDGE")
    return {
        "RECIST to 3D soft mask, 20 mm": lambda: soft_mask_from_recist(patch.volume, patch.axes),
        "RECIST to 2D soft mask, 256 x 256": lambda: soft_mask_from_recist(slice_256, patch.axes),
    }


def main() -> None:
    """Print the tables and write them as JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--skip-peers", action="store_true", help="only our own methods")
    parser.add_argument("--memory", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--method", default="closed-form", help=argparse.SUPPRESS)
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    numba.set_num_threads(1)
    if options.memory:
        _print_memory(options.memory, options.method)
        return
    image, trimap = shell(20, 128)
    count = int(np.count_nonzero(trimap == 1))
    spacing = (1.0, 1.0, 1.0)
    result: dict[str, object] = {"unknown": count}

    print(f"{count} unknown voxels in 128^3, one core, medians of {options.rounds} rounds, ms")
    ours = {
        name: lambda method=method: method(image, trimap, spacing, window=WINDOW)
        for name, method in METHODS.items()
    }
    times = side_by_side(ours, options.rounds)
    if not options.skip_peers:
        from pymatting import (
            estimate_alpha_cf,
            estimate_alpha_knn,
            estimate_alpha_lbdm,
            estimate_alpha_lkm,
        )

        box = tuple(slice(i.min() - 2, i.max() + 3) for i in np.nonzero(trimap == 1))

        def cropped() -> npt.NDArray:
            def estimate(colour: npt.NDArray, marks: npt.NDArray) -> npt.NDArray:
                return estimate_alpha_cf(colour, marks, cg_kwargs={"rtol": 1e-5})

            return slice_by_slice(estimate, image[box], trimap[box])

        fast = {
            "closed-form": ours["closed-form"],
            "closed-form, float64, residual 1e-7": lambda: closed_form(
                image, trimap, spacing, window=WINDOW, dtype=np.float64, tolerance=1e-7
            ),
            "pymatting cf, cropped, residual 1e-5": cropped,
            "pymatting cf, slice by slice": lambda: slice_by_slice(
                estimate_alpha_cf, image, trimap
            ),
            "naive 3D closed form, scipy": lambda: naive_closed_form(image, trimap),
            "the same, only windows that count": lambda: naive_closed_form(image, trimap, True),
        }
        slow = {
            "pymatting knn, slice by slice": estimate_alpha_knn,
            "pymatting lbdm, slice by slice": estimate_alpha_lbdm,
            "pymatting lkm, slice by slice": estimate_alpha_lkm,
        }
        times |= side_by_side(fast, max(3, options.rounds // 2))
        times |= side_by_side(
            {
                name: lambda estimate=estimate: slice_by_slice(estimate, image, trimap)
                for name, estimate in slow.items()
            },
            3,
        )
    reference = times["closed-form"]
    for name, taken in times.items():
        print(f"  {name:36} {1000 * taken:10.1f}   {taken / reference:8.2f} x closed-form")
    if "knn" in times and not options.skip_peers:
        ratio = times["pymatting knn, slice by slice"] / times["knn"]
        print(f"  knn is {ratio:.0f} times faster than pymatting's")
    result["seconds"] = times

    print("growth of closed-form with the number of unknown voxels")
    growth = []
    for radius in RADII:
        scene = shell(radius)
        unknown = int(np.count_nonzero(scene[1] == 1))
        taken = min(
            seconds(lambda scene=scene: closed_form(*scene, spacing, window=WINDOW))
            for _ in range(options.rounds)
        )
        growth.append(
            {
                "unknown": unknown,
                "seconds": taken,
                "bytes_per_unknown": memory(radius, "closed-form"),
            }
        )
        print(
            f"  {unknown:8d} unknown {1000 * taken:9.1f} ms "
            f"{growth[-1]['bytes_per_unknown']:7.0f} bytes each"
        )
    exponent = float(
        np.polyfit(*[[math.log(g[k]) for g in growth] for k in ("unknown", "seconds")], 1)[0]
    )
    print(f"  time grows as unknown^{exponent:.2f}")
    result |= {"growth": growth, "exponent": exponent}

    print("from a mark to a soft mask, ms")
    marks = side_by_side(recist_cases(), 3 * options.rounds)
    for name, taken in marks.items():
        print(f"  {name:36} {1000 * taken:10.1f}")
    result["recist_seconds"] = marks
    if options.json:
        options.json.parent.mkdir(parents=True, exist_ok=True)
        options.json.write_text(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
