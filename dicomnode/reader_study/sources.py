"""Where cases come from: CT, readers' masks and what else candidates are made of."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import highdicom as hd
import numpy as np
import numpy.typing as npt

from dicomnode.marks.arrays import read_nifti_case
from dicomnode.reader_study.definition import CaseSource, LidcCases, PhantomCases, StudyDefinition
from pipelines.errors import EmptyMaskError
from pipelines.evaluation.cases import NoduleCase, drawn_phantom, first_by_hash, volume_of
from pipelines.recist import RecistAxes
from pipelines.soft_mask import SoftMask


@dataclass(frozen=True, eq=False)
class CaseMaterial:
    """What the candidates of one case are made of.

    Attributes
    ----------
    name : str
    ct : highdicom.Volume, axes (slice, row, column)
        HU.
    masks : ndarray of bool, shape (readers, slices, rows, columns)
        None of the readers where there are none.
    axes : RecistAxes or None
        Of the mark, where there is one.
    node_mask : SoftMask or None
        What the node made of the lesion.
    lesion_id : int or None
    study_instance_uid : str or None
    cut_from : tuple, optional
        Geometry of the CT that this is a part of, and which part: files lie on the whole.
    """

    name: str
    ct: hd.Volume
    masks: npt.NDArray[np.bool_]
    axes: RecistAxes | None = None
    node_mask: SoftMask | None = None
    lesion_id: int | None = None
    study_instance_uid: str | None = None
    cut_from: tuple[hd.VolumeGeometry, tuple[slice, slice, slice]] | None = None


@dataclass(frozen=True)
class NamedSource:
    """A case that can be read; reading may take a while, and fail."""

    name: str
    read: Callable[[], CaseMaterial]


OfLesion = Callable[[int], CaseMaterial]
"""Reads a lesion of the node; see `dicomnode.reader_study.node_lesion`."""


def sources_of(
    definition: StudyDefinition, folder: Path, of_lesion: OfLesion
) -> Iterator[NamedSource]:
    """Name all cases of a study.

    Parameters
    ----------
    definition : StudyDefinition
    folder : Path
        That its paths are relative to.
    of_lesion : callable

    Raises
    ------
    FileNotFoundError
        If a data set is not there.
    """
    for number, source in enumerate(definition.cases, 1):
        yield _listed(source, number, folder, of_lesion)
    if definition.lidc is not None:
        yield from _lidc(definition.lidc, folder)
    if definition.phantoms is not None:
        yield from _phantoms(definition.phantoms)


def _listed(source: CaseSource, number: int, folder: Path, of_lesion: OfLesion) -> NamedSource:
    if source.lesion is not None:
        return NamedSource(f"lesion-{source.lesion}", lambda: of_lesion(source.lesion))
    name = source.name or source.ct.name.partition(".")[0] or f"case-{number}"

    def read() -> CaseMaterial:
        found = read_nifti_case(folder / source.ct, [folder / path for path in source.masks])
        return CaseMaterial(name, found.volume, found.masks)

    return NamedSource(name, read)


def _lidc(settings: LidcCases, folder: Path) -> Iterator[NamedSource]:
    # Here, for it reads images, which no other source needs.
    from pipelines.dataset.lidc import lidc_nodules

    files = lidc_nodules(folder / settings.data, folder / settings.cache, settings.split)
    for nodule in first_by_hash([NoduleCase(path) for path in files], settings.limit):

        def read(nodule: NoduleCase = nodule) -> CaseMaterial:
            lesion = nodule.lesion()
            return CaseMaterial(nodule.name, volume_of(lesion), lesion.masks)

        yield NamedSource(nodule.name, read)


def _phantoms(settings: PhantomCases) -> Iterator[NamedSource]:
    # Here, for it loads SciPy.
    from pipelines.phantom import NoduleKind
    from pipelines.phantom.readers import simulated_readers

    kinds = list(NoduleKind)
    for number in range(settings.count):
        kind, seed = kinds[number % len(kinds)], settings.seed + number
        name = f"{kind.value}-{seed}"

        def read(kind: NoduleKind = kind, seed: int = seed, name: str = name) -> CaseMaterial:
            patch, _ = drawn_phantom(kind, 1.25, seed)
            rng = np.random.default_rng([seed, 2])
            truth = patch.occupancy.array.astype(np.float32)
            masks = simulated_readers(truth, patch.volume.spacing, rng, settings.readers)
            return CaseMaterial(name, patch.volume, masks, patch.axes)

        yield NamedSource(name, read)


def readers_of(material: CaseMaterial) -> npt.NDArray[np.bool_]:
    """Masks of those who marked something.

    Raises
    ------
    EmptyMaskError
        If nobody did.
    """
    masks = material.masks
    marked = masks[masks.any(axis=(1, 2, 3))] if len(masks) else masks
    if not len(marked):
        raise EmptyMaskError("found no reader who marked a voxel")
    return marked
