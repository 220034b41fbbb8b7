"""The task of each network that can be trained, by the name in its settings."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from pipelines.training.settings import TrainingSettings
from pipelines.training.task import Task

# Each task is imported when it is asked for: some need packages that others do without.


def _recist(settings: TrainingSettings) -> Task:
    from pipelines.training.recist_task import RecistTask

    return RecistTask(settings)


def _matting_3d(settings: TrainingSettings) -> Task:
    from pipelines.training.matting_3d_task import Matting3dTask

    return Matting3dTask(settings)


def _baseline(settings: TrainingSettings) -> Task:
    from pipelines.training.baseline_task import BaselineTask

    return BaselineTask(settings)


def _medical_matting(settings: TrainingSettings) -> Task:
    from pipelines.training.medical_matting_task import MedicalMattingTask

    return MedicalMattingTask(settings)


def _super_resolution(settings: TrainingSettings) -> Task:
    from pipelines.training.super_resolution_task import SuperResolutionTask

    return SuperResolutionTask(settings)


def _dsnet(settings: TrainingSettings) -> Task:
    from pipelines.training.dsnet_task import DSNetTask

    return DSNetTask(settings)


TASKS: Mapping[str, Callable[[TrainingSettings], Task]] = {
    "recist-net": _recist,
    "3dmm": _matting_3d,
    "3dmm-m": _matting_3d,
    "3dmm-mg": _matting_3d,
    "monai-unet": _baseline,
    "monai-unet-2.5d": _baseline,
    "monai-unet-plus-plus": _baseline,
    "monai-attention-unet": _baseline,
    "medical-matting": _medical_matting,
    "region-aware": _medical_matting,
    "super-resolution": _super_resolution,
    "dsnet": _dsnet,
}


def task_of(settings: TrainingSettings) -> Task:
    """The task of a configuration; reads no data yet."""
    return TASKS[settings.network.name](settings)
