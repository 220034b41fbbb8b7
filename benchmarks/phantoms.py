"""Accuracy on phantom nodules, whose occupancy is known exactly.

    python benchmarks/phantoms.py --json out.json

For each kind: sum of absolute differences in % of the true volume, error of the soft volume in %,
Dice at 0.5, over three diameters, two slice thicknesses and some seeds.
"""

from __future__ import annotations

import argparse
import json
import statistics
from pathlib import Path

import numpy as np

from pipelines.lesion import soft_mask_from_recist
from pipelines.metrics import dice, sad, volume_error
from pipelines.phantom import NoduleKind, nodule_patch

DIAMETERS_MM = (8.0, 14.0, 22.0)
THICKNESSES_MM = (1.25, 2.5)


def main() -> None:
    """Print a table and write it as JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--method", default="closed-form")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--json", type=Path, help="write one row a phantom to this file")
    options = parser.parse_args()
    rows = []
    for kind in NoduleKind:
        for thickness in THICKNESSES_MM:
            for diameter in DIAMETERS_MM:
                for seed in range(100, 100 + options.seeds):
                    patch = nodule_patch(kind, diameter, (thickness, 0.7, 0.7), seed)
                    soft = soft_mask_from_recist(patch.volume, patch.axes, method=options.method)
                    alpha = np.zeros(patch.volume.spatial_shape, np.float32)
                    shape = soft.alpha.spatial_shape
                    alpha[
                        tuple(slice(o, o + n) for o, n in zip(soft.offset, shape, strict=True))
                    ] = soft.alpha.array
                    truth = patch.occupancy.array
                    rows.append(
                        {
                            "kind": kind.value,
                            "thickness_mm": thickness,
                            "diameter_mm": diameter,
                            "seed": seed,
                            "sad_percent": 100 * sad(alpha, truth) / float(truth.sum()),
                            "volume_percent": 100 * volume_error(alpha, truth),
                            "dice": dice(alpha >= 0.5, truth >= 0.5),
                        }
                    )
    print(f"{'kind':16} {'slice mm':>8} {'SAD %':>7} {'volume %':>9} {'Dice':>6}")
    for kind in NoduleKind:
        for thickness in THICKNESSES_MM:
            of = [r for r in rows if (r["kind"], r["thickness_mm"]) == (kind.value, thickness)]
            means = [
                statistics.mean(r[n] for r in of) for n in ("sad_percent", "volume_percent", "dice")
            ]
            print(
                f"{kind.value:16} {thickness:8.2f} {means[0]:7.1f} {means[1]:9.1f} {means[2]:6.3f}"
            )
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1))


if __name__ == "__main__":
    main()
