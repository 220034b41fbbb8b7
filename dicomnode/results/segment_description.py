"""A lesion, or a part of it, as an item of a Segment Sequence (PS3.3 C.8.20.2)."""

from __future__ import annotations

import highdicom as hd
from highdicom.color import CIELabColor
from highdicom.sr import CodedConcept

from dicomnode.marks.codes import PUBLIC_SCHEMES
from dicomnode.marks.recist_mark import Code
from dicomnode.results.algorithm_identification import algorithm_identification
from dicomnode.results.lesion_result import LesionResult

_CATEGORY = CodedConcept("49755003", "SCT", "Morphologically Altered Structure")
_LESION = CodedConcept("52988006", "SCT", "Lesion")


def segment_description(
    result: LesionResult,
    label: str,
    number: int = 1,
    algorithm_family: Code | None = None,
    colour: CIELabColor | None = None,
) -> hd.seg.SegmentDescription:
    """Describe one segment.

    Parameters
    ----------
    result : LesionResult
        Gives tracking, finding, site and algorithm.
    label : str
        LO; what is over 64 characters is cut. A mask that is no occupancy says so in its label.
    number : int
        Of the segment, from 1.
    algorithm_family : Code, optional
        From CID 7162; that of the method unless given.
    colour : CIELabColor, optional
        Recommended Display CIELab Value.
    """
    finding, site = result.mark.finding, result.mark.site
    return hd.seg.SegmentDescription(
        segment_number=number,
        segment_label=_label(result, label),
        segmented_property_category=_CATEGORY,
        segmented_property_type=coded(finding) if is_public(finding) else _LESION,
        # A person's mark starts it.
        algorithm_type=hd.seg.SegmentAlgorithmTypeValues.SEMIAUTOMATIC,
        algorithm_identification=algorithm_identification(result, algorithm_family),
        tracking_id=result.tracking_id,
        tracking_uid=result.tracking_uid,
        anatomic_regions=[coded(site)] if is_public(site) else None,
        display_color=colour,
    )


def _label(result: LesionResult, label: str) -> str:
    if result.mask.quantity == "occupancy":
        return label[:64]
    addition = f", {result.mask.quantity}"
    return label[: 64 - len(addition)] + addition


def is_public(code: Code | None) -> bool:
    """Whether any reader of an object can look a mark's code up."""
    return code is not None and code.scheme in PUBLIC_SCHEMES and bool(code.meaning)


def coded(code: Code) -> CodedConcept:
    """A mark's code as highdicom has it; what is over 64 characters of its meaning is cut."""
    return CodedConcept(code.value, code.scheme, code.meaning[:64])
