"""Curves of equal alpha as an RT Structure Set (PS3.3 A.19): what most planning systems read.

highdicom writes none, so its base class gives the general modules and the rest is written here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

import highdicom as hd
import numpy as np
import numpy.typing as npt
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence as DicomSequence
from pydicom.tag import BaseTag, Tag
from pydicom.uid import ExplicitVRLittleEndian, RTStructureSetStorage
from pydicom.valuerep import format_number_as_ds

from dicomnode.marks.placement import ImagePlane
from dicomnode.results.algorithm_identification import algorithm_identification
from dicomnode.results.contributing_equipment import contributing_equipment
from dicomnode.results.document_uids import NothingToReport, document_uids
from dicomnode.results.instance_references import References, reference_instances
from dicomnode.results.iso_curves import (
    LEVELS,
    IsoCurve,
    check_levels,
    iso_curves,
    level_colour,
)
from dicomnode.results.keyhole import keyholed
from dicomnode.results.lesion_result import LesionResult, MarkSource, ResultUids
from dicomnode.results.report_codes import MORPHOLOGICALLY_ALTERED
from dicomnode.results.report_groups import finding_of, segment_of
from dicomnode.results.research_notice import CONTENT_LABEL, NOTICE
from dicomnode.results.rung_options import options_in_uids
from dicomnode.results.segment_description import coded, is_public
from dicomnode.results.series_numbers import SeriesNumbers
from dicomnode.results.source_frames import name_frames
from dicomnode.results.source_slices import check_complete, copy_patient_and_study

_STUDY = "1.2.840.10008.3.1.2.3.1"
"""Detached Study Management, retired, and still what a structure set names its study by."""

_CONTOUR_DATA = Tag("ContourData")


@dataclass(frozen=True)
class RtstructSettings:
    """How a destination wants its structure set.

    Attributes
    ----------
    levels : tuple of float
        Alpha on the curves, ascending; each lesion has a region for each level that it reaches.
    references : "ct" or "all"
        Whether it names the CT alone, or also what held the marks, and twins.
    series_numbers : SeriesNumbers
    series_description : str
        LO, at most 64 characters.
    """

    levels: tuple[float, ...] = LEVELS
    references: References = "ct"
    series_numbers: SeriesNumbers = field(default_factory=SeriesNumbers)
    series_description: str = "Soft mask contours RESEARCH"

    def __post_init__(self) -> None:
        check_levels(self.levels)


@dataclass(frozen=True, eq=False)
class _Region:
    """One region of interest: a lesion at a level."""

    number: int
    level: float
    result: LesionResult
    curves: dict[int, tuple[IsoCurve, ...]]
    twins: Sequence[MarkSource]

    @property
    def name(self) -> str:
        return f"Lesion {self.result.number} alpha {self.level:.4g}"[:64]


def rtstruct_uids(
    results: Sequence[LesionResult],
    settings: RtstructSettings = RtstructSettings(),
    twins: Sequence[Sequence[MarkSource]] = (),
) -> ResultUids:
    """UIDs of the structure set, known before it is made; see `rtstruct`."""
    others = twins if settings.references == "all" else ()
    named = sorted(twin.sop_instance_uid for group in others for twin in group)
    return document_uids("rtstruct", results, options_in_uids(settings), named)


def rtstruct(
    results: Sequence[LesionResult],
    settings: RtstructSettings = RtstructSettings(),
    twins: Sequence[Sequence[MarkSource]] = (),
) -> hd.SOPClass:
    """Write the lesions of one CT series as contours on its slices.

    Parameters
    ----------
    results : sequence of LesionResult
        At least one, of one CT series.
    settings : RtstructSettings
    twins : sequence of sequence of MarkSource
        For each lesion, in the order of `results`, the other objects made of it. The first SEG
        among them is named as what its regions are defined by. None is with references "ct".

    Returns
    -------
    highdicom.SOPClass
        An RT Structure Set, unapproved. Contours are closed curves between pixels, in LPS mm on
        their slices, all CLOSED_PLANAR; one with a hole is a keyhole. Structure Set Date and Time
        are the moment of making; all else follows from the input.

    Raises
    ------
    MixedSeries
        If the lesions are not of one CT series, or there are none.
    NothingToReport
        If alpha stays below all levels in all lesions.
    dicomnode.results.UnusableGeometry
        If an attribute of a slice's geometry is missing.
    ValueError
        If there are twins, but not for each lesion.
    """
    uids = rtstruct_uids(results, settings, twins)
    if settings.references == "ct":
        twins = ()
    regions = _regions(results, settings, twins or [()] * len(results))
    if not regions:
        raise NothingToReport(f"alpha stays below {settings.levels[0]}, there are no contours")
    first, equipment = results[0], results[0].equipment
    source = first.slices[first.mask.offset[0]]
    for region in regions:
        check_complete([region.result.slices[index] for index in region.curves])
    # A series of enhanced CT may hold several stacks, and a lesion lies on one of them.
    slices = {str(header.SOPInstanceUID): header for one in results for header in one.slices}
    headers = list(slices.values())
    made = hd.SOPClass(
        study_instance_uid=first.study_instance_uid,
        series_instance_uid=uids.series_instance_uid,
        series_number=settings.series_numbers.number_of(uids.series_instance_uid),
        sop_instance_uid=uids.sop_instance_uid,
        sop_class_uid=RTStructureSetStorage,
        instance_number=1,
        modality="RTSTRUCT",
        manufacturer=equipment.manufacturer,
        manufacturer_model_name=equipment.model_name,
        software_versions=equipment.software_version,
        device_serial_number=equipment.serial_number,
        series_description=settings.series_description[:64],
        transfer_syntax_uid=ExplicitVRLittleEndian,
        specific_character_set="ISO_IR 192",
    )
    copy_patient_and_study(source, made)
    made.OperatorsName = ""
    made.ContributingEquipmentSequence = DicomSequence([contributing_equipment(equipment)])
    made.FrameOfReferenceUID = str(source.FrameOfReferenceUID)
    made.PositionReferenceIndicator = ""
    _structure_set(made, headers, regions)
    made.ROIContourSequence = DicomSequence(_contours(region) for region in regions)
    made.RTROIObservationsSequence = DicomSequence(_observation(region) for region in regions)
    made.ApprovalStatus = "UNAPPROVED"
    marks = [mark for result in results for mark in result.mark_sources]
    others = [twin for group in twins for twin in group]
    if settings.references == "all" and (marks or others):
        _list_slices(made, headers)
        reference_instances(made, marks, others)
    name_frames(made, *(result.stand_ins for result in results))
    return made


def _regions(
    results: Sequence[LesionResult],
    settings: RtstructSettings,
    twins: Sequence[Sequence[MarkSource]],
) -> list[_Region]:
    regions = []
    for result, others in zip(results, twins, strict=True):
        for level in settings.levels:
            curves = iso_curves(result, level)
            if curves:
                regions.append(_Region(len(regions) + 1, level, result, curves, others))
    return regions


def _structure_set(made: Dataset, headers: Sequence[Dataset], regions: Sequence[_Region]) -> None:
    """PS3.3 C.8.8.5."""
    now = datetime.now()
    made.StructureSetLabel = CONTENT_LABEL
    made.StructureSetName = "Soft mask contours"
    made.StructureSetDescription = NOTICE
    made.StructureSetDate = now.strftime("%Y%m%d")
    made.StructureSetTime = now.strftime("%H%M%S")
    series = Dataset()
    series.SeriesInstanceUID = headers[0].SeriesInstanceUID
    series.ContourImageSequence = DicomSequence(_reference(header) for header in headers)
    study = Dataset()
    study.ReferencedSOPClassUID = _STUDY
    study.ReferencedSOPInstanceUID = headers[0].StudyInstanceUID
    study.RTReferencedSeriesSequence = DicomSequence([series])
    space = Dataset()
    space.FrameOfReferenceUID = headers[0].FrameOfReferenceUID
    space.RTReferencedStudySequence = DicomSequence([study])
    made.ReferencedFrameOfReferenceSequence = DicomSequence([space])
    made.StructureSetROISequence = DicomSequence(
        _definition(region, space.FrameOfReferenceUID) for region in regions
    )


def _definition(region: _Region, frame_of_reference_uid: str) -> Dataset:
    result, item = region.result, Dataset()
    item.ROINumber = region.number
    item.ReferencedFrameOfReferenceUID = frame_of_reference_uid
    item.ROIName = region.name
    item.ROIDescription = (
        f"{NOTICE}. Alpha {region.level:.4g} of lesion {result.tracking_id}, "
        f"tracking UID {result.tracking_uid}"
    )
    if result.mask.sums_to_volume:
        voxels = int(np.count_nonzero(result.mask.alpha.array >= region.level))
        item.ROIVolume = format_number_as_ds(voxels * float(result.mask.alpha.voxel_volume) / 1000)
    item.ROIGenerationAlgorithm = "SEMIAUTOMATIC"
    item.ROIGenerationDescription = f"{result.mask.method}, from a reader's mark"[:64]
    item.ROIDerivationAlgorithmIdentificationSequence = algorithm_identification(result)
    segment = segment_of(region.twins)
    if segment is not None:
        source = Dataset()
        source.ReferencedSOPClassUID = segment.sop_class_uid
        source.ReferencedSOPInstanceUID = segment.sop_instance_uid
        source.ReferencedSegmentNumber = 1
        item.DefinitionSourceSequence = DicomSequence([source])
    return item


def _contours(region: _Region) -> Dataset:
    """PS3.3 C.8.8.6."""
    contours = []
    for index, curves in region.curves.items():
        header = region.result.slices[index]
        plane = ImagePlane.from_dataset(header)
        for polygon in keyholed(curves):
            contour = Dataset()
            contour.ContourImageSequence = DicomSequence([_reference(header)])
            contour.ContourGeometricType = "CLOSED_PLANAR"
            contour.NumberOfContourPoints = len(polygon)
            contour.ContourNumber = len(contours) + 1
            contour[_CONTOUR_DATA] = _decimals(_CONTOUR_DATA, plane.to_patient(polygon).ravel())
            contours.append(contour)
    item = Dataset()
    item.ROIDisplayColor = list(level_colour(region.level))
    item.ContourSequence = DicomSequence(contours)
    item.ReferencedROINumber = region.number
    return item


def _decimals(tag: BaseTag, values: npt.NDArray[np.float64]) -> RawDataElement:
    """Many decimal strings as they stand in the file; pydicom would check each once more."""
    # Adding 0 makes a negative zero positive.
    text = "\\".join(map(format_number_as_ds, (values + 0.0).tolist())).encode("ascii")
    text += b" " * (len(text) % 2)
    return RawDataElement(
        tag, "DS", len(text), text, 0, is_implicit_VR=False, is_little_endian=True
    )


def _observation(region: _Region) -> Dataset:
    """PS3.3 C.8.8.8. The type is left open: a lesion is no target that anybody prescribed."""
    item = Dataset()
    item.ObservationNumber = region.number
    item.ReferencedROINumber = region.number
    item.ROIObservationLabel = f"RESEARCH {region.level:.4g}"[:16]
    item.RTROIInterpretedType = ""
    item.ROIInterpreter = ""
    item.SegmentedPropertyCategoryCodeSequence = DicomSequence([MORPHOLOGICALLY_ALTERED])
    item.RTROIIdentificationCodeSequence = DicomSequence([finding_of(region.result)])
    site = region.result.mark.site
    if is_public(site):
        item.AnatomicRegionSequence = DicomSequence([coded(site)])
    return item


def _list_slices(made: Dataset, headers: Sequence[Dataset]) -> None:
    """Common Instance Reference (PS3.3 C.12.2), where related instances ask for it.

    The structure set's own module lists the slices as well, and dciodvfy counts that as no
    reference.
    """
    series = Dataset()
    series.SeriesInstanceUID = headers[0].SeriesInstanceUID
    series.ReferencedInstanceSequence = DicomSequence(_reference(header) for header in headers)
    made.ReferencedSeriesSequence = DicomSequence([series])


def _reference(header: Dataset) -> Dataset:
    item = Dataset()
    item.ReferencedSOPClassUID = header.SOPClassUID
    item.ReferencedSOPInstanceUID = header.SOPInstanceUID
    return item
