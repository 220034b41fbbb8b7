"""Publish one lesion: write its soft mask as DICOM objects. The work of a worker process."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

import pydicom
from pydicom.dataset import Dataset

from dicomnode.frames import FrameFile, read_headers
from dicomnode.marks.lesion_mark import LesionMark
from dicomnode.results import Equipment, MarkSource, SegSettings, fractional_seg
from dicomnode.store.files import write_durably
from dicomnode.version import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME, VERSION
from pipelines.soft_mask import SoftMask


@dataclass(frozen=True)
class PublishRequest:
    """Everything that the result objects are made of.

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
    series_number : int
    omit_empty_frames : bool
    folder : Path
        Where the objects are written, as ``<sop instance uid>.dcm``.
    """

    slices: tuple[Path | FrameFile, ...]
    soft_mask: Path
    mark: LesionMark
    sources: tuple[Path, ...]
    lesion_number: int
    series_number: int
    omit_empty_frames: bool
    folder: Path


@dataclass(frozen=True)
class PublishedObject:
    """One object on disk."""

    kind: str
    sop_class_uid: str
    sop_instance_uid: str
    path: Path
    size: int


def publish(request: PublishRequest) -> tuple[PublishedObject, ...]:
    """Write the objects of one lesion durably.

    Raises
    ------
    dicomnode.results.UnusableGeometry, dicomnode.results.EmptyMask
        If the soft mask and its slices make no valid object.
    """
    mask = SoftMask.load(request.soft_mask)
    headers = read_headers(request.slices)
    frames = [one.number if isinstance(one, FrameFile) else None for one in request.slices]
    settings = SegSettings(
        configuration_digest=configuration_digest(mask),
        series_number_first=request.series_number,
        omit_empty_frames=request.omit_empty_frames,
    )
    seg = fractional_seg(
        mask,
        headers,
        request.mark,
        settings,
        Equipment(software_version=VERSION),
        tuple(map(_mark_source, request.sources)),
        instance_number=request.lesion_number,
        frames=frames,
    )
    return (_write(seg, "fractional-seg", request.folder),)


def configuration_digest(mask: SoftMask) -> str:
    """Digest of all that, beside the voxels and the mark, decides a result."""
    text = json.dumps([VERSION, mask.method, dict(mask.parameters)], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def _mark_source(path: Path) -> MarkSource:
    source = pydicom.dcmread(path, stop_before_pixels=True)
    return MarkSource(
        sop_class_uid=str(source.SOPClassUID),
        sop_instance_uid=str(source.SOPInstanceUID),
        study_instance_uid=str(source.StudyInstanceUID),
        series_instance_uid=str(source.SeriesInstanceUID),
    )


def _write(made: Dataset, kind: str, folder: Path) -> PublishedObject:
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
    )
