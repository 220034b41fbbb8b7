"""A soft mask as DICOM SEG FRACTIONAL: the record object of a result.

An occupancy is written as type OCCUPANCY. The sum of a density-weighted mask is no volume: it is
written as PROBABILITY, which nobody sums, and its label says what it is. There is no third type.

Written by highdicom from the covered source slices only, so that time and memory follow the
lesion and not the study. Geometry is that of the source slices themselves.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import highdicom as hd
import numpy as np
import numpy.typing as npt
from highdicom.sr import CodedConcept
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence as DicomSequence
from pydicom.sr.codedict import codes
from pydicom.uid import JPEGLSLossless

from dicomnode.marks.codes import PUBLIC_SCHEMES
from dicomnode.marks.lesion_mark import LesionMark
from dicomnode.marks.recist_mark import Code, RecistMark
from dicomnode.results.source_frames import StandIns
from dicomnode.results.source_slices import (
    check_geometry,
    check_same_grid,
    copy_patient_and_study,
    source_headers,
    state_shared_geometry,
)
from dicomnode.results.uids import derive_uid
from pipelines.soft_mask import SoftMask

MAXIMUM_FRACTIONAL_VALUE = 255

CONTENT_LABEL = "RESEARCH_MATTE"
"""By this and the model name results of this software are known, wherever they were made."""

_CATEGORY = CodedConcept("49755003", "SCT", "Morphologically Altered Structure")
_FRACTIONAL_TYPE = {
    "occupancy": hd.seg.SegmentationFractionalTypeValues.OCCUPANCY,
    "density-weighted": hd.seg.SegmentationFractionalTypeValues.PROBABILITY,
}
_LESION = CodedConcept("52988006", "SCT", "Lesion")
_NEIGHBOURHOOD_ANALYSIS = Code("123101", "DCM", "Neighborhood Analysis")


class EmptyMask(ValueError):
    """No voxel of the soft mask rounds to more than 0 of 255."""


@dataclass(frozen=True)
class Equipment:
    """What made the object (PS3.3 C.7.5.1 and C.7.5.2)."""

    software_version: str
    manufacturer: str = "softmask-node"
    model_name: str = "softmask-node"
    serial_number: str = "0"


@dataclass(frozen=True)
class MarkSource:
    """The object that held the mark, to be referenced by the result."""

    sop_class_uid: str
    sop_instance_uid: str
    study_instance_uid: str
    series_instance_uid: str


@dataclass(frozen=True)
class SegSettings:
    """How a destination wants its SEG.

    Attributes
    ----------
    configuration_digest : str
        Digest of all that, beside the voxels and the mark, decides the result; part of the
        SOP Instance UID.
    series_number_first, series_number_count : int
        Range of series numbers; the place in it follows from the series UID.
    series_description : str
        LO, at most 64 characters; ``{method}`` is replaced.
    segment_label : str
        LO, at most 64 characters.
    transfer_syntax_uid : str
        JPEG-LS Lossless or Explicit VR Little Endian, or another that highdicom writes.
    omit_empty_frames : bool
        Leave out the empty slices outside the lesion (never one between others). False gives each
        of `sources` a frame, for viewers that count frames instead of reading positions.
    algorithm_family : Code
        From CID 7162.
    """

    configuration_digest: str
    series_number_first: int = 7300
    series_number_count: int = 100
    series_description: str = "Soft mask {method} RESEARCH"
    segment_label: str = "Lesion"
    transfer_syntax_uid: str = JPEGLSLossless
    omit_empty_frames: bool = True
    algorithm_family: Code = _NEIGHBOURHOOD_ANALYSIS

    def __post_init__(self) -> None:
        if self.series_number_first < 1 or self.series_number_count < 1:
            raise ValueError(
                f"found series numbers from {self.series_number_first}, {self.series_number_count} "
                "of them, expected at least 1 and 1"
            )


@dataclass(frozen=True)
class ResultUids:
    """UIDs of one result, all functions of its inputs."""

    series_instance_uid: str
    sop_instance_uid: str


def result_uids(
    mark_key: str,
    study_instance_uid: str,
    ct_series_instance_uid: str,
    method: str,
    configuration_digest: str,
) -> ResultUids:
    """UIDs of the SEG for one mark, known before the SEG is made.

    One series holds all lesions of one CT series by one method. A repeat with the same mark,
    series, method and configuration gives the same instance.
    """
    return ResultUids(
        derive_uid("seg series", study_instance_uid, ct_series_instance_uid, method),
        derive_uid("seg", mark_key, ct_series_instance_uid, method, configuration_digest),
    )


def fractional_seg(
    mask: SoftMask,
    sources: Sequence[Dataset],
    mark: LesionMark | RecistMark,
    settings: SegSettings,
    equipment: Equipment,
    mark_sources: Sequence[MarkSource] = (),
    instance_number: int = 1,
    frames: Sequence[int | None] | None = None,
) -> hd.seg.Segmentation:
    """Write a soft mask as SEG FRACTIONAL of 8 bit (PS3.3 A.51 and C.8.20).

    Parameters
    ----------
    mask : SoftMask
        Alpha on a crop of the volume that `sources` form; `mask.offset` says where.
    sources : sequence of Dataset
        Headers of all slices of that volume, in its order, without need of pixel data. Only the
        covered ones are looked at, unless `settings.omit_empty_frames` is False. Each frame takes
        position, orientation and pixel measures from its slice, by index.
    mark : LesionMark or RecistMark
        Gives tracking, finding and site of the segment, and the instance its UID.
    settings : SegSettings
    equipment : Equipment
    mark_sources : sequence of MarkSource
        The objects that held the mark; referenced.
    instance_number : int
        Number of the instance in its series.
    frames : sequence of int or None, optional
        Of each source its frame number in an enhanced CT, from 1, where it is none of its own; the
        header is then that of the frame (`dicomnode.frames.frame_headers`).

    Returns
    -------
    highdicom.seg.Segmentation
        Pixel value round(255 alpha), Rows x Columns of the CT. Frames are in the order of
        highdicom: read them by position or source image, not by index.

    Raises
    ------
    EmptyMask
        If nothing would be left after rounding to 8 bit.
    UnusableGeometry
        If the slices do not form one regular stack, or the mask does not lie where `sources` and
        `mask.offset` say.
    """
    alpha = np.asarray(mask.alpha.array)
    filled = np.flatnonzero(np.rint(alpha * MAXIMUM_FRACTIONAL_VALUE).any(axis=(1, 2)))
    if filled.size == 0:
        raise EmptyMask("no voxel of the soft mask rounds to more than 0 of 255")
    check_same_grid(mask, sources)
    first, last = int(filled[0]), int(filled[-1])
    start, stop = mask.offset[0] + first, mask.offset[0] + last + 1
    if not settings.omit_empty_frames:
        start, stop = 0, len(sources)
    covered = source_headers(sources[start:stop])
    stand_ins = StandIns(covered, None if frames is None else frames[start:stop])
    gap = check_geometry(covered) or mask.alpha.spacing_between_slices
    state_shared_geometry(covered, gap)

    uids = result_uids(
        mark.key,
        covered[0].StudyInstanceUID,
        covered[0].SeriesInstanceUID,
        mask.method,
        settings.configuration_digest,
    )
    seg = hd.seg.Segmentation(
        source_images=covered,
        pixel_array=_frames(mask, first, last, start, covered),
        segmentation_type=hd.seg.SegmentationTypeValues.FRACTIONAL,
        segment_descriptions=[_segment(mask, mark, settings, equipment)],
        series_instance_uid=uids.series_instance_uid,
        series_number=_series_number(uids.series_instance_uid, settings),
        sop_instance_uid=uids.sop_instance_uid,
        instance_number=instance_number,
        manufacturer=equipment.manufacturer,
        manufacturer_model_name=equipment.model_name,
        software_versions=equipment.software_version,
        device_serial_number=equipment.serial_number,
        fractional_type=_FRACTIONAL_TYPE[mask.quantity],
        max_fractional_value=MAXIMUM_FRACTIONAL_VALUE,
        content_label=CONTENT_LABEL,
        content_description="Research, not for diagnosis",
        content_creator_name="softmask-node^",
        content_qualification="RESEARCH",
        specific_character_set="ISO_IR 192",
        series_description=settings.series_description.format(method=mask.method)[:64],
        transfer_syntax_uid=settings.transfer_syntax_uid,
        omit_empty_frames=False,
        contributing_equipment=[_contribution(equipment)],
    )
    stand_ins.replace_in(seg)
    copy_patient_and_study(sources[start], seg)
    _fix_dimension_organization(seg, uids.sop_instance_uid)
    if mark_sources:
        _reference_marks(seg, mark_sources)
    return seg


def _frames(
    mask: SoftMask, first: int, last: int, start: int, covered: Sequence[Dataset]
) -> npt.NDArray[np.float32]:
    """Whole frames with the filled slices of the crop pasted in, shape (slices, rows, columns)."""
    frames = np.zeros((len(covered), covered[0].Rows, covered[0].Columns), dtype=np.float32)
    _, row, column = mask.offset
    _, rows, columns = mask.alpha.array.shape
    place = mask.offset[0] + first - start
    frames[place : place + last - first + 1, row : row + rows, column : column + columns] = (
        mask.alpha.array[first : last + 1]
    )
    return frames


def _segment(
    mask: SoftMask, mark: LesionMark | RecistMark, settings: SegSettings, equipment: Equipment
) -> hd.seg.SegmentDescription:
    algorithm = hd.AlgorithmIdentificationSequence(
        name=mask.method,
        family=_coded(settings.algorithm_family),
        version=equipment.software_version,
        source=equipment.manufacturer,
        parameters=_parameters(mask.parameters, settings.configuration_digest),
    )
    finding = mark.finding if _is_public(mark.finding) else None
    region = mark.site if _is_public(mark.site) else None
    return hd.seg.SegmentDescription(
        segment_number=1,
        segment_label=_label(mask, settings),
        segmented_property_category=_CATEGORY,
        segmented_property_type=_LESION if finding is None else _coded(finding),
        algorithm_type=hd.seg.SegmentAlgorithmTypeValues.SEMIAUTOMATIC,
        algorithm_identification=algorithm,
        # A mark without tracking gets one that every later result for the same mark shares.
        tracking_id=mark.tracking_id or f"mark {mark.key[:16]}",
        tracking_uid=mark.tracking_uid or derive_uid("tracking", mark.key),
        anatomic_regions=None if region is None else [_coded(region)],
    )


def _label(mask: SoftMask, settings: SegSettings) -> str:
    if mask.quantity == "occupancy":
        return settings.segment_label
    addition = f", {mask.quantity}"
    return settings.segment_label[: 64 - len(addition)] + addition


def _is_public(code: Code | None) -> bool:
    return code is not None and code.scheme in PUBLIC_SCHEMES and bool(code.meaning)


def _coded(code: Code) -> CodedConcept:
    return CodedConcept(code.value, code.scheme, code.meaning[:64])


def _parameters(parameters: Mapping[str, object], configuration_digest: str) -> dict[str, str]:
    texts = {name: str(parameters[name]) for name in sorted(parameters)}
    return {**texts, "configuration": configuration_digest}


def _series_number(series_instance_uid: str, settings: SegSettings) -> int:
    place = zlib.crc32(series_instance_uid.encode()) % settings.series_number_count
    return settings.series_number_first + place


def _contribution(equipment: Equipment) -> hd.ContributingEquipment:
    return hd.ContributingEquipment(
        manufacturer=equipment.manufacturer,
        purpose_of_reference=codes.DCM.ProcessingEquipment,
        manufacturer_model_name=equipment.model_name,
        software_versions=equipment.software_version,
        device_serial_number=equipment.serial_number,
        contribution_description="Segmented from a mark. Research, not for diagnosis",
    )


def _fix_dimension_organization(seg: Dataset, sop_instance_uid: str) -> None:
    """Replace highdicom's random UID, so that the same input gives the same UIDs."""
    uid = derive_uid("dimensions", sop_instance_uid)
    for item in (*seg.DimensionOrganizationSequence, *seg.DimensionIndexSequence):
        item.DimensionOrganizationUID = uid


def _reference_marks(seg: Dataset, sources: Sequence[MarkSource]) -> None:
    """Name the marks' objects as related instances (PS3.3 C.12.4) and as referenced (C.12.2).

    Those of another study go to where objects of other studies are listed.
    """
    related, series, studies = [], {}, {}
    for source in sources:
        item = _sop_reference(source)
        item.PurposeOfReferenceCodeSequence = DicomSequence(
            [CodedConcept("121112", "DCM", "Source of Measurement")]
        )
        related.append(item)
        place = (source.study_instance_uid, source.series_instance_uid)
        if place not in series:
            series[place] = Dataset()
            series[place].SeriesInstanceUID = source.series_instance_uid
            series[place].ReferencedInstanceSequence = DicomSequence()
            studies.setdefault(source.study_instance_uid, []).append(series[place])
        series[place].ReferencedInstanceSequence.append(_sop_reference(source))
    seg.ReferencedInstanceSequence = DicomSequence(related)
    for item in studies.pop(seg.StudyInstanceUID, []):
        seg.ReferencedSeriesSequence.append(item)
    if studies:
        others = []
        for uid, items in studies.items():
            study = Dataset()
            study.StudyInstanceUID = uid
            study.ReferencedSeriesSequence = DicomSequence(items)
            others.append(study)
        seg.StudiesContainingOtherReferencedInstancesSequence = DicomSequence(others)


def _sop_reference(source: MarkSource) -> Dataset:
    reference = Dataset()
    reference.ReferencedSOPClassUID = source.sop_class_uid
    reference.ReferencedSOPInstanceUID = source.sop_instance_uid
    return reference
