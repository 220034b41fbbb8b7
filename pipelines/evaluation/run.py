"""An evaluation from its configuration to its report."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from models import REGISTRY, problem_of, weights_digest
from pipelines.evaluation.answers import answer, usable_methods
from pipelines.evaluation.binary_tables import (
    doctor_table,
    energy_table,
    overlap_table,
    size_table,
)
from pipelines.evaluation.cases import NoduleCase, nodule_cases, phantom_cases
from pipelines.evaluation.cost import Cost, cost_of, lesions, machine
from pipelines.evaluation.cost_table import cost_table
from pipelines.evaluation.records import Records, digest_of
from pipelines.evaluation.report import FIGURES, Made, Report, write_report
from pipelines.evaluation.scores import (
    ContinuedScore,
    NoduleScore,
    PhantomScore,
    SampleScore,
)
from pipelines.evaluation.scoring import MarkedNodule
from pipelines.evaluation.settings import EvaluationSettings
from pipelines.evaluation.soft_tables import label_table, phantom_table, reader_table, row_name
from pipelines.evaluation.table import Table
from pipelines.evaluation.weak_points import weak_points
from pipelines.evaluation.work import (
    Task,
    all_scores,
    count_of,
    missing_of,
    score_all,
    tasks_of,
)
from pipelines.matting import METHODS
from pipelines.networks.options import NetworkOptions
from pipelines.parameters import known_methods


@dataclass(frozen=True)
class Progress:
    """How far an evaluation is: scores made of those that were missing, and what comes now."""

    done: int
    total: int
    now: str


Tell = Callable[[Progress], None]


def evaluate(settings: EvaluationSettings, command: str, version: str, tell: Tell) -> Path:
    """Score what is not scored yet, and write the report.

    Parameters
    ----------
    settings : EvaluationSettings
    command, version : str
        That the report names.
    tell : callable
        Is told of the progress.

    Returns
    -------
    Path
        Of the report as Markdown; `evaluation.json` and the figures lie beside it.

    Raises
    ------
    FileNotFoundError
        If the data are not there.
    """
    settings.folder.mkdir(parents=True, exist_ok=True)
    asked = known_methods() if settings.methods == "all" else settings.methods
    networks = settings.networks.options
    methods = usable_methods(asked, networks.weights)
    tell(Progress(0, 0, "reading data"))
    phantoms = phantom_cases(settings.phantoms) if settings.phantoms else []
    nodules = nodule_cases(settings.lidc) if settings.lidc else []
    sampling = _sampling(methods, networks) if settings.lidc else []
    tasks = tasks_of(settings, methods, phantoms, nodules, sampling)
    _score(settings, tasks, tell)
    tell(Progress(0, 0, "costs"))
    costs = _costs(settings, asked)
    tell(Progress(0, 0, "tables"))
    found = _Found(settings.folder, tasks)
    tables = (*found.tables(settings), *([cost_table(costs)] if costs else []))
    figures = _figures(settings, found, tables)
    if settings.lidc and settings.lidc.split != "report" and settings.lidc.pictures:
        _sheet(settings, methods, nodules[: settings.lidc.pictures])
    patients = {case.lesion().patient for case in nodules}
    made = Made(
        command,
        version,
        machine(),
        {n: weights_digest(n, networks.weights) for n in methods if n in REGISTRY},
        {n: problem_of(n, networks.weights) or "" for n in asked if n not in methods},
        len(nodules),
        len(patients),
        len(phantoms),
    )
    points = tuple(weak_points(tables, found.nodules, found.failures()))
    return write_report(Report(settings, made, tables, points, figures))


def _sampling(methods: Sequence[str], networks: NetworkOptions) -> list[str]:
    """Networks that draw masks, among those that see slices without a mark."""
    slices = [n for n in methods if n in REGISTRY and REGISTRY[n].contract.kind == "slice"]
    if not slices:
        return []
    from pipelines.evaluation.prior_masks import draws_masks

    return [name for name in slices if draws_masks(name, networks)]


def _score(settings: EvaluationSettings, tasks: Sequence[Task], tell: Tell) -> None:
    left = missing_of(settings.folder, tasks)
    total, done = count_of(left), 0
    tell(Progress(0, total, "scoring"))

    def told(task: Task, made: int) -> None:
        nonlocal done
        done += made
        tell(Progress(done, total, f"scoring {task.case.name}"))

    score_all(settings.folder, left, settings.processes, told)


def _costs(settings: EvaluationSettings, asked: Sequence[str]) -> list[Cost]:
    """What each method costs; kept, so that it is measured once on a machine."""
    if settings.cost is None:
        return []
    count, seed, options = settings.cost.lesions, settings.cost.seed, settings.networks.options
    networks = [name for name in REGISTRY if name in asked or not REGISTRY[name].segments]
    names = [name for name in METHODS if name in asked] + networks
    records = Records(settings.folder / "scores" / "cost", Cost)
    patches, costs = None, []
    for name in names:
        digest = digest_of(name, options, count, seed, replace(machine(), threads=1))
        cost = records.read("all", name, digest)
        if cost is None:
            patches = patches or lesions(count, seed)
            cost = cost_of(name, patches, count, seed, options)
            records.write("all", name, digest, cost)
        costs.append(cost)
    return costs


class _Found:
    """All scores of an evaluation."""

    def __init__(self, folder: Path, tasks: Sequence[Task]) -> None:
        self.phantoms = all_scores(folder, tasks, PhantomScore)
        self.nodules = all_scores(folder, tasks, NoduleScore)
        self.continued = all_scores(folder, tasks, ContinuedScore)
        self.samples = all_scores(folder, tasks, SampleScore)

    def tables(self, settings: EvaluationSettings) -> list[Table]:
        made = []
        if settings.phantoms:
            made += [phantom_table(self.phantoms, t) for t in settings.phantoms.thicknesses_mm]
        if self.nodules:
            made += [
                reader_table(self.nodules),
                *(table for table in (label_table(self.nodules),) if table.rows),
                overlap_table("readers-overlap-3d", "3D", self.nodules, lambda m: m.whole),
                overlap_table("readers-overlap-key", "Marked slice", self.nodules, lambda m: m.key),
            ]
        if self.continued:
            made.append(
                overlap_table(
                    "readers-overlap-continued",
                    "3D, continued beyond the ends",
                    self.continued,
                    lambda m: m.whole,
                )
            )
        if self.nodules:
            made += [size_table(self.nodules), energy_table(self.nodules, self.samples)]
            made.append(doctor_table(self.nodules))
        return made

    def failures(self) -> dict[str, int]:
        """Masks that a method refused to make."""
        counts: dict[str, int] = {}
        for method, by_case in self.phantoms.items():
            counts[method] = sum(s.failed is not None for s in by_case.values())
        for found in (self.nodules, self.continued):
            for method, by_case in found.items():
                refused = sum(m.failed is not None for s in by_case.values() for m in s.marks)
                counts[method] = counts.get(method, 0) + refused
        return counts


def _figures(
    settings: EvaluationSettings, found: _Found, tables: Sequence[Table]
) -> tuple[tuple[str, str], ...]:
    """Draw them; nothing of a patient is in any."""
    # Matplotlib takes a second to import.
    from pipelines.evaluation.plots import save_boxes, save_sizes

    folder = settings.folder / FIGURES
    folder.mkdir(exist_ok=True)
    made = []
    if any(found.phantoms.values()):
        percent = {
            method: [100 * s.soft.sad / s.truth_voxels for s in by_case.values()]
            for method, by_case in found.phantoms.items()
        }
        label = "SAD of a phantom, % of its volume, all slice thicknesses"
        save_boxes(percent, label, folder / "sad-phantoms.png")
        made.append((f"{FIGURES}/sad-phantoms.png", label))
    if found.nodules:
        voxels = {
            row_name(method): [
                statistics.fmean(m.soft.sad for m in s.marks) for s in by_case.values()
            ]
            for method, by_case in found.nodules.items()
        }
        label = "SAD of a nodule against the mean of its readers, voxels, mean over marks"
        save_boxes(voxels, label, folder / "sad-readers.png")
        made.append((f"{FIGURES}/sad-readers.png", label))
        (sizes,) = [table for table in tables if table.key == "readers-size"]
        label = "3D Dice with the consensus by long axis, %, and 95 % intervals"
        save_sizes(sizes, label, folder / "dice-by-size.png")
        made.append((f"{FIGURES}/dice-by-size.png", label))
    return tuple(made)


def _sheet(
    settings: EvaluationSettings, methods: Sequence[str], cases: Sequence[NoduleCase]
) -> None:
    """Real nodules, for the eyes of who has the data: beside the report, which does not show it."""
    from pipelines.evaluation.plots import SheetRow, save_sheet

    rows = []
    for number, case in enumerate(cases, 1):
        nodule = MarkedNodule(case.lesion())
        reader = nodule.order[0]
        key = nodule.key[reader]
        alphas = {
            method: answer(
                nodule.volume, nodule.axes[reader], method, settings.networks.options
            ).alpha[key]
            for method in methods
        }
        mean = nodule.lesion.masks.mean(axis=0)[key]
        rows.append(SheetRow(f"nodule {number}", nodule.lesion.hu[key], mean, alphas))
    save_sheet(rows, settings.folder / "lesions.png")
