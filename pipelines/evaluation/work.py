"""What there is to score, and the scoring of it, in one process or several."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, replace
from pathlib import Path

from pipelines.errors import EmptyMaskError
from pipelines.evaluation.answers import HERE, MARKING_READER
from pipelines.evaluation.cases import (
    NoduleCase,
    PhantomCase,
    first_by_hash,
)
from pipelines.evaluation.records import Records, digest_of
from pipelines.evaluation.scores import (
    ContinuedScore,
    NoduleScore,
    PhantomScore,
    SampleScore,
)
from pipelines.evaluation.scoring import (
    MarkedNodule,
    score_continued,
    score_nodule,
    score_phantom,
    score_samples,
)
from pipelines.evaluation.settings import EvaluationSettings
from pipelines.networks.options import NetworkOptions
from pipelines.readiness import compile_kernels

Case = PhantomCase | NoduleCase
Kind = type[PhantomScore] | type[NoduleScore] | type[ContinuedScore] | type[SampleScore]

_FOLDERS: dict[Kind, str] = {
    PhantomScore: "phantoms",
    NoduleScore: "nodules",
    ContinuedScore: "continued",
    SampleScore: "samples",
}


@dataclass(frozen=True)
class Asked:
    """One method on a case.

    Attributes
    ----------
    method : str
    repeats : int
        Marks of a nodule.
    """

    method: str
    repeats: int = 1


@dataclass(frozen=True)
class Task:
    """What one process does at a time: all methods on one case.

    Attributes
    ----------
    kind : type
        Of its scores.
    case : PhantomCase or NoduleCase
    asked : tuple of Asked
    networks : NetworkOptions
    """

    kind: Kind
    case: Case
    asked: tuple[Asked, ...]
    networks: NetworkOptions = HERE


def records_of(folder: Path, kind: Kind) -> Records:
    """Where scores of a kind are kept."""
    return Records(folder / "scores" / _FOLDERS[kind], kind)


def tasks_of(
    settings: EvaluationSettings,
    methods: Sequence[str],
    phantoms: Sequence[PhantomCase],
    nodules: Sequence[NoduleCase],
    sampling: Sequence[str] = (),
) -> list[Task]:
    """All that a configuration asks for.

    Parameters
    ----------
    settings : EvaluationSettings
    methods : sequence of str
        Those that can answer.
    phantoms, nodules : sequence
        Cases of the configuration; each method takes part in as many as it is asked for.
    sampling : sequence of str
        Networks that draw masks.
    """
    cases: list[tuple[Kind, Sequence[Case], Sequence[str]]] = []
    by_thickness: dict[float, list[PhantomCase]] = {}
    for phantom in phantoms:
        by_thickness.setdefault(phantom.thickness_mm, []).append(phantom)
    cases += [(PhantomScore, found, methods) for found in by_thickness.values()]
    if settings.lidc is not None:
        cases.append((NoduleScore, nodules, [*methods, MARKING_READER]))
        if settings.lidc.continued_limit != 0:
            longer = first_by_hash(nodules, settings.lidc.continued_limit)
            cases.append((ContinuedScore, longer, methods))
        if sampling and settings.lidc.samples_limit != 0:
            few = first_by_hash(nodules, settings.lidc.samples_limit)
            cases.append((SampleScore, few, sampling))
    tasks = []
    for kind, of_kind, names in cases:
        taking = {
            name: {case.name for case in first_by_hash(of_kind, settings.of(name).limit)}
            for name in names
        }
        for case in of_kind:
            asked = tuple(
                Asked(name, _repeats(settings, name, kind))
                for name in names
                if case.name in taking[name]
            )
            tasks.append(Task(kind, case, asked, settings.networks.options))
    return tasks


def _repeats(settings: EvaluationSettings, method: str, kind: Kind) -> int:
    if kind is PhantomScore or settings.lidc is None:
        return 1
    return min(settings.of(method).repeats or settings.lidc.repeats, settings.lidc.repeats)


def kept_scores(folder: Path, task: Task) -> dict[str, object]:
    """Scores of a task that are there already, by method."""
    records, identity = records_of(folder, task.kind), task.case.identity
    found = {
        asked.method: records.read(task.case.name, asked.method, _digest(task, asked, identity))
        for asked in task.asked
    }
    return {method: score for method, score in found.items() if score is not None}


def _digest(task: Task, asked: Asked, identity: str) -> str:
    return digest_of(asked.method, task.networks, asked.repeats, identity)


def perform(folder: Path, task: Task) -> Iterator[str]:
    """Score what is missing of a task; each score is kept before the next is made.

    Yields
    ------
    str
        The method, after its score is kept. A phantom that shows no voxel that is half lesion has
        no mark, and gets no score.
    """
    missing = [asked for asked in task.asked if asked.method not in kept_scores(folder, task)]
    if not missing:
        return
    try:
        score = _scorer(task)
    except EmptyMaskError:
        return
    records, identity = records_of(folder, task.kind), task.case.identity
    for asked in missing:
        found = score(asked)
        records.write(task.case.name, asked.method, _digest(task, asked, identity), found)
        yield asked.method


def _scorer(task: Task) -> Callable[[Asked], object]:
    """Reads or makes the case once."""
    if isinstance(task.case, PhantomCase):
        patch = task.case.patch()
        return lambda asked: score_phantom(patch, asked.method, task.networks)
    nodule = MarkedNodule(task.case.lesion())
    by_kind = {
        NoduleScore: score_nodule,
        ContinuedScore: score_continued,
        SampleScore: score_samples,
    }[task.kind]
    return lambda asked: by_kind(nodule, asked.method, asked.repeats, task.networks)


def _performed(folder: Path, task: Task) -> int:
    return len(list(perform(folder, task)))


def score_all(
    folder: Path, tasks: Sequence[Task], processes: int, done: Callable[[Task, int], None]
) -> None:
    """Score what is missing of all tasks.

    Parameters
    ----------
    folder : Path
        Of the results.
    tasks : sequence of Task
    processes : int
    done : callable
        Is told of each task, several times if it is made here, how many scores were made.
    """
    if processes == 1:
        compile_kernels()
        for task in tasks:
            for _ in perform(folder, task):
                done(task, 1)
        return
    # Threads of PyTorch do not outlive a fork.
    fresh = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(processes, mp_context=fresh, initializer=compile_kernels) as pool:
        running = {pool.submit(_performed, folder, task): task for task in tasks}
        try:
            for future in as_completed(running):
                done(running[future], future.result())
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def all_scores(folder: Path, tasks: Sequence[Task], kind: Kind) -> dict[str, dict[Case, object]]:
    """Scores of one kind by method and case, in the order of the tasks."""
    found: dict[str, dict[Case, object]] = {}
    for task in tasks:
        if task.kind is kind:
            for method, score in kept_scores(folder, task).items():
                found.setdefault(method, {})[task.case] = score
    names = list(dict.fromkeys(a.method for task in tasks for a in task.asked))
    return {name: found[name] for name in names if name in found}


def missing_of(folder: Path, tasks: Sequence[Task]) -> list[Task]:
    """Tasks with what is still to be scored."""
    left = []
    for task in tasks:
        there = kept_scores(folder, task)
        asked = tuple(a for a in task.asked if a.method not in there)
        if asked:
            left.append(replace(task, asked=asked))
    return left


def count_of(tasks: Sequence[Task]) -> int:
    """Scores of tasks."""
    return sum(len(task.asked) for task in tasks)
