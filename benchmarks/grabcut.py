"""GrabCut by itself: time of one crop, and Dice on phantoms of every kind.

    python -m benchmarks.grabcut --json out.json

Times are of a 64x64x64 crop (22 mm nodule, 0.65 mm voxels) and of a 256x256 slice, after warm-up,
on one core, the fastest and the median of several runs in turn. Dice is against the phantom's true
occupancy of a half or more: diameters of 8, 14 and 22 mm, slices of 1.25 and 2.5 mm. Everything was
tuned on seeds below 1000; the default seeds are held out.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt

from pipelines.grabcut import Cut, RecistEllipsoid, grabcut
from pipelines.grabcut.opencv_2d import MissingOpenCVError, grabcut_opencv_2d
from pipelines.lesion import crop_around
from pipelines.metrics import dice
from pipelines.phantom import NoduleKind, Patch, nodule_patch
from pipelines.recist import RecistAxes

DIAMETERS_MM = (8.0, 14.0, 22.0)
THICKNESSES_MM = (1.25, 2.5)
Way = Callable[..., Cut]
WAYS: dict[str, Way] = {"native 3D": grabcut, "OpenCV 2D": grabcut_opencv_2d}


def run(way: Way, patch: Patch, axes: RecistAxes) -> npt.NDArray[np.bool_]:
    """One way's mask on the patch's whole grid."""
    box, _ = crop_around(patch.volume, axes)
    mask = np.zeros(patch.volume.spatial_shape, bool)
    mask[box] = way(
        patch.volume.array[box].astype(np.float32),
        tuple(float(s) for s in patch.volume.spacing),
        RecistEllipsoid.from_axes(axes, patch.volume),
        tuple(s.start for s in box),
    ).mask
    return mask


def middle_of(patch: Patch, shape: tuple[int, int, int]) -> tuple[slice, slice, slice]:
    """A box of a given shape around the mark."""
    centre = patch.volume.map_reference_to_indices(patch.axes.centre[None])[0]
    first = [
        int(np.clip(round(c - n / 2), 0, m - n))
        for c, n, m in zip(centre, shape, patch.volume.spatial_shape, strict=True)
    ]
    return tuple(slice(f, f + n) for f, n in zip(first, shape, strict=True))


def seconds(repeats: int) -> list[dict[str, float | str]]:
    """Fastest and median time of each way on a 64x64x64 crop and on one slice."""
    cases = []
    solid = nodule_patch(NoduleKind.SOLID, 22, (0.65, 0.65, 0.65), 1)
    cases.append(("64x64x64, solid", solid, (64, 64, 64)))
    pleural = nodule_patch(NoduleKind.JUXTA_PLEURAL, 22, (0.65, 0.65, 0.65), 1)
    cases.append(("64x64x64, juxta-pleural", pleural, (64, 64, 64)))
    flat = nodule_patch(NoduleKind.SOLID, 70, (20.0, 0.7, 0.7), 1)
    cases.append(("1x256x256, 70 mm solid", flat, (1, 256, 256)))
    jobs = []
    for name, patch, shape in cases:
        box = middle_of(patch, shape)
        image = patch.volume.array[box].astype(np.float32)
        spacing = tuple(float(s) for s in patch.volume.spacing)
        ellipsoid = RecistEllipsoid.from_axes(patch.axes, patch.volume)
        offset = tuple(s.start for s in box)
        for label, way in WAYS.items():
            jobs.append((name, label, lambda w=way, a=(image, spacing, ellipsoid, offset): w(*a)))
    times: dict[tuple[str, str], list[float]] = {}
    for repeat in range(repeats + 1):
        for name, label, job in jobs:
            start = time.perf_counter()
            try:
                job()
            except MissingOpenCVError:
                continue
            if repeat:
                times.setdefault((name, label), []).append(time.perf_counter() - start)
    return [
        {"case": name, "way": label, "fastest_ms": 1e3 * min(t), "median_ms": 1e3 * np.median(t)}
        for (name, label), t in times.items()
    ]


def accuracy(first: int, count: int) -> list[dict[str, float | int | str]]:
    """Dice of each way, phantom and kind of mark."""
    rows = []
    for kind in NoduleKind:
        for thickness in THICKNESSES_MM:
            for diameter in DIAMETERS_MM:
                for seed in range(first, first + count):
                    patch = nodule_patch(kind, diameter, (thickness, 0.7, 0.7), seed)
                    truth = patch.occupancy.array >= 0.5
                    row = {
                        "kind": kind.value,
                        "thickness_mm": thickness,
                        "diameter_mm": diameter,
                        "seed": seed,
                        "one axis": dice(
                            run(grabcut, patch, RecistAxes(patch.axes.long_axis)), truth
                        ),
                    }
                    for label, way in WAYS.items():
                        try:
                            row[label] = dice(run(way, patch, patch.axes), truth)
                        except MissingOpenCVError:
                            continue
                    rows.append(row)
    return rows


def main() -> None:
    """Print two tables and write them as JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--first-seed", type=int, default=1000)
    parser.add_argument("--seeds", type=int, default=3, help="phantoms of each kind and size")
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--native-only", action="store_true", help="without OpenCV's way")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    if options.native_only:
        del WAYS["OpenCV 2D"]
    times = seconds(options.repeats)
    for row in times:
        print(
            f"{row['case']:28} {row['way']:10} fastest {row['fastest_ms']:7.1f} ms, "
            f"median {row['median_ms']:7.1f} ms"
        )
    rows = accuracy(options.first_seed, options.seeds)
    names = [n for n in ("native 3D", "one axis", "OpenCV 2D") if n in rows[0]]
    print(
        f"\n{'Dice':16} {'slice mm':>8} {'n':>4} " + " ".join(f"{n:>10}" for n in names) + "  worst"
    )
    for kind in NoduleKind:
        for thickness in THICKNESSES_MM:
            of = [r for r in rows if (r["kind"], r["thickness_mm"]) == (kind.value, thickness)]
            means = " ".join(f"{statistics.mean(r[n] for r in of):10.3f}" for n in names)
            worst = min(r["native 3D"] for r in of)
            print(f"{kind.value:16} {thickness:8.2f} {len(of):4} {means}  {worst:.3f}")
    if options.json:
        options.json.write_text(json.dumps({"times": times, "phantoms": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()
