"""A refusal sent back: why the marks of an object, or some of them, gave no result."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import highdicom as hd
from highdicom.sr import CodedConcept
from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes

from dicomnode.marks.mark_reading import Refusal
from dicomnode.results import report_codes as code
from dicomnode.results.document_uids import NothingToReport
from dicomnode.results.lesion_result import Equipment, MarkSource, ResultUids
from dicomnode.results.research_notice import NOTICE
from dicomnode.results.series_numbers import SeriesNumbers
from dicomnode.results.sr_document import comprehensive_document, observer_context
from dicomnode.results.uids import derive_uid

SUMMARY_OF_ANALYSES = CodedConcept("111065", "DCM", "Summary of Analyses")
NOT_ATTEMPTED = CodedConcept("111225", "DCM", "Not Attempted")
"""TID 4016 and CID 6042, as the CAD reports have them."""

MAX_REFUSALS = 100
"""Refusals of one object that are written; how many more there are is said."""


@dataclass(frozen=True)
class NotProcessedSettings:
    """How a destination wants its refusals.

    Attributes
    ----------
    series_numbers : SeriesNumbers
    series_description : str
        LO, at most 64 characters.
    """

    series_numbers: SeriesNumbers = field(default_factory=SeriesNumbers)
    series_description: str = "Marks not processed RESEARCH"


NONE_ANY_MORE = "No mark of this object is refused any more"


def not_processed_uids(
    source: Dataset, refusals: Sequence[Refusal], predecessors: Sequence[MarkSource] = ()
) -> ResultUids:
    """UIDs of the document.

    The same refusals of the same object, after the same documents, give the same one. What is
    refused again after it was taken back is another document: each names the one before, and none
    may come to name itself.
    """
    reasons = sorted(f"{len(r.item)}:{r.item} {r.reason}" for r in refusals)
    before = sorted(other.sop_instance_uid for other in predecessors)
    after = ("after", *before) if before else ()
    return ResultUids(
        derive_uid("not-processed series", str(source.SeriesInstanceUID)),
        derive_uid("not-processed", str(source.SOPInstanceUID), *reasons, *after),
    )


def not_processed(
    source: Dataset,
    refusals: Sequence[Refusal],
    equipment: Equipment,
    settings: NotProcessedSettings = NotProcessedSettings(),
    predecessors: Sequence[MarkSource] = (),
) -> hd.sr.ComprehensiveSR:
    """Say why marks were not processed, as a Comprehensive SR (PS3.3 A.35.3).

    Parameters
    ----------
    source : Dataset
        Header of the object that holds the marks; gives patient and study.
    refusals : sequence of Refusal
        Where in the object, and why, without patient data. None where the document takes back what
        its predecessors say.
    equipment : Equipment
    settings : NotProcessedSettings
    predecessors : sequence of MarkSource
        Documents that this one takes the place of.

    Returns
    -------
    highdicom.sr.ComprehensiveSR
        It refers to the object; of each refusal the item and the reason as text. There is no
        public code for such a document, so its title is a private one. Content Date and Time are
        the moment of making; all else follows from the input.

    Raises
    ------
    NothingToReport
        If there are neither refusals nor predecessors.
    ValueError
        If the object lacks one of its UIDs.
    """
    if not refusals and not predecessors:
        raise NothingToReport("found no refusals, expected some to report")
    keywords = ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "SOPClassUID")
    missing = [keyword for keyword in keywords if not source.get(keyword)]
    if missing:
        raise ValueError(f"the object has no {', '.join(missing)}")
    uids = not_processed_uids(source, refusals, predecessors)
    held = MarkSource(
        *(str(source[k].value) for k in ("SOPClassUID", "SOPInstanceUID", *keywords[:2]))
    )
    return comprehensive_document(
        _content(source, refusals, equipment),
        [held],
        predecessors,
        source,
        uids,
        settings.series_numbers.number_of(uids.series_instance_uid),
        settings.series_description,
        equipment,
    )


def _content(
    source: Dataset, refusals: Sequence[Refusal], equipment: Equipment
) -> hd.sr.ContainerContentItem:
    contains = hd.sr.RelationshipTypeValues.CONTAINS
    root = hd.sr.ContainerContentItem(name=code.NOT_PROCESSED)
    root.ContentSequence = hd.sr.ContentSequence()
    root.ContentSequence.extend(
        hd.sr.ObservationContext(observer_device_context=observer_context(equipment))
    )
    root.ContentSequence.append(
        hd.sr.CompositeContentItem(
            name=codes.DCM.SourceOfMeasurement,
            referenced_sop_class_uid=str(source.SOPClassUID),
            referenced_sop_instance_uid=str(source.SOPInstanceUID),
            relationship_type=contains,
        )
    )
    for refusal in refusals[:MAX_REFUSALS]:
        group = hd.sr.ContainerContentItem(name=code.REASON, relationship_type=contains)
        group.ContentSequence = hd.sr.ContentSequence(
            [
                hd.sr.CodeContentItem(
                    name=SUMMARY_OF_ANALYSES, value=NOT_ATTEMPTED, relationship_type=contains
                ),
                hd.sr.TextContentItem(
                    name=code.ITEM, value=refusal.item or "1", relationship_type=contains
                ),
                hd.sr.TextContentItem(
                    name=code.REASON, value=refusal.reason, relationship_type=contains
                ),
            ]
        )
        root.ContentSequence.append(group)
    more = len(refusals) - MAX_REFUSALS
    remark = f"{NOTICE}." + (f" {more} more are not listed." if more > 0 else "")
    remark = remark if refusals else f"{NONE_ANY_MORE}. {remark}"
    root.ContentSequence.append(
        hd.sr.TextContentItem(name=code.COMMENT, value=remark, relationship_type=contains)
    )
    return root
