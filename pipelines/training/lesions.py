"""Lesions that networks learn from and are scored on, and which of them a batch takes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pipelines.dataset.annotated import AnnotatedLesion, kept
from pipelines.dataset.lidc import lidc_nodules
from pipelines.dataset.phantoms import phantom_lesions
from pipelines.training.settings import DataSettings

CONSENSUS = 0.5
"""A voxel belongs to the lesion if at least this part of the readers marked it."""


@dataclass(frozen=True, eq=False)
class Lesions:
    """Lesions in memory.

    Attributes
    ----------
    readers, phantoms : list of AnnotatedLesion
        To learn from.
    validation : list of AnnotatedLesion
        Of other patients, and other phantoms.
    """

    readers: list[AnnotatedLesion]
    phantoms: list[AnnotatedLesion]
    validation: list[AnnotatedLesion]


@dataclass(frozen=True)
class LesionFiles:
    """The same as files of `pipelines.dataset.annotated.kept`."""

    readers: list[Path]
    phantoms: list[Path]
    validation: list[Path]


def lesion_files(data: DataSettings) -> LesionFiles:
    """Where they lie; those that are not in the cache are made.

    Raises
    ------
    FileNotFoundError
        If the data are not where the settings say.
    """
    readers: list[Path] = []
    unseen: list[Path] = []
    if data.lidc is not None:
        readers = lidc_nodules(data.lidc, data.cache / "train", "train")
        unseen = lidc_nodules(data.lidc, data.cache / "validation", "validation")
    of = data.cache / "phantoms"
    phantoms = phantom_lesions(of, data.phantoms)
    more = phantom_lesions(of, data.validation_phantoms, first=data.phantoms)
    return LesionFiles(readers, phantoms, unseen + more)


def load_lesions(data: DataSettings) -> Lesions:
    """Read them, and make those that are not in the cache.

    Raises
    ------
    FileNotFoundError
        If the data are not where the settings say.
    """
    files = lesion_files(data)
    return Lesions(
        *(
            [kept(file) for file in some]
            for some in (files.readers, files.phantoms, files.validation)
        )
    )


def lots(
    rng: np.random.Generator,
    seed: int,
    step: int,
    size: int,
    counts: tuple[int, int],
    phantom_share: float,
) -> Iterator[tuple[bool, int]]:
    """Which lesions a batch takes, one after the other: whether a phantom, and its index.

    Of the readers' lesions each comes once before any comes again, so that all count alike.

    Parameters
    ----------
    rng : numpy.random.Generator
        Of the batch; between two lots others may draw from it.
    seed, step, size : int
        Of the run, of the batch, and lesions of a batch.
    counts : tuple of int
        Readers' lesions, and phantoms.
    phantom_share : float
    """
    readers, phantoms = counts
    share = phantom_share if readers else 1.0
    made = rng.random(size) < (share if phantoms else 0.0)
    for number, of_phantom in enumerate(made):
        if of_phantom:
            yield True, int(rng.integers(phantoms))
        else:
            epoch, place = divmod(step * size + number, readers)
            order = np.random.default_rng([seed, 2, epoch]).permutation(readers)
            yield False, int(order[place])
