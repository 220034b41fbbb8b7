"""A Comprehensive 3D SR around groups of measurements: what all reports of lesions share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import highdicom as hd
from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes

from dicomnode.results.contributing_equipment import contributing_equipment
from dicomnode.results.lesion_result import LesionResult, MarkSource, ResultUids
from dicomnode.results.series_numbers import SeriesNumbers
from dicomnode.results.source_frames import name_frames
from dicomnode.results.sr_document import (
    complete_document,
    covered_slices,
    evidence,
    observer_context,
)


@dataclass(frozen=True)
class MeasurementReportSettings:
    """How a destination wants its report.

    Attributes
    ----------
    series_numbers : SeriesNumbers
    series_description : str
        LO, at most 64 characters; what a viewer lists.
    """

    series_numbers: SeriesNumbers = field(default_factory=SeriesNumbers)
    series_description: str = "Soft mask measurements RESEARCH"


def measurement_report(
    results: Sequence[LesionResult],
    groups: Sequence[Dataset],
    uids: ResultUids,
    settings: MeasurementReportSettings,
    twins: Sequence[Sequence[MarkSource]] = (),
    predecessors: Sequence[MarkSource] = (),
    drawn_on: Sequence[Dataset] = (),
) -> hd.sr.Comprehensive3DSR:
    """Write a report of lesions of one CT series (PS3.16 TID 1500).

    Parameters
    ----------
    results : sequence of LesionResult
        At least one.
    groups : sequence of highdicom measurement groups
        At least one.
    uids : ResultUids
    settings : ReportSettings
    twins : sequence of sequence of MarkSource
        For each lesion the other objects made of it; listed as evidence, as the marks' objects are.
    predecessors : sequence of MarkSource
        Reports that this one takes the place of (PS3.3 C.17.2, 0040,A360).
    drawn_on : sequence of Dataset
        Slices that are referred to, beside those that the masks cover.

    Returns
    -------
    highdicom.sr.Comprehensive3DSR
        Unverified, preliminary. Content Date and Time are the moment of making.

    Raises
    ------
    dicomnode.results.UnusableGeometry
        If an attribute of a slice's geometry or identity is missing.
    """
    equipment = results[0].equipment
    content = hd.sr.MeasurementReport(
        observation_context=hd.sr.ObservationContext(
            observer_device_context=observer_context(equipment)
        ),
        procedure_reported=codes.LN.CTUnspecifiedBodyRegion,
        imaging_measurements=groups,
        title=codes.DCM.ImagingMeasurementReport,
    )
    slices = covered_slices(results)
    marks = [source for result in results for source in result.mark_sources]
    others = [twin for group in twins for twin in group]
    document = hd.sr.Comprehensive3DSR(
        evidence=evidence([*slices, *drawn_on], [*marks, *others]),
        content=content[0],
        series_instance_uid=uids.series_instance_uid,
        series_number=settings.series_numbers.number_of(uids.series_instance_uid),
        sop_instance_uid=uids.sop_instance_uid,
        instance_number=1,
        manufacturer=equipment.manufacturer,
        manufacturer_model_name=equipment.model_name,
        software_versions=equipment.software_version,
        device_serial_number=equipment.serial_number,
        is_complete=True,
        previous_versions=evidence([], predecessors) if predecessors else None,
        contributing_equipment=[contributing_equipment(equipment)],
        specific_character_set="ISO_IR 192",
    )
    complete_document(document, slices[0], settings.series_description)
    name_frames(document, *(result.stand_ins for result in results))
    return document
