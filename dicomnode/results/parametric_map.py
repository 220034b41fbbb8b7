"""A soft mask as a Parametric Map of floats: alpha itself, with its quantity named.

It says of each voxel what the fractional SEG says, to float precision, for viewers that draw colour
maps and do not know fractional segments.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import highdicom as hd
import numpy as np
from highdicom.pm import ParametricMap, RealWorldValueMapping
from highdicom.sr import CodeContentItem, CodedConcept, TextContentItem, UIDRefContentItem
from pydicom.sr.codedict import codes
from pydicom.uid import ExplicitVRLittleEndian

from dicomnode.results.contributing_equipment import contributing_equipment
from dicomnode.results.dimension_organization import name_dimensions
from dicomnode.results.frame_anatomy import add_frame_anatomy
from dicomnode.results.frame_order import order_along_normal
from dicomnode.results.instance_references import References, reference_instances
from dicomnode.results.lesion_result import LesionResult, MarkSource, ResultUids
from dicomnode.results.research_notice import (
    CONTENT_CREATOR,
    CONTENT_LABEL,
    CONTENT_QUALIFICATION,
    NOTICE,
)
from dicomnode.results.rung_options import options_in_uids
from dicomnode.results.segment_description import coded, is_public
from dicomnode.results.series_numbers import SeriesNumbers
from dicomnode.results.source_frames import name_frames
from dicomnode.results.source_slices import copy_patient_and_study
from dicomnode.results.whole_frames import whole_frames

_QUANTITY = {
    "occupancy": CodedConcept("110855", "DCM", "Fractional Occupancy Segmentation"),
    "probability": CodedConcept("110854", "DCM", "Fractional Probabilistic Segmentation"),
    "density-weighted": CodedConcept("110854", "DCM", "Fractional Probabilistic Segmentation"),
}
"""From CID 7180. A density-weighted mask is no occupancy, and called what nobody sums."""

_LEAST = 0.5 / 255
"""Slices that hold less everywhere are left out, as they are from the fractional SEG."""


@dataclass(frozen=True)
class ParametricMapSettings:
    """How a destination wants its Parametric Map.

    Attributes
    ----------
    series_description : str
        LO, at most 64 characters; ``{method}`` is replaced.
    omit_empty_frames : bool
        Leave out the empty slices outside the lesion. False gives each slice of the CT a frame:
        512 x 512 floats are 1 MiB each, and cannot be compressed.
    references : "ct" or "all"
        Whether it names the CT alone, or also what held the mark, and twins.
    series_numbers : SeriesNumbers
    """

    series_description: str = "Alpha map {method} RESEARCH"
    omit_empty_frames: bool = True
    references: References = "ct"
    series_numbers: SeriesNumbers = field(default_factory=SeriesNumbers)


def parametric_map_uids(result: LesionResult, settings: ParametricMapSettings) -> ResultUids:
    """UIDs of the map, known before it is made."""
    return result.uids("parametric-map", options_in_uids(settings))


def parametric_map(
    result: LesionResult,
    settings: ParametricMapSettings = ParametricMapSettings(),
    twins: Sequence[MarkSource] = (),
) -> ParametricMap:
    """Write alpha as a Parametric Map of 32 bit floats (PS3.3 A.75).

    The object has no place for a segment, so the lesion's tracking and the algorithm stand beside
    the quantity that they qualify (Quantity Definition Sequence, PS3.3 C.7.6.16.2.11). Dates and
    times of series, content and instance are those of the making.

    Parameters
    ----------
    result : LesionResult
    settings : ParametricMapSettings
    twins : sequence of MarkSource
        Objects made from the same soft mask, to be referenced.

    Returns
    -------
    highdicom.pm.ParametricMap
        Alpha in [0, 1], Rows x Columns of the CT, frames in order along the normal of the slices,
        Explicit VR Little Endian: the standard has no compression of floats.

    Raises
    ------
    EmptyMask
        If alpha would round to 0 of 255 everywhere.
    UnusableGeometry
        If the slices do not form one regular stack, or the mask does not lie where its offset says.
    """
    alpha = np.asarray(result.mask.alpha.array)
    filled = (alpha > _LEAST).any(axis=(1, 2), keepdims=True)
    frames = whole_frames(
        result, np.where(filled, alpha, np.float32(0)), not settings.omit_empty_frames
    )
    uids, equipment = parametric_map_uids(result, settings), result.equipment
    made = ParametricMap(
        source_images=frames.headers,
        pixel_array=frames.pixels,
        series_instance_uid=uids.series_instance_uid,
        series_number=settings.series_numbers.number_of(uids.series_instance_uid),
        sop_instance_uid=uids.sop_instance_uid,
        instance_number=result.number,
        manufacturer=equipment.manufacturer,
        manufacturer_model_name=equipment.model_name,
        software_versions=equipment.software_version,
        device_serial_number=equipment.serial_number,
        contains_recognizable_visual_features=False,
        real_world_value_mappings=[_mapping(result)],
        voi_lut_transformations=[hd.VOILUTTransformation(window_center=0.5, window_width=1.0)],
        derivation=codes.cid7203.SegmentationImageDerivation,
        transfer_syntax_uid=ExplicitVRLittleEndian,
        content_label=CONTENT_LABEL,
        content_description=NOTICE,
        content_creator_name=CONTENT_CREATOR,
        content_qualification=CONTENT_QUALIFICATION,
        specific_character_set="ISO_IR 192",
        series_description=settings.series_description.format(method=result.mask.method)[:64],
        contributing_equipment=[contributing_equipment(equipment)],
    )
    copy_patient_and_study(result.slices[frames.first], made)
    add_frame_anatomy(result.slices[frames.first], made)
    name_dimensions(made)
    order_along_normal(made)
    if settings.references == "all":
        reference_instances(made, result.mark_sources, twins)
    name_frames(made, result.stand_ins)
    return made


def _mapping(result: LesionResult) -> RealWorldValueMapping:
    """Stored value to alpha: itself."""
    mapping = RealWorldValueMapping(
        lut_label="alpha",
        lut_explanation=f"Alpha matte of a lesion. {NOTICE}",
        unit=CodedConcept("1", "UCUM", "no units"),
        value_range=(0.0, 1.0),
        slope=1.0,
        intercept=0.0,
        quantity_definition=_QUANTITY[result.mask.quantity],
    )
    mapping.QuantityDefinitionSequence.extend(
        [
            TextContentItem(_dcm("112039", "Tracking Identifier"), result.tracking_id),
            UIDRefContentItem(_dcm("112040", "Tracking Unique Identifier"), result.tracking_uid),
            *_site(result),
            TextContentItem(_dcm("111001", "Algorithm Name"), result.mask.method),
            TextContentItem(_dcm("111003", "Algorithm Version"), result.equipment.software_version),
            TextContentItem(
                _dcm("111002", "Algorithm Parameters"),
                f"configuration={result.configuration_digest}",
            ),
        ]
    )
    return mapping


def _site(result: LesionResult) -> list[CodeContentItem]:
    """Where the lesion is, in a code that a reader can look up."""
    site = result.mark.site
    name = CodedConcept("363698007", "SCT", "Finding Site")
    return [CodeContentItem(name, coded(site))] if is_public(site) else []


def _dcm(value: str, meaning: str) -> CodedConcept:
    return CodedConcept(value, "DCM", meaning)
