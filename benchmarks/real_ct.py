"""Real CT end to end: storescu -> node -> Orthanc, and what came back against the outlines.

    python -m benchmarks.real_ct DATA --out bench-out/real-ct

DATA holds ``ibsi_ct`` (a 359 ml mass on the chest wall, with an RTSTRUCT) and
``lungdx_A0002_B40f`` (a central tumour, with a box on each slice). Each gets a RECIST report: of
the mass's outline the longest chord on its largest slice and the perpendicular, of the boxes the
sides of the largest one.
"""

from __future__ import annotations

import argparse
import json
import shutil
import xml.etree.ElementTree as ET
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import highdicom as hd
import numpy as np
import numpy.typing as npt
import pydicom
from rich.console import Console
from rich.table import Table

from benchmarks.round_trip import round_trip
from benchmarks.rtstruct_mask import mask_of_contours
from dicomnode.demo.recist_sr import DrawnMark, recist_report
from dicomnode.jobs.read_volume import read_volume
from dicomnode.pictures.contact_sheet import Panel, save_contact_sheet
from dicomnode.results.read_alpha import read_alpha
from pipelines.longest_axes import axes_from_mask
from pipelines.metrics import dice
from pipelines.recist import RecistAxes


@dataclass(frozen=True, eq=False)
class Case:
    """One CT series with the mark to send, and what is known of the lesion.

    Attributes
    ----------
    outline : ndarray of bool, on the grid of `volume`, or None
    box : tuple of slice, or None
        (rows, columns) of the largest annotated box.
    """

    name: str
    slices: Sequence[pydicom.Dataset]
    volume: hd.Volume
    axes: RecistAxes
    key: int
    outline: npt.NDArray[np.bool_] | None = None
    box: tuple[slice, slice] | None = None


@dataclass(frozen=True)
class Score:
    """What came back for one case."""

    name: str
    long_mm: float
    volume_ml: float
    dice: float | None
    in_box: float | None
    """Of the key slice's alpha, the part inside the annotated box."""


def ibsi(data: Path) -> Case:
    """The mass on the chest wall, marked from its RTSTRUCT outline."""
    slices, volume = _series(data / "ibsi_ct" / "ct")
    rtstruct = pydicom.dcmread(next((data / "ibsi_ct" / "rtstruct").glob("*.dcm")))
    outline = mask_of_contours(rtstruct, volume)
    key = int(outline.sum(axis=(1, 2)).argmax())
    axes = axes_from_mask(outline, volume)
    return Case("ibsi_ct", slices, volume, axes, key, outline=outline)


def lungdx(data: Path, name: str = "lungdx_A0002_B40f") -> Case:
    """The central tumour, marked from the sides of its largest box."""
    slices, volume = _series(data / name / "ct")
    order = {str(s.SOPInstanceUID): i for i, s in enumerate(slices)}
    boxes = {}
    for path in (data / name / "annotation_voc_xml").glob("*.xml"):
        box = ET.parse(path).find("object/bndbox")
        sides = [int(box.find(side).text) for side in ("ymin", "ymax", "xmin", "xmax")]
        boxes[order[path.stem]] = sides
    key, (top, bottom, left, right) = max(
        boxes.items(), key=lambda item: (item[1][1] - item[1][0]) * (item[1][3] - item[1][2])
    )
    middle = ((top + bottom) / 2, (left + right) / 2)
    ends = np.array(
        [
            (key, top, middle[1]),
            (key, bottom, middle[1]),
            (key, middle[0], left),
            (key, middle[0], right),
        ],
        dtype=np.float64,
    )
    points = volume.map_indices_to_reference(ends)
    sides = sorted([points[:2], points[2:]], key=lambda p: -np.linalg.norm(p[1] - p[0]))
    box = (slice(top, bottom + 1), slice(left, right + 1))
    return Case(name, slices, volume, RecistAxes(*sides), key, box=box)


def run(cases: Sequence[Case], out: Path) -> list[Score]:
    """Send all cases at once, fetch their SEGs, score them and draw them."""
    out.mkdir(parents=True, exist_ok=True)
    work = out / "work"
    shutil.rmtree(work, ignore_errors=True)
    objects = []
    for case in cases:
        folder = work / case.name
        folder.mkdir(parents=True)
        report = recist_report([DrawnMark(case.axes, "lesion")], case.slices, case.name)
        report.save_as(folder / "report.dcm")
        for number, image in enumerate(case.slices):
            image.save_as(folder / f"{number:03}.dcm")
        objects.append(folder)
    came = round_trip(objects, len(cases), work)
    scores, panels = [], []
    for case in cases:
        seg = hd.seg.segread(came.segs[str(case.slices[0].StudyInstanceUID)])
        alpha = read_alpha(seg, case.volume)
        scores.append(_score(case, alpha))
        panels.append(_panel(case, alpha, scores[-1]))
    save_contact_sheet(panels, out / "overlays.png")
    (out / "scores.json").write_text(json.dumps([asdict(score) for score in scores], indent=1))
    return scores


def _series(folder: Path) -> tuple[list[pydicom.Dataset], hd.Volume]:
    paths = list(folder.glob("*.dcm"))
    paths.sort(key=lambda p: _along(pydicom.dcmread(p, stop_before_pixels=True)))
    volume, _ = read_volume(paths, 0)
    return [pydicom.dcmread(path) for path in paths], volume


def _along(image: pydicom.Dataset) -> float:
    orientation = np.array(image.ImageOrientationPatient, dtype=np.float64)
    return float(np.cross(orientation[:3], orientation[3:]) @ image.ImagePositionPatient)


def _score(case: Case, alpha: npt.NDArray[np.float32]) -> Score:
    shown = alpha[case.key]
    return Score(
        name=case.name,
        long_mm=round(case.axes.long_mm, 1),
        volume_ml=round(float(alpha.sum()) * case.volume.voxel_volume / 1000, 2),
        dice=None if case.outline is None else round(dice(alpha >= 0.5, case.outline), 4),
        in_box=None if case.box is None else round(float(shown[case.box].sum() / shown.sum()), 4),
    )


def _panel(case: Case, alpha: npt.NDArray[np.float32], score: Score) -> Panel:
    truth = None if case.outline is None else case.outline[case.key].astype(np.float32)
    around = alpha[case.key] > 0
    if truth is not None:
        around |= truth > 0
    rows, columns = np.nonzero(around)
    top, left = max(rows.min() - 15, 0), max(columns.min() - 15, 0)
    crop = np.s_[top : rows.max() + 15, left : columns.max() + 15]
    axes = [a for a in (case.axes.long_axis, case.axes.short_axis) if a is not None]
    return Panel(
        title=f"{score.name}\n{score.volume_ml} ml"
        + ("" if score.dice is None else f"\nDice {score.dice:.3f}"),
        hu=case.volume.array[case.key][crop],
        alpha=alpha[case.key][crop],
        axes=[case.volume.map_reference_to_indices(a)[:, 1:] - (top, left) for a in axes],
        pixel_spacing=case.volume.spacing[1:],
        truth=None if truth is None else truth[crop],
    )


def main() -> None:
    """Print a table; write scores.json and overlays.png."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--out", type=Path, default=Path("bench-out/real-ct"))
    options = parser.parse_args()
    scores = run([ibsi(options.data), lungdx(options.data)], options.out)
    table = Table("case", "long axis mm", "soft volume ml", "Dice >= 0.5", "alpha in box")
    for score in scores:
        table.add_row(*map(str, asdict(score).values()))
    Console().print(table)


if __name__ == "__main__":
    main()
