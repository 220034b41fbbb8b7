"""A Key Object Selection that points to all results of the lesions of one CT series."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import highdicom as hd
from highdicom.sr import CodedConcept
from pydicom.dataset import Dataset

from dicomnode.results.contributing_equipment import contributing_equipment
from dicomnode.results.document_uids import NothingToReport, document_uids
from dicomnode.results.lesion_result import LesionResult, MarkSource, ResultUids
from dicomnode.results.research_notice import NOTICE
from dicomnode.results.rung_options import options_in_uids
from dicomnode.results.series_numbers import SeriesNumbers
from dicomnode.results.sr_document import complete_document, evidence, observer_context

OF_INTEREST = CodedConcept("113000", "DCM", "Of Interest")
"""CID 7010. The title that every viewer knows; "Segmentation Result" (128182) is of 2020."""

IMAGES = frozenset(
    {
        "1.2.840.10008.5.1.4.1.1.66.4",  # Segmentation
        "1.2.840.10008.5.1.4.1.1.66.7",  # Label Map Segmentation
        "1.2.840.10008.5.1.4.1.1.30",  # Parametric Map
        "1.2.840.10008.5.1.4.1.1.7",  # Secondary Capture
        "1.2.840.10008.5.1.4.1.1.7.4",  # Multi-frame True Color Secondary Capture
    }
)
"""Results that are referred to as IMAGE; all others as COMPOSITE (PS3.3 C.17.3.2.1)."""


@dataclass(frozen=True)
class KeyObjectSettings:
    """How a destination wants its key object.

    Attributes
    ----------
    series_numbers : SeriesNumbers
    series_description : str
        LO, at most 64 characters.
    title : CodedConcept
        From CID 7010.
    """

    series_numbers: SeriesNumbers = field(default_factory=SeriesNumbers)
    series_description: str = "Soft mask results RESEARCH"
    title: CodedConcept = OF_INTEREST


def key_object_uids(
    results: Sequence[LesionResult],
    twins: Sequence[Sequence[MarkSource]],
    settings: KeyObjectSettings = KeyObjectSettings(),
) -> ResultUids:
    """UIDs of the key object, known before it is made; see `key_object`."""
    named = sorted({twin.sop_instance_uid for others in twins for twin in others})
    return document_uids("key-object", results, options_in_uids(settings), named)


def key_object(
    results: Sequence[LesionResult],
    settings: KeyObjectSettings = KeyObjectSettings(),
    twins: Sequence[Sequence[MarkSource]] = (),
) -> hd.ko.KeyObjectSelectionDocument:
    """Point to all objects that were made of the lesions (PS3.3 A.35.4, PS3.16 TID 2010).

    Parameters
    ----------
    results : sequence of LesionResult
        At least one, of one CT series.
    settings : KeyObjectSettings
    twins : sequence of sequence of MarkSource
        For each lesion, in the order of `results`, the objects made of it, in the order in which a
        reader should meet them, all in the study of the CT. One that several lesions share is
        pointed to once.

    Returns
    -------
    highdicom.ko.KeyObjectSelectionDocument
        Content Date and Time are the moment of making; all else follows from the input.

    Raises
    ------
    MixedSeries
        If the lesions are not of one CT series, or there are none.
    NothingToReport
        If there are no twins.
    """
    uids = key_object_uids(results, twins, settings)
    named = {twin.sop_instance_uid: twin for others in twins for twin in others}
    if not named:
        raise NothingToReport("found no result objects, expected some to point to")
    first, equipment = results[0], results[0].equipment
    source = first.slices[first.mask.offset[0]]
    content = hd.ko.KeyObjectSelection(
        document_title=settings.title,
        referenced_objects=[_pointed_to(twin) for twin in named.values()],
        observer_device_context=observer_context(equipment),
        description=f"{NOTICE}. Soft masks of {len(results)} lesion(s) and what was made of them",
    )
    document = hd.ko.KeyObjectSelectionDocument(
        evidence=evidence([], named.values()),
        content=content,
        series_instance_uid=uids.series_instance_uid,
        series_number=settings.series_numbers.number_of(uids.series_instance_uid),
        sop_instance_uid=uids.sop_instance_uid,
        instance_number=1,
        manufacturer=equipment.manufacturer,
        manufacturer_model_name=equipment.model_name,
        software_versions=equipment.software_version,
        device_serial_number=equipment.serial_number,
        contributing_equipment=[contributing_equipment(equipment)],
        specific_character_set="ISO_IR 192",
    )
    complete_document(document, source, settings.series_description)
    return document


def _pointed_to(twin: MarkSource) -> Dataset:
    """What highdicom tells an image from a document by."""
    reference = Dataset()
    reference.SOPClassUID = twin.sop_class_uid
    reference.SOPInstanceUID = twin.sop_instance_uid
    if twin.sop_class_uid in IMAGES:
        reference.Rows = reference.Columns = 1
    return reference
