"""Accuracy on real nodules: marks from one reader's axes, scored against the readers' consensus.

    python -m benchmarks.lidc FOLDER --half report --json out.json

FOLDER holds `index.csv` and `lidc_slices_4readers.tar.xz` (LIDC-IDRI nodules as 128x128 slices
with four reader masks). Patients are split by a hash: everything was tuned on the half `tune`;
`report` is for the numbers that are published. Networks are trained on the part `train` of `tune`:
of theirs, only `validation`, the rest of it, and `report` say anything. A mark is the longest chord
and its perpendicular of ONE reader, drawn by lot; the reference is what at least two of the four
readers marked.

Two masks are scored: GrabCut's cut, and alpha from a level on. Alpha is an occupancy, and readers
draw their outline outside of where half of a voxel is lesion: the default level was fitted on the
half `tune`. Tables go by size and by how well the readers agree (mean Dice of their pairs).

The stacks end where the nodule ends in z, which flatters every 3D score. `--context` therefore
adds slices on both sides in which the nodule is replaced by its surroundings.
"""

from __future__ import annotations

import argparse
import csv
import itertools
import json
import statistics
import tarfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import highdicom as hd
import numpy as np
import numpy.typing as npt
from PIL import Image

from pipelines.dataset.beyond_ends import without_lesion
from pipelines.dataset.lidc import SPLITS, calibrate, split_of
from pipelines.evaluation.cases import marking_readers
from pipelines.evaluation.continued import continued, reach_beyond_mm
from pipelines.grabcut import RecistEllipsoid, grabcut
from pipelines.lesion import soft_mask_from_recist
from pipelines.longest_axes import axes_from_mask
from pipelines.metrics import dice
from pipelines.parameters import DEFAULT_METHOD
from pipelines.recist import RecistAxes
from pipelines.soft_mask import READERS_LEVEL

SIZES_MM = (0.0, 6.0, 10.0, 20.0, 1000.0)
AGREEMENTS = (0.0, 0.6, 0.7, 0.8, 1.01)


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
    """`report`, or `tune`: those on whom networks are trained and validated."""
    return "report" if split_of(patient) == "report" else "tune"


def load(folder: Path, half: str) -> Iterator[Nodule]:
    """Nodules of one half, or of one split of networks, in the order of their names."""
    rows: dict[tuple[str, str], list[dict[str, str]]] = {}
    with open(folder / "index.csv", newline="") as file:
        for row in csv.DictReader(file):
            if half in (half_of(row["patient"]), split_of(row["patient"])):
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
        reader = marking_readers(f"{patient}/{nodule}", readers)[0]
        yield Nodule(patient, nodule, volume, masks, reader, axes_from_mask(masks[reader], volume))


def with_context(nodule: Nodule, reach_mm: float) -> Nodule:
    """The same nodule with slices added on both sides, as far as `reach_mm` beyond its ends.

    See `pipelines.evaluation.continued`.
    """
    array, marked = nodule.volume.array, nodule.masks.any(axis=0)
    beyond = np.stack([without_lesion(array[end], marked[end]) for end in (0, -1)])
    volume, masks = continued(nodule.volume, nodule.masks, beyond, reach_mm)
    return Nodule(nodule.patient, nodule.name, volume, masks, nodule.reader, nodule.axes)


@dataclass(frozen=True)
class Score:
    """What one nodule got. `cut` is GrabCut's own mask, `alpha` the soft mask above the level."""

    nodule: str
    long_mm: float
    agreement: float
    cut: float
    cut_key_slice: float
    alpha: float
    alpha_key_slice: float
    reader: float
    volume_ratio: float
    seconds: float
    warnings: tuple[str, ...]


def agreement(nodule: Nodule) -> float:
    """Mean Dice of all pairs of readers; one who marked nothing agrees with nobody."""
    pairs = itertools.combinations(nodule.masks, 2)
    return statistics.mean(dice(a, b) if a.any() or b.any() else 0.0 for a, b in pairs)


def score(nodule: Nodule, method: str, level: float) -> Score:
    """Segment one nodule from its mark and compare with the consensus."""
    start = time.perf_counter()
    soft = soft_mask_from_recist(nodule.volume, nodule.axes, method=method)
    seconds = time.perf_counter() - start
    box = tuple(slice(o, o + n) for o, n in zip(soft.offset, soft.alpha.spatial_shape, strict=True))
    spacing = tuple(float(s) for s in nodule.volume.spacing)
    cut = grabcut(
        np.maximum(nodule.volume.array[box], -1024),
        spacing,
        RecistEllipsoid.from_axes(nodule.axes, nodule.volume),
        soft.offset,
    )
    truth = nodule.consensus
    key = int(np.argmax(nodule.masks[nodule.reader].sum(axis=(1, 2))))
    found = []
    for part in (cut.mask, soft.alpha.array >= level):
        mask = np.zeros(nodule.volume.spatial_shape, bool)
        mask[box] = part
        found += [dice(mask, truth), dice(mask[key], truth[key])]
    readers = float(nodule.masks.sum()) / max(int(nodule.masks.any(axis=(1, 2, 3)).sum()), 1)
    return Score(
        f"{nodule.patient}/{nodule.name}",
        round(nodule.axes.long_mm, 2),
        agreement(nodule),
        *found,
        dice(nodule.masks[nodule.reader], truth),
        float(soft.alpha.array.sum(dtype=np.float64)) / readers,
        seconds,
        tuple(soft.warnings),
    )


MEASURES = ("cut", "cut_key_slice", "alpha", "alpha_key_slice", "reader")


def interval(values: list[float]) -> tuple[float, float]:
    """95 % bootstrap interval of the mean over nodules."""
    rng = np.random.default_rng(0)
    drawn = rng.choice(np.asarray(values), (2000, len(values))).mean(axis=1)
    return tuple(float(v) for v in np.percentile(drawn, (2.5, 97.5)))


def summary(scores: list[Score]) -> dict[str, dict[str, float | int]]:
    """Mean, interval, median and worst of each measure."""
    result = {}
    for name in MEASURES:
        values = [getattr(s, name) for s in scores]
        low, high = interval(values)
        result[name] = {
            "count": len(values),
            "mean": statistics.mean(values),
            "low": low,
            "high": high,
            "median": statistics.median(values),
            "worst": min(values),
        }
    return result


def groups(scores: list[Score]) -> dict[str, list[Score]]:
    """All nodules, then by size and by the readers' agreement."""
    found = {"all": scores}
    for low, high in itertools.pairwise(SIZES_MM):
        found[f"long axis {low:g}-{high:g} mm"] = [s for s in scores if low <= s.long_mm < high]
    for low, high in itertools.pairwise(AGREEMENTS):
        found[f"readers agree {low:.1f}-{high:.1f}"] = [
            s for s in scores if low <= s.agreement < high
        ]
    return {name: group for name, group in found.items() if group}


def main() -> None:
    """Print tables and write them as JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--half", choices=("tune", *SPLITS), default="tune")
    parser.add_argument("--method", default=DEFAULT_METHOD)
    parser.add_argument(
        "--level", type=float, default=READERS_LEVEL, help="alpha from which on is lesion"
    )
    parser.add_argument("--context", action="store_true", help="add slices beyond the nodule")
    parser.add_argument("--limit", type=int, help="only the first so many nodules")
    parser.add_argument("--json", type=Path, help="write tables and one row a nodule to this file")
    options = parser.parse_args()
    scores = []
    for nodule in itertools.islice(load(options.folder, options.half), options.limit):
        if options.context:
            nodule = with_context(nodule, reach_beyond_mm(nodule.axes.long_mm))
        scores.append(score(nodule, options.method, options.level))
    tables = {name: summary(group) for name, group in groups(scores).items()}
    print(
        f"half {options.half}, context {options.context}, method {options.method}, "
        f"alpha >= {options.level}; Dice, mean and 95 % interval over nodules"
    )
    print(f"{'':24} {'n':>4}" + "".join(f" {name.replace('_', ' '):>21}" for name in MEASURES))
    for name, table in tables.items():
        cells = [f"{t['mean']:.3f} [{t['low']:.3f}, {t['high']:.3f}]" for t in table.values()]
        print(f"{name:24} {table['cut']['count']:4}" + "".join(f" {cell:>21}" for cell in cells))
    whole = tables["all"]
    print("median " + ", ".join(f"{name} {whole[name]['median']:.3f}" for name in MEASURES))
    print("worst  " + ", ".join(f"{name} {whole[name]['worst']:.3f}" for name in MEASURES))
    print(f"median seconds {statistics.median(s.seconds for s in scores):.3f}")
    if options.json:
        settings = {name: str(value) for name, value in vars(options).items()}
        rows = [asdict(s) for s in scores]
        text = json.dumps({"settings": settings, "tables": tables, "nodules": rows}, indent=1)
        options.json.write_text(text + "\n")


if __name__ == "__main__":
    main()
