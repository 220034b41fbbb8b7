"""What methods are scored on: phantoms and readers' nodules, named and put in order."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import highdicom as hd
import numpy as np

from pipelines.dataset.annotated import AnnotatedLesion, kept
from pipelines.dataset.lidc import lidc_nodules
from pipelines.evaluation.settings import LidcSettings, PhantomSettings
from pipelines.phantom import NoduleKind, Patch, nodule_patch


@dataclass(frozen=True)
class PhantomCase:
    """One phantom; its seed says everything else about it."""

    kind: str
    thickness_mm: float
    seed: int

    @property
    def name(self) -> str:
        """Of its records."""
        return f"{self.kind}-{self.seed}-{self.thickness_mm:g}mm"

    @property
    def identity(self) -> str:
        """What its scores depend on."""
        return self.name

    def patch(self, psf_mm: float | None = None) -> Patch:
        """The scanned phantom: see `drawn_phantom`."""
        return drawn_phantom(NoduleKind(self.kind), self.thickness_mm, self.seed, psf_mm)[0]


@dataclass(frozen=True)
class NoduleCase:
    """One nodule that readers outlined, in a file that `pipelines.dataset.annotated` keeps."""

    path: Path

    @property
    def name(self) -> str:
        """Patient and nodule."""
        return self.path.stem

    @property
    def identity(self) -> str:
        """What its scores depend on."""
        return hashlib.sha256(self.path.read_bytes()).hexdigest()

    def lesion(self) -> AnnotatedLesion:
        """HU and the readers' masks."""
        return kept(self.path)


def drawn_phantom(
    kind: NoduleKind, thickness_mm: float, seed: int, psf_mm: float | None = None
) -> tuple[Patch, float]:
    """A phantom and the mean diameter of its body in mm.

    Diameter (8 to 24 mm), pixels (0.6 to 0.8 mm), noise (12 to 30 HU) and point spread (0.45 to
    0.75 mm) are drawn by the seed: the same seed is the same lesion at every thickness.

    Parameters
    ----------
    kind : NoduleKind
    thickness_mm : float
        Of slices.
    seed : int
    psf_mm : float, optional
        In place of the point spread that is drawn.

    Raises
    ------
    EmptyMaskError
        If slices are so thick that no voxel is at least half lesion.
    """
    rng = np.random.default_rng([seed, 1])
    diameter = float(rng.uniform(8, 24))
    pixel, noise, drawn = rng.uniform(0.6, 0.8), rng.uniform(12, 30), rng.uniform(0.45, 0.75)
    spacing = (thickness_mm, pixel, pixel)
    return nodule_patch(kind, diameter, spacing, seed, noise, psf_mm or drawn), diameter


def volume_of(lesion: AnnotatedLesion) -> hd.Volume:
    """A lesion's HU as float32 on a grid along the axes of space, in mm."""
    affine = np.zeros((4, 4))
    affine[2, 0], affine[1, 1], affine[0, 2], affine[3, 3] = *lesion.spacing, 1
    return hd.Volume(lesion.hu.astype(np.float32), affine, coordinate_system="PATIENT")


def marking_readers(name: str, readers: Sequence[int]) -> list[int]:
    """In which order readers draw the mark: from one drawn by lot on, each once.

    Parameters
    ----------
    name : str
        ``patient/nodule``, which decides the lot.
    readers : sequence of int
        Those who marked something.
    """
    lot = hashlib.sha256(name.encode()).digest()[0] % len(readers)
    return [*readers[lot:], *readers[:lot]]


Named = TypeVar("Named", PhantomCase, NoduleCase)


def first_by_hash(cases: Sequence[Named], limit: int | None) -> list[Named]:
    """The first cases by the order of the hashes of their names, which no order of files bends."""
    if limit is None:
        return list(cases)
    chosen = set(sorted((case.name for case in cases), key=_hash)[:limit])
    return [case for case in cases if case.name in chosen]


def _hash(name: str) -> bytes:
    return hashlib.sha256(name.encode()).digest()


def phantom_cases(settings: PhantomSettings) -> list[PhantomCase]:
    """Phantoms of a configuration, those of each thickness limited by themselves."""
    found = []
    for thickness in settings.thicknesses_mm:
        of_thickness = [
            PhantomCase(kind.value, thickness, settings.seed + number * settings.count + index)
            for number, kind in enumerate(NoduleKind)
            for index in range(settings.count)
        ]
        found += first_by_hash(of_thickness, settings.limit)
    return found


def nodule_cases(settings: LidcSettings) -> list[NoduleCase]:
    """Nodules of a configuration; what the cache lacks is read from the data first.

    Raises
    ------
    FileNotFoundError
        If the data are not there.
    """
    files = lidc_nodules(settings.data, settings.cache / settings.split, settings.split)
    return first_by_hash([NoduleCase(path) for path in files], settings.limit)
