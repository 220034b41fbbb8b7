"""Measurements of lesions as a Comprehensive 3D SR (PS3.16 TID 1500)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import highdicom as hd

from dicomnode.results.document_uids import NothingToReport, document_uids
from dicomnode.results.lesion_result import LesionResult, MarkSource, ResultUids
from dicomnode.results.measurement_report import MeasurementReportSettings, measurement_report
from dicomnode.results.report_codes import declare_scheme
from dicomnode.results.report_groups import planar_group, segment_of, volumetric_group
from dicomnode.results.rung_options import options_in_uids


@dataclass(frozen=True)
class ReportSettings(MeasurementReportSettings):
    """How a destination wants its report."""


def report_uids(
    results: Sequence[LesionResult],
    twins: Sequence[Sequence[MarkSource]] = (),
    settings: ReportSettings = ReportSettings(),
) -> ResultUids:
    """UIDs of the report, known before it is made; see `report`."""
    named = sorted(twin.sop_instance_uid for others in twins for twin in others)
    return document_uids("report", results, options_in_uids(settings), named)


def report(
    results: Sequence[LesionResult],
    settings: ReportSettings = ReportSettings(),
    twins: Sequence[Sequence[MarkSource]] = (),
    predecessors: Sequence[MarkSource] = (),
) -> hd.sr.Comprehensive3DSR:
    """Write one report of all lesions of one CT series.

    Of each lesion there are two measurement groups with one Tracking UID: a planar one (TID 1410)
    with the outline and the axes on the slice where they were measured, and a volumetric one
    (TID 1411) that refers to the lesion's segment. Viewers that can't use a segment join the two
    and show the outline.

    Parameters
    ----------
    results : sequence of LesionResult
        At least one, of one CT series.
    settings : ReportSettings
    twins : sequence of sequence of MarkSource
        For each lesion, in the order of `results`, the other objects made of it. The first SEG
        among them is the one that the report refers to, by its segment 1; without a SEG the
        volumetric group has the outlines on all slices instead.
    predecessors : sequence of MarkSource
        Reports that this one takes the place of (PS3.3 C.17.2, 0040,A360).

    Returns
    -------
    highdicom.sr.Comprehensive3DSR
        Unverified, preliminary. A mask that is no occupancy has groups without measurements, and
        a comment that says so. Content Date and Time are the moment of making; all else follows
        from the input.

    Raises
    ------
    MixedSeries
        If the lesions are not of one CT series, or there are none.
    NothingToReport
        If all masks are empty.
    ValueError
        If there are twins, but not for each lesion.
    """
    uids = report_uids(results, twins, settings)
    if twins and len(twins) != len(results):
        raise ValueError(f"found twins of {len(twins)} lesions, expected of {len(results)}")
    groups, drawn_on = [], []
    for result, others in zip(results, twins or [()] * len(results), strict=True):
        planar = planar_group(result)
        if planar is not None:
            groups.append(planar.group)
            drawn_on += [result.slices[index] for index in planar.slice_indices]
            groups.append(volumetric_group(result, segment_of(others)))
    if not groups:
        raise NothingToReport(f"found no alpha in {len(results)} masks, expected some to report")
    document = measurement_report(
        results, groups, uids, settings, twins, predecessors, drawn_on=drawn_on
    )
    declare_scheme(document)
    return document
