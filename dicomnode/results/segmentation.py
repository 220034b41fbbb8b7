"""What all segmentation objects of one lesion have in common (PS3.3 A.51 and C.8.20)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import highdicom as hd
from pydicom.uid import ExplicitVRLittleEndian

from dicomnode.marks.recist_mark import Code
from dicomnode.results.contributing_equipment import contributing_equipment
from dicomnode.results.dimension_organization import name_dimensions
from dicomnode.results.instance_references import References, reference_instances
from dicomnode.results.lesion_result import LesionResult, MarkSource, ResultUids
from dicomnode.results.research_notice import (
    CONTENT_CREATOR,
    CONTENT_LABEL,
    CONTENT_QUALIFICATION,
    NOTICE,
)
from dicomnode.results.series_numbers import SeriesNumbers
from dicomnode.results.source_frames import name_frames
from dicomnode.results.source_slices import copy_patient_and_study
from dicomnode.results.whole_frames import WholeFrames

MAXIMUM_FRACTIONAL_VALUE = 255


@dataclass(frozen=True)
class SegSettings:
    """How a destination wants its SEG.

    Attributes
    ----------
    series_description : str
        LO, at most 64 characters; ``{method}`` is replaced.
    segment_label : str
        LO, at most 64 characters.
    omit_empty_frames : bool
        Leave out the empty slices outside the lesion. False gives each slice of the CT a frame, for
        viewers that count frames instead of reading positions.
    references : "ct" or "all"
        Whether it names the CT alone, or also what held the mark, and twins.
    series_numbers : SeriesNumbers
    algorithm_family : Code, optional
        From CID 7162; that of the method unless given.
    """

    series_description: str = "Mask {method} RESEARCH"
    segment_label: str = "Lesion"
    omit_empty_frames: bool = True
    references: References = "ct"
    series_numbers: SeriesNumbers = field(default_factory=SeriesNumbers)
    algorithm_family: Code | None = None


def segmentation(
    result: LesionResult,
    kind: hd.seg.SegmentationTypeValues,
    frames: WholeFrames,
    segments: Sequence[hd.seg.SegmentDescription],
    uids: ResultUids,
    settings: SegSettings,
    twins: Sequence[MarkSource] = (),
    transfer_syntax_uid: str = ExplicitVRLittleEndian,
    fractional_type: hd.seg.SegmentationFractionalTypeValues | None = None,
    omit_empty_frames: bool = False,
) -> hd.seg.Segmentation:
    """Write frames as a segmentation object.

    Dates and times of series, content and instance are those of the making.

    Parameters
    ----------
    result : LesionResult
    kind : SegmentationTypeValues
    frames : WholeFrames
        Pixels as highdicom takes them for `kind`.
    segments : sequence of SegmentDescription
    uids : ResultUids
    settings : SegSettings
    twins : sequence of MarkSource
        Objects made from the same soft mask, to be referenced.
    transfer_syntax_uid : str
    fractional_type : SegmentationFractionalTypeValues, optional
        For FRACTIONAL.
    omit_empty_frames : bool
        Let highdicom leave out each frame that is empty.
    """
    equipment = result.equipment
    seg = hd.seg.Segmentation(
        source_images=frames.headers,
        pixel_array=frames.pixels,
        segmentation_type=kind,
        segment_descriptions=segments,
        series_instance_uid=uids.series_instance_uid,
        series_number=settings.series_numbers.number_of(uids.series_instance_uid),
        sop_instance_uid=uids.sop_instance_uid,
        instance_number=result.number,
        manufacturer=equipment.manufacturer,
        manufacturer_model_name=equipment.model_name,
        software_versions=equipment.software_version,
        device_serial_number=equipment.serial_number,
        fractional_type=fractional_type,
        max_fractional_value=MAXIMUM_FRACTIONAL_VALUE,
        content_label=CONTENT_LABEL,
        content_description=NOTICE,
        content_creator_name=CONTENT_CREATOR,
        content_qualification=CONTENT_QUALIFICATION,
        specific_character_set="ISO_IR 192",
        series_description=settings.series_description.format(method=result.mask.method)[:64],
        transfer_syntax_uid=transfer_syntax_uid,
        omit_empty_frames=omit_empty_frames,
        contributing_equipment=[contributing_equipment(equipment)],
    )
    copy_patient_and_study(result.slices[frames.first], seg)
    name_dimensions(seg)
    if settings.references == "all":
        reference_instances(seg, result.mark_sources, twins)
    name_frames(seg, result.stand_ins)
    return seg
