"""Cases end to end: storescu -> node -> Orthanc, and what came back against the outlines."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import highdicom as hd
import numpy as np
import numpy.typing as npt
from pydicom.dataset import Dataset
from rich.console import Console
from rich.table import Table

from benchmarks.round_trip import round_trip
from dicomnode.demo.recist_sr import DrawnMark, recist_report
from dicomnode.pictures.contact_sheet import Panel, save_contact_sheet
from dicomnode.results.read_alpha import read_alpha
from pipelines.grabcut import RecistEllipsoid
from pipelines.metrics import dice
from pipelines.recist import RecistAxes
from pipelines.soft_mask import READERS_LEVEL

RESEGMENTED_HU = (-500.0, 400.0)
"""What stays of an outline when air and bone in it are taken out, as IBSI does for its lung tumour
(Zwanenburg et al., Image biomarker standardisation initiative, table 3.1, configurations A and
B)."""


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
    slices: Sequence[Dataset]
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
    resegmented_dice: float | None
    """The same against the outline without its voxels beyond `RESEGMENTED_HU`."""
    ellipsoid_dice: float | None
    """What the bare ellipsoid of the mark would get."""
    in_box: float | None
    """Of the key slice's alpha, the part inside the annotated box."""


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


def print_scores(scores: Sequence[Score]) -> None:
    """Print a table, with the mean Dice where there are several."""
    table = Table(
        "case",
        "long axis mm",
        "soft volume ml",
        f"Dice >= {READERS_LEVEL}",
        "outline without air",
        "bare ellipsoid",
        "in box",
    )
    for score in scores:
        table.add_row(*("" if value is None else str(value) for value in asdict(score).values()))
    console = Console(width=100)
    console.print(table)
    values = [score.dice for score in scores if score.dice is not None]
    if len(values) > 1:
        console.print(
            f"mean Dice {np.mean(values):.3f}, median {np.median(values):.3f}, "
            f"worst {min(values):.3f}, {len(values)} cases"
        )


def _score(case: Case, alpha: npt.NDArray[np.float32]) -> Score:
    shown = alpha[case.key]
    ellipsoid = RecistEllipsoid.from_axes(case.axes, case.volume)
    bare = ellipsoid.radius(case.volume.spatial_shape, case.volume.spacing, (0, 0, 0)) <= 1
    called, outline, hu = alpha >= READERS_LEVEL, case.outline, case.volume.array
    if outline is not None:
        tissue = outline & (hu >= RESEGMENTED_HU[0]) & (hu <= RESEGMENTED_HU[1])
    return Score(
        name=case.name,
        long_mm=round(case.axes.long_mm, 1),
        volume_ml=round(float(alpha.sum()) * case.volume.voxel_volume / 1000, 2),
        dice=None if outline is None else round(dice(called, outline), 4),
        resegmented_dice=None if outline is None else round(dice(called, tissue), 4),
        ellipsoid_dice=None if outline is None else round(dice(bare, outline), 4),
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
