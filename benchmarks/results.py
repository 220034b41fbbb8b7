"""What each rung of the ladder costs: bytes, seconds and memory.

    python -m benchmarks.results --json bench-out/results.json

One lesion of 20 slices in a study of 400, 512 x 512 each, is published as a worker does it: read
the headers of all slices and the HU of the covered ones, make each object, write it durably. A
process of its own for each rung, and one for all together, so that memory is that rung's; each has
made one small lesion before, for the first use of a library loads tables that stay (highdicom's
alone hold 100 MB). Seconds are of the wall clock and of the processor: on a busy machine only the
latter repeat. Memory is the most that the process held while it published, and how much of that it
did not hold before; the bound is for the latter, as Python and its libraries hold more than that
before any lesion comes.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import highdicom as hd
import numpy as np
import pydicom
from pydicom.dataset import Dataset
from rich.console import Console
from rich.table import Table

from dicomnode.demo.ct_series import CtSeriesDescription, ct_series
from dicomnode.jobs.read_volume import read_volume
from dicomnode.jobs.uncollected import uncollected
from dicomnode.marks.lesion_mark import LesionMark
from dicomnode.marks.recist_mark import RecistMark
from dicomnode.results import LADDER, Equipment, LesionResult, MarkSource
from dicomnode.store.files import write_durably
from pipelines.measure import measure
from pipelines.soft_mask import SoftMask

SLICES, SIZE, SPACING = 400, 512, (1.8, 0.7, 0.7)
RADIUS_MM, EDGE_MM = 17.9, 2.0
MIDDLE = (200, 256, 256)
MOST_S, MOST_MB = 2.0, 250.0
_STAND_IN = MarkSource("1.2.840.10008.5.1.4.1.1.66.4", "1.2.8", "1.2.9", "1.2.10")


def write_study(folder: Path) -> None:
    """A ball of soft tissue in noise, its soft mask, and the slices it lies on."""
    affine = np.zeros((4, 4))
    affine[[2, 1, 0, 3], [0, 1, 2, 3]] = (*SPACING, 1)
    tiny = hd.Volume(np.zeros((SLICES, 8, 8), np.int16), affine, coordinate_system="PATIENT")
    rng = np.random.default_rng(0)
    row, column = np.meshgrid(np.arange(SIZE), np.arange(SIZE), indexing="ij")
    alphas = []
    for index, dataset in enumerate(ct_series(tiny, CtSeriesDescription("benchmark"))):
        away = np.array(
            [
                np.full_like(row, index - MIDDLE[0]) * SPACING[0],
                (row - MIDDLE[1]) * SPACING[1],
                (column - MIDDLE[2]) * SPACING[2],
            ]
        )
        alpha = np.clip((RADIUS_MM - np.linalg.norm(away, axis=0)) / EDGE_MM + 0.5, 0, 1)
        hu = -860 + 900 * alpha + rng.normal(0, 20, alpha.shape)
        dataset.Rows = dataset.Columns = SIZE
        dataset.PixelData = hu.astype(np.int16).tobytes()
        dataset.save_as(folder / f"{index:03}.dcm", enforce_file_format=True)
        if alpha.any():
            alphas.append((index, alpha[220:292, 220:292].astype(np.float32)))
    offset = (alphas[0][0], 220, 220)
    grid = hd.Volume(
        np.stack([alpha for _, alpha in alphas]),
        affine @ np.vstack([np.column_stack([np.eye(3), offset]), [0, 0, 0, 1]]),
        coordinate_system="PATIENT",
    )
    mask = SoftMask(grid, grid.with_array(np.ones(grid.shape, np.uint8)), "occupancy", {}, offset)
    with (folder / "mask.npz").open("wb") as file:
        mask.save(file)


@uncollected()
def publish(folder: Path, names: list[str], every_slice: bool) -> dict[str, object]:
    """Publish the lesion in these rungs; called in a process of its own."""
    _one_small_lesion(names)
    before_mb = _reset_peak()
    out = folder / "out"
    out.mkdir(exist_ok=True)
    clock = _Clock()
    paths = sorted(folder.glob("*.dcm"))
    headers = [pydicom.dcmread(path, stop_before_pixels=True) for path in paths]
    clock.lap("read headers")
    result = _result(headers, SoftMask.load(folder / "mask.npz"))
    first, count = result.mask.offset[0], result.mask.alpha.array.shape[0]
    clock.lap("measure")
    hu = None
    if any(LADDER[name].needs_ct for name in names):
        volume, _ = read_volume(paths[first : first + count], 0)
        hu = volume.array
        clock.lap("read HU")
    rungs, twins = [], []
    for name in names:
        made = _make(name, result, twins, hu, every_slice)
        make = clock.lap(None)
        size = sum(_write(one, out) for one in made)
        write = clock.lap(None)
        rungs.append(
            {
                "rung": name,
                "objects": len(made),
                "bytes": size,
                "make_s": make[0],
                "make_cpu_s": make[1],
                "write_s": write[0],
            }
        )
        if LADDER[name].of == "lesion":
            twins += [MarkSource.of(one) for one in made]
        del made
    return {
        "rungs": rungs,
        "seconds": clock.total()[0],
        "cpu_s": clock.total()[1],
        "laps": clock.laps,
        "peak_mb": _peak_mb(),
        "more_mb": _peak_mb() - before_mb,
        "slices": count,
    }


class _Clock:
    def __init__(self) -> None:
        self._start = self._last = (time.perf_counter(), time.process_time())
        self.laps: dict[str, tuple[float, float]] = {}

    def lap(self, name: str | None) -> tuple[float, float]:
        now = (time.perf_counter(), time.process_time())
        lap = (now[0] - self._last[0], now[1] - self._last[1])
        self._last = now
        if name is not None:
            self.laps[name] = lap
        return lap

    def total(self) -> tuple[float, float]:
        return (self._last[0] - self._start[0], self._last[1] - self._start[1])


def _one_small_lesion(names: list[str]) -> None:
    """Load what libraries load at their first use."""
    affine = np.zeros((4, 4))
    affine[[2, 1, 0, 3], [0, 1, 2, 3]] = (2, 1, 1, 1)
    volume = hd.Volume(np.zeros((3, 32, 32), np.int16), affine, coordinate_system="PATIENT")
    ct = ct_series(volume, CtSeriesDescription("warm"))
    alpha = volume[1:2, 8:16, 8:16].with_array(np.full((1, 8, 8), 0.9, np.float32))
    trimap = alpha.with_array(np.ones((1, 8, 8), np.uint8))
    mask = SoftMask(alpha, trimap, "occupancy", {}, (1, 8, 8))
    result = LesionResult(mask, ct, _mark(ct[1]), measure(mask), "digest", Equipment("1"))
    twins = []
    for name in names:
        made = _make(name, result, twins, np.zeros((1, 32, 32), np.float32))
        if LADDER[name].of == "lesion":
            twins += [MarkSource.of(one) for one in made]


def _mark(header: Dataset) -> LesionMark:
    middle, half = header.Rows / 2, min(header.Rows / 4, 20)
    return LesionMark.of(
        RecistMark(
            np.array([[middle - half, middle], [middle + half, middle]]),
            np.array([[middle, middle - half + 1], [middle, middle + half - 1]]),
            "1.2.3",
            "1",
            referenced_sop_instance_uid=str(header.SOPInstanceUID),
        )
    )


def _result(headers: list[Dataset], mask: SoftMask) -> LesionResult:
    source = MarkSource(
        "1.2.840.10008.5.1.4.1.1.88.34", "1.2.3", str(headers[0].StudyInstanceUID), "1.2.4"
    )
    return LesionResult(
        mask, headers, _mark(headers[MIDDLE[0]]), measure(mask), "digest", Equipment("1"), (source,)
    )


def _make(
    name: str,
    result: LesionResult,
    twins: list[MarkSource],
    hu: np.ndarray | None,
    every_slice: bool = False,
) -> list[Dataset]:
    rung = LADDER[name]
    settings = rung.settings()
    if every_slice and hasattr(settings, "omit_empty_frames"):
        settings = replace(settings, omit_empty_frames=False)
    more = {"hu": hu} if rung.needs_ct else {}
    if rung.of == "series":
        # Alone it has no twins, and a key object without anything to point to is none.
        made = rung.make([result], settings, [twins or [_STAND_IN]], **more)
    else:
        made = rung.make(result, settings, twins, **more)
    return made if isinstance(made, list) else [made]


def _write(made: Dataset, folder: Path) -> int:
    path = folder / f"{made.SOPInstanceUID}.dcm"
    write_durably(path, lambda file: made.save_as(file, enforce_file_format=True))
    return path.stat().st_size


def _status_mb(field: str) -> float:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(field):
            return int(line.split()[1]) / 1024
    raise RuntimeError(f"/proc/self/status has no {field}")


def _reset_peak() -> float:
    """Forget the greatest resident size so far (Linux, proc(5)); give the present one in MB."""
    Path("/proc/self/clear_refs").write_text("5")
    return _status_mb("VmRSS")


def _peak_mb() -> float:
    return _status_mb("VmHWM")


def _in_a_process(folder: Path, names: list[str], every_slice: bool) -> dict[str, object]:
    command = [sys.executable, "-m", "benchmarks.results", "--publish", str(folder), *names]
    command += ["--every-slice"] if every_slice else []
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"publishing {', '.join(names)} failed:\n{done.stderr[-2000:]}")
    return json.loads(done.stdout.splitlines()[-1])


def main() -> None:
    """Run, print the table, and say whether all rungs together stay within the bounds."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", type=Path, default=None)
    parser.add_argument("--rungs", nargs="*", default=list(LADDER), choices=list(LADDER))
    parser.add_argument(
        "--every-slice", action="store_true", help="with a frame for each slice of the study"
    )
    parser.add_argument("--publish", nargs="+", default=None, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.publish:
        folder, *names = arguments.publish
        print(json.dumps(publish(Path(folder), names, arguments.every_slice)))
        return
    with tempfile.TemporaryDirectory(prefix="results-") as scratch:
        folder = Path(scratch)
        write_study(folder)
        alone = {
            name: _in_a_process(folder, [name], arguments.every_slice) for name in arguments.rungs
        }
        together = _in_a_process(folder, arguments.rungs, arguments.every_slice)
    _print(alone, together)
    if arguments.json:
        arguments.json.parent.mkdir(parents=True, exist_ok=True)
        report = {"alone": alone, "together": together}
        arguments.json.write_text(json.dumps(report, indent=1) + "\n")


def _print(alone: dict[str, dict], together: dict[str, object]) -> None:
    table = Table(title=f"One lesion of {together['slices']} slices in a study of {SLICES}")
    for column in ("rung", "objects", "kB", "make s", "cpu s", "write s", "peak MB", "more MB"):
        table.add_column(column, justify="left" if column == "rung" else "right")
    for rung in together["rungs"]:
        own = alone[rung["rung"]]
        table.add_row(
            rung["rung"],
            str(rung["objects"]),
            f"{rung['bytes'] / 1000:.0f}",
            f"{rung['make_s']:.3f}",
            f"{rung['make_cpu_s']:.3f}",
            f"{rung['write_s']:.3f}",
            f"{own['peak_mb']:.0f}",
            f"{own['more_mb']:.0f}",
        )
    for name, (wall, cpu) in together["laps"].items():
        table.add_row(name, "", "", f"{wall:.3f}", f"{cpu:.3f}")
    size = sum(rung["bytes"] for rung in together["rungs"])
    objects = sum(rung["objects"] for rung in together["rungs"])
    table.add_row(
        "all together",
        str(objects),
        f"{size / 1000:.0f}",
        f"{together['seconds']:.3f}",
        f"{together['cpu_s']:.3f}",
        "",
        f"{together['peak_mb']:.0f}",
        f"{together['more_mb']:.0f}",
        style="bold",
    )
    console = Console()
    console.print(table)
    within = together["seconds"] <= MOST_S and together["more_mb"] <= MOST_MB
    console.print(
        f"{'within' if within else 'NOT within'} {MOST_S:g} s and {MOST_MB:g} MB more "
        "(seconds of the wall clock, reading and writing included)"
    )


if __name__ == "__main__":
    main()
