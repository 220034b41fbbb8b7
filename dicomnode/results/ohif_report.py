"""The measured axes in the dialect of OHIF, where they open as editable bidirectional measurements.

OHIF (extension cornerstone-dicom-sr, @cornerstonejs/adapters 5) makes a measurement out of a group
only if its Tracking Identifier names one of its own tools, and looks for the two axes by the
meaning of their codes, spelled exactly so. The group's comment becomes the label.

Points in pixels land beside the lesion where pixels are not square: @cornerstonejs/core 5 divides
both coordinates by one of the two spacings. There the points are written in space.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import highdicom as hd
import numpy as np
from pydicom.dataset import Dataset

from dicomnode.results import report_codes as code
from dicomnode.results.computed_axes import computed_axes
from dicomnode.results.document_uids import NothingToReport, document_uids
from dicomnode.results.lesion_result import LesionResult, MarkSource, ResultUids
from dicomnode.results.measurement_report import MeasurementReportSettings, measurement_report
from dicomnode.results.report_groups import DECIMALS, finding_of, sites_of
from dicomnode.results.research_notice import NOTICE
from dicomnode.results.rung_options import options_in_uids

TRACKING_IDENTIFIER = "Cornerstone3DTools@^0.1.0:Bidirectional"


@dataclass(frozen=True)
class OhifReportSettings(MeasurementReportSettings):
    """How a destination wants its report."""

    series_description: str = "Soft mask diameters RESEARCH"


def ohif_report_uids(
    results: Sequence[LesionResult],
    twins: Sequence[Sequence[MarkSource]] = (),
    settings: OhifReportSettings = OhifReportSettings(),
) -> ResultUids:
    """UIDs of the report, known before it is made; see `ohif_report`."""
    named = sorted(twin.sop_instance_uid for others in twins for twin in others)
    return document_uids("ohif-report", results, options_in_uids(settings), named)


def ohif_report(
    results: Sequence[LesionResult],
    settings: OhifReportSettings = OhifReportSettings(),
    twins: Sequence[Sequence[MarkSource]] = (),
    predecessors: Sequence[MarkSource] = (),
) -> hd.sr.Comprehensive3DSR:
    """Write the measured axes of all lesions of one CT series (PS3.16 TID 1500 and TID 1501).

    Parameters
    ----------
    results : sequence of LesionResult
        At least one with axes, of one CT series. Lesions without are left out.
    settings : OhifReportSettings
    twins : sequence of sequence of MarkSource
        For each lesion the other objects made of it; listed as evidence.
    predecessors : sequence of MarkSource
        Reports that this one takes the place of.

    Returns
    -------
    highdicom.sr.Comprehensive3DSR
        Each group has the lesion's Tracking UID. Content Date and Time are the moment of making.

    Raises
    ------
    MixedSeries
        If the lesions are not of one CT series, or there are none.
    NothingToReport
        If no lesion has axes.
    """
    uids = ohif_report_uids(results, twins, settings)
    groups = [_group(result) for result in results if result.measurements.axes is not None]
    if not groups:
        raise NothingToReport(f"found no axes of {len(results)} lesions, expected some to report")
    return measurement_report(results, groups, uids, settings, twins, predecessors)


def _group(result: LesionResult) -> hd.sr.MeasurementsAndQualitativeEvaluations:
    axes = result.measurements.axes
    on_slice = computed_axes(result) if _has_square_pixels(_slice(result)) else None
    measured = []
    # The long axis first: OHIF takes the image from the first measurement.
    for name, length, points, pixels in (
        (code.LONG_AXIS, axes.long_mm, axes.long_axis, on_slice and on_slice.long_pixels),
        (code.SHORT_AXIS, axes.short_mm, axes.short_axis, on_slice and on_slice.short_pixels),
    ):
        if on_slice is None:
            line = hd.sr.CoordinatesForMeasurement3D(
                graphic_type=hd.sr.GraphicTypeValues3D.POLYLINE,
                graphic_data=np.asarray(points),
                frame_of_reference_uid=str(_slice(result).FrameOfReferenceUID),
            )
        else:
            header = result.slices[on_slice.slice_index]
            line = hd.sr.CoordinatesForMeasurement(
                graphic_type=hd.sr.GraphicTypeValues.POLYLINE,
                graphic_data=pixels,
                source_image=hd.sr.SourceImageForRegion(
                    referenced_sop_class_uid=str(header.SOPClassUID),
                    referenced_sop_instance_uid=str(header.SOPInstanceUID),
                ),
            )
        measured.append(
            hd.sr.Measurement(
                name=name,
                value=round(length, DECIMALS),
                unit=code.MILLIMETRE,
                referenced_coordinates=[line],
            )
        )
    group = hd.sr.MeasurementsAndQualitativeEvaluations(
        tracking_identifier=hd.sr.TrackingIdentifier(
            uid=result.tracking_uid, identifier=TRACKING_IDENTIFIER
        ),
        finding_type=finding_of(result),
        finding_sites=sites_of(result),
        measurements=measured,
    )
    group[0].ContentSequence.append(
        hd.sr.TextContentItem(
            name=code.COMMENT,
            value=f"{result.tracking_id}: {result.mask.method}. {NOTICE}",
            relationship_type=hd.sr.RelationshipTypeValues.CONTAINS,
        )
    )
    return group


def _has_square_pixels(header: Dataset) -> bool:
    rows, columns = (float(spacing) for spacing in header.PixelSpacing)
    return abs(rows - columns) <= 1e-4 * rows


def _slice(result: LesionResult) -> Dataset:
    return result.slices[result.mask.offset[0]]
