"""Lesions as labelled patches at 0.5 mm, read from their files as they are needed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pipelines.dataset.labelled import LabelledPatch, labelled_patches
from pipelines.dataset.patches import lesion_patches
from pipelines.training.lesions import lesion_files
from pipelines.training.settings import DataSettings


@dataclass(frozen=True)
class LabelledLesions:
    """Of patches; for validation also of the lesions they were made of."""

    readers: list[LabelledPatch]
    phantoms: list[LabelledPatch]
    validation: list[tuple[LabelledPatch, Path]]


def labelled_lesions(data: DataSettings, target: str) -> LabelledLesions:
    """Patches of the lesions of `pipelines.training.lesions.lesion_files`, made where missing.

    Parameters
    ----------
    data : DataSettings
    target : str
        One of `pipelines.dataset.labelled.TARGETS`.

    Raises
    ------
    FileNotFoundError
        If the data are not where the settings say.
    """

    def labelled(lesions: list[Path], discard: bool = True) -> list[LabelledPatch]:
        if not lesions:
            return []
        patches = lesion_patches(data.cache / "patches", lesions)
        return labelled_patches(data.cache / "candidates", patches, target, discard)

    files = lesion_files(data)
    return LabelledLesions(
        labelled(files.readers),
        labelled(files.phantoms),
        # All are scored against their readers, also those that have no good matte.
        list(zip(labelled(files.validation, discard=False), files.validation, strict=True)),
    )
