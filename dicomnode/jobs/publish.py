"""Publish one lesion: write its soft mask as DICOM objects. The work of a worker process."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy.typing as npt
import pydicom
from pydicom.dataset import Dataset

from dicomnode.frames import FrameFile, read_headers
from dicomnode.jobs.read_volume import read_volume
from dicomnode.jobs.uncollected import uncollected
from dicomnode.jobs.variants import Variant
from dicomnode.marks.lesion_mark import LesionMark
from dicomnode.results import EmptyMask, Equipment, LesionResult, MarkSource
from dicomnode.results.document_uids import NothingToReport
from dicomnode.results.ladder import LADDER
from dicomnode.results.source_frames import stand_in
from dicomnode.store.files import write_durably
from dicomnode.version import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME, VERSION
from pipelines.soft_mask import MENDED_BY_HAND, SoftMask


@dataclass(frozen=True)
class LesionFiles:
    """Where all that one segmented lesion is made of lies.

    Attributes
    ----------
    slices : tuple of Path or FrameFile
        CT slices of the volume that the soft mask was computed from, in its order.
    soft_mask : Path
    mark : LesionMark
    sources : tuple of Path
        The objects that hold the mark, that of its first opinion first.
    lesion_number : int
        Number of the instances in their series.
    """

    slices: tuple[Path | FrameFile, ...]
    soft_mask: Path
    mark: LesionMark
    sources: tuple[Path, ...]
    lesion_number: int


@dataclass(frozen=True)
class PublishRequest:
    """Everything that the result objects of a lesion are made of.

    Attributes
    ----------
    lesion : LesionFiles
    variants : tuple of Variant
        Of single lesions.
    folder : Path
        Where the objects are written, as ``<sop instance uid>.dcm``.
    """

    lesion: LesionFiles
    variants: tuple[Variant, ...]
    folder: Path


@dataclass(frozen=True)
class PublishedObject:
    """One object on disk, and who gets it."""

    kind: str
    sop_class_uid: str
    sop_instance_uid: str
    path: Path
    size: int
    destinations: tuple[str, ...]
    soft_mask: str | None = None
    """Digest (SHA-256) of the soft mask's file, where it was made of one."""


@uncollected()
def publish(request: PublishRequest) -> tuple[PublishedObject, ...]:
    """Write the objects of one lesion durably.

    A kind that has nothing to show of a lesion, such as a mask from 0.5 of one that is faint
    everywhere, is left out.

    Raises
    ------
    dicomnode.results.UnusableGeometry
        If the soft mask and its slices make no valid object.
    dicomnode.results.EmptyMask
        If no kind has anything to show.
    """
    needs_ct = any(LADDER[variant.rung].needs_ct for variant in request.variants)
    result, hu = read_lesion(request.lesion, with_ct=needs_ct)
    digest = hashlib.sha256(request.lesion.soft_mask.read_bytes()).hexdigest()
    published: list[PublishedObject] = []
    empty: EmptyMask | NothingToReport | None = None
    for variant in request.variants:
        rung = LADDER[variant.rung]
        try:
            made = rung.make(result, variant.settings(), **({"hu": hu} if rung.needs_ct else {}))
        except (EmptyMask, NothingToReport) as error:
            empty = error
            continue
        for dataset in made if isinstance(made, list) else [made]:
            written = write_object(dataset, variant.rung, variant.destinations, request.folder)
            published.append(replace(written, soft_mask=digest))
    if empty is not None and not published:
        raise EmptyMask(str(empty))
    return tuple(published)


def read_lesion(
    files: LesionFiles,
    with_ct: bool,
    headers: Mapping[Path | FrameFile, Dataset] | None = None,
) -> tuple[LesionResult, npt.NDArray | None]:
    """Read what a lesion's objects are made of.

    Parameters
    ----------
    files : LesionFiles
    with_ct : bool
        Whether the CT's pixels are read, too; measurements then hold HU and mass.
    headers : mapping of Path or FrameFile to Dataset, optional
        Of the slices, where they have been read.

    Returns
    -------
    result : LesionResult
    hu : ndarray or None
        HU of the slices that the soft mask's crop covers, shape (slices, Rows, Columns).
    """
    # Here, for it loads Numba and SciPy, which a node that starts need not wait for.
    from pipelines.measure import measure

    mask = SoftMask.load(files.soft_mask)
    slices, stand_ins = stand_in(
        read_headers(files.slices) if headers is None else [headers[s] for s in files.slices],
        [one.number if isinstance(one, FrameFile) else None for one in files.slices],
    )
    hu, on_mask = None, None
    if with_ct:
        (first, row, column), shape = mask.offset, mask.alpha.array.shape
        hu = read_volume(files.slices[first : first + shape[0]], 0)[0].array
        # Voxels belong together by index; places that are read from fewer slices differ a little.
        on_mask = mask.alpha.with_array(
            hu[:, row : row + shape[1], column : column + shape[2]].copy()
        )
    result = LesionResult(
        mask,
        slices,
        files.mark,
        measure(mask, on_mask),
        configuration_digest(mask),
        Equipment(software_version=VERSION),
        tuple(map(source_of, files.sources)),
        stand_ins,
        files.lesion_number,
    )
    return result, hu


def configuration_digest(mask: SoftMask) -> str:
    """Digest of all that, beside the voxels and the mark, decides a result."""
    decided: list[Any] = [VERSION, mask.method, dict(mask.parameters)]
    if MENDED_BY_HAND in mask.warnings:
        # What a reader painted is in no parameter, and gives other objects of the same mark.
        decided.append(hashlib.sha256(mask.trimap.array.tobytes()).hexdigest())
    text = json.dumps(decided, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def source_of(path: Path) -> MarkSource:
    """Name a stored object, so that another can refer to it."""
    return MarkSource.of(pydicom.dcmread(path, stop_before_pixels=True))


def write_object(
    made: Dataset, kind: str, destinations: tuple[str, ...], folder: Path
) -> PublishedObject:
    """Write one object durably, under its own UID."""
    path = folder / f"{made.SOPInstanceUID}.dcm"
    made.file_meta.ImplementationClassUID = IMPLEMENTATION_CLASS_UID
    made.file_meta.ImplementationVersionName = IMPLEMENTATION_VERSION_NAME
    write_durably(path, lambda file: made.save_as(file, enforce_file_format=True))
    return PublishedObject(
        kind=kind,
        sop_class_uid=str(made.SOPClassUID),
        sop_instance_uid=str(made.SOPInstanceUID),
        path=path,
        size=path.stat().st_size,
        destinations=destinations,
    )
