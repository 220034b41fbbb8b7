"""Accuracy on real nodules: marks from one reader's axes, scored against the readers' consensus.

    python benchmarks/lidc.py FOLDER --half report --json out.json

FOLDER holds `index.csv` and `lidc_slices_4readers.tar.xz` (LIDC-IDRI nodules as 128x128 slices
with four reader masks). Patients are split by a hash: everything was tuned on the half `tune`;
`report` is for the numbers that are published. A mark is the longest chord and its perpendicular
of ONE reader, drawn by lot; the reference is what at least two of the four readers marked.

The stacks end where the nodule ends in z, which flatters every 3D score. `--context` therefore
adds slices on both sides in which the nodule is replaced by its surroundings.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import json
import statistics
import tarfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import highdicom as hd
import numpy as np
import numpy.typing as npt
from PIL import Image
from scipy import ndimage

from pipelines.lesion import soft_mask_from_recist
from pipelines.longest_axes import axes_from_mask
from pipelines.metrics import dice
from pipelines.recist import RecistAxes

LUNG_HU, TISSUE_HU, AIR_HU = -860.0, 40.0, -1000.0


@dataclass(frozen=True, eq=False)
class Nodule:
    """One nodule: HU volume, masks (reader, slice, row, column), reader of the mark, its axes."""

    patient: str
    name: str
    volume: hd.Volume
    masks: npt.NDArray[np.bool_]
    reader: int
    axes: RecistAxes

    @property
    def consensus(self) -> npt.NDArray[np.bool_]:
        """What at least two of four readers marked."""
        return self.masks.sum(axis=0) >= 2


def half_of(patient: str) -> str:
    """`tune` or `report`, by a hash of the patient."""
    return ("tune", "report")[hashlib.sha256(patient.encode()).digest()[0] % 2]


def calibrate(grey: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """HU of a nodule's 8-bit slices, which were stretched between minimum and maximum.

    The minimum is about -1000 HU. The scale comes from the soft tissue peak (40 HU) where the crop
    holds enough of it, else from the peak of lung (-860 HU).
    """
    counts = np.bincount(grey.ravel(), minlength=256).astype(float)
    smooth = np.convolve(counts, np.ones(5) / 5, "same")
    tissue = 60 + int(smooth[60:220].argmax())
    lung = 3 + int(smooth[3:60].argmax())
    if counts[tissue - 8 : tissue + 9].sum() > 0.08 * counts.sum():
        scale = (TISSUE_HU - AIR_HU) / tissue
    else:
        scale = (LUNG_HU - AIR_HU) / max(lung, 9)
    return AIR_HU + scale * grey.astype(np.float32)


def load(folder: Path, half: str) -> Iterator[Nodule]:
    """Nodules of one half, in the order of their names."""
    rows: dict[tuple[str, str], list[dict[str, str]]] = {}
    with open(folder / "index.csv", newline="") as file:
        for row in csv.DictReader(file):
            if half_of(row["patient"]) == half:
                rows.setdefault((row["patient"], row["nodule"]), []).append(row)
    # A slice without a position would leave a gap: such nodules (17 of 572) are left out.
    rows = {key: found for key, found in rows.items() if all(row["z_mm"] for row in found)}
    wanted = {f"{patient}/{nodule}" for patient, nodule in rows}
    images: dict[str, npt.NDArray[np.uint8]] = {}
    with tarfile.open(folder / "lidc_slices_4readers.tar.xz", "r|xz") as archive:
        for member in archive:
            path = member.name.removeprefix("./")
            if member.isfile() and "/".join(path.split("/")[:2]) in wanted:
                with Image.open(archive.extractfile(member)) as image:
                    images[path] = np.asarray(image.convert("L"))
    for (patient, nodule), slices in sorted(rows.items()):
        slices.sort(key=lambda row: float(row["z_mm"]))
        numbers = [row["slice"] for row in slices]

        def stack(what: str, at=f"{patient}/{nodule}", numbers=numbers) -> npt.NDArray[np.uint8]:
            return np.stack([images[f"{at}/{what}/slice-{k}.png"] for k in numbers])

        pixel, step = float(slices[0]["px_mm"]), float(slices[0]["dz_mm"])
        affine = np.array([[0, 0, pixel, 0], [0, pixel, 0, 0], [step, 0, 0, 0], [0, 0, 0, 1.0]])
        volume = hd.Volume(calibrate(stack("images")), affine, coordinate_system="PATIENT")
        masks = np.stack([stack(f"mask-{i}") > 127 for i in range(4)])
        readers = [i for i in range(4) if masks[i].any()]
        lot = hashlib.sha256(f"{patient}/{nodule}".encode()).digest()[0]
        reader = readers[lot % len(readers)]
        yield Nodule(patient, nodule, volume, masks, reader, axes_from_mask(masks[reader], volume))


def with_context(nodule: Nodule, reach_mm: float) -> Nodule:
    """The same nodule with slices added on both sides, as far as `reach_mm` beyond its ends.

    Each is a copy of the end slice in which what any reader marked, and two pixels around it, is
    filled from its surroundings; the slice next to the nodule keeps 30 % of it, as a real
    neighbour does by partial volume.
    """
    array, masks = nodule.volume.array, nodule.masks
    count = int(np.ceil(reach_mm / nodule.volume.spacing[0]))
    marked = masks.any(axis=0)
    added = []
    for end in (0, -1):
        hole = ndimage.binary_dilation(marked[end], iterations=2)
        filled = _filled(array[end], hole)
        near = 0.3 * array[end] + 0.7 * filled
        slices = [near] + [filled] * (count - 1)
        added.append(np.stack(slices[::-1] if end == 0 else slices))
    volume = hd.Volume(
        np.concatenate([added[0], array, added[1]]).astype(np.float32),
        nodule.volume.get_affine(output_convention="LPS")
        @ np.array([[1, 0, 0, -count], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1.0]]),
        coordinate_system="PATIENT",
    )
    masks = np.pad(masks, ((0, 0), (count, count), (0, 0), (0, 0)))
    return Nodule(nodule.patient, nodule.name, volume, masks, nodule.reader, nodule.axes)


def _filled(image: npt.NDArray, hole: npt.NDArray[np.bool_]) -> npt.NDArray:
    """A slice with a hole filled by repeated averaging, plus the noise of its surroundings."""
    ring = ndimage.binary_dilation(hole, iterations=6) & ~hole
    filled = image.copy()
    filled[hole] = np.median(image[ring]) if ring.any() else LUNG_HU
    for _ in range(200):
        filled[hole] = ndimage.uniform_filter(filled, 3)[hole]
    rough = image - ndimage.uniform_filter(image, 3)
    shift = np.roll(np.where(hole, 0, rough), (17, 23), axis=(0, 1))
    return filled + np.where(hole, np.clip(shift, -100, 100), 0)


def main() -> None:
    """Print a table and write it as JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--half", choices=("tune", "report"), default="tune")
    parser.add_argument("--method", default="closed-form")
    parser.add_argument("--context", action="store_true", help="add slices beyond the nodule")
    parser.add_argument("--limit", type=int, help="only the first so many nodules")
    parser.add_argument("--json", type=Path, help="write one row a nodule to this file")
    options = parser.parse_args()
    results = []
    for number, nodule in enumerate(load(options.folder, options.half)):
        if number == options.limit:
            break
        if options.context:
            nodule = with_context(nodule, 0.75 * nodule.axes.long_mm + 6)
        start = time.perf_counter()
        soft = soft_mask_from_recist(nodule.volume, nodule.axes, method=options.method)
        seconds = time.perf_counter() - start
        mask = np.zeros(nodule.volume.spatial_shape, bool)
        box = tuple(
            slice(o, o + n) for o, n in zip(soft.offset, soft.alpha.spatial_shape, strict=True)
        )
        mask[box] = soft.alpha.array >= 0.5
        key = int(np.argmax(nodule.masks[nodule.reader].sum(axis=(1, 2))))
        results.append(
            {
                "nodule": f"{nodule.patient}/{nodule.name}",
                "long_mm": round(nodule.axes.long_mm, 2),
                "dice": dice(mask, nodule.consensus),
                "dice_key_slice": dice(mask[key], nodule.consensus[key]),
                "dice_reader": dice(nodule.masks[nodule.reader], nodule.consensus),
                "seconds": seconds,
                "warnings": list(soft.warnings),
            }
        )
    print(f"half {options.half}, {len(results)} nodules, context {options.context}")
    for name in ("dice", "dice_key_slice", "dice_reader", "seconds"):
        values = [row[name] for row in results]
        print(
            f"{name:15} mean {statistics.mean(values):.3f}  median {statistics.median(values):.3f}"
            f"  worst {min(values):.3f}  largest {max(values):.3f}"
        )
    if options.json:
        options.json.write_text(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
