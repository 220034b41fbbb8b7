"""A reader's verdict sent back: whether a soft mask was accepted, by whom, and why not.

Made after the assessments of IHE AI Result Assessment (AIRA), whose template and codes it does not
use: codes are private, and it claims no conformance to that profile.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

import highdicom as hd
from highdicom.sr import CodedConcept
from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes
from pydicom.valuerep import DT

from dicomnode.results import report_codes as code
from dicomnode.results.document_uids import NothingToReport
from dicomnode.results.lesion_result import Equipment, MarkSource, ResultUids
from dicomnode.results.research_notice import NOTICE
from dicomnode.results.series_numbers import SeriesNumbers
from dicomnode.results.sr_document import comprehensive_document
from dicomnode.results.uids import derive_uid

_LONGEST_NAME = 63
"""Characters of a component group of PN (PS3.5 6.2), less the caret."""


@dataclass(frozen=True)
class Judgement:
    """What a reader said of a soft mask.

    Attributes
    ----------
    key : str
        The same for the same verdict, and no other.
    who : str
        As the one who signed in is called.
    at : float
        Seconds since 1970.
    accepted, mended : bool
        Whether it was accepted, and that after its trimap was mended.
    reason, meaning : str or None
        Code of a rejection, and what it means.
    words : str
        The reader's own; may be empty.
    """

    key: str
    who: str
    at: float
    accepted: bool
    mended: bool = False
    reason: str | None = None
    meaning: str | None = None
    words: str = ""

    @property
    def verdict(self) -> CodedConcept:
        """As a code."""
        if not self.accepted:
            return code.REJECTED
        return code.ACCEPTED_AS_MENDED if self.mended else code.ACCEPTED


@dataclass(frozen=True)
class AssessmentSettings:
    """How a destination wants verdicts.

    Attributes
    ----------
    series_numbers : SeriesNumbers
    series_description : str
        LO, at most 64 characters.
    """

    series_numbers: SeriesNumbers = field(default_factory=SeriesNumbers)
    series_description: str = "Soft mask judged RESEARCH"


def assessment(
    source: Dataset,
    judged: Sequence[MarkSource],
    said: Judgement,
    equipment: Equipment,
    settings: AssessmentSettings = AssessmentSettings(),
    predecessors: Sequence[MarkSource] = (),
) -> hd.sr.ComprehensiveSR:
    """Say what a reader thinks of result objects, as a Comprehensive SR (PS3.3 A.35.3).

    Parameters
    ----------
    source : Dataset
        Header of one of the objects; gives patient and study.
    judged : sequence of MarkSource
        The result objects that were made of the soft mask that was judged.
    said : Judgement
    equipment : Equipment
    settings : AssessmentSettings
    predecessors : sequence of MarkSource
        Earlier verdicts that this one takes the place of.

    Returns
    -------
    highdicom.sr.ComprehensiveSR
        The reader is the person observer (PS3.16 TID 1003). The verdict is no verification of a
        document: it is not signed, and stays unverified.

    Raises
    ------
    NothingToReport
        If there are no objects.
    """
    if not judged:
        raise NothingToReport("found no objects, expected those that were judged")
    named = sorted(one.sop_instance_uid for one in judged)
    before = sorted(one.sop_instance_uid for one in predecessors)
    uids = ResultUids(
        derive_uid("assessment series", str(source.SeriesInstanceUID)),
        derive_uid("assessment", said.key, *named, "after", *before),
    )
    return comprehensive_document(
        _content(judged, said),
        judged,
        predecessors,
        source,
        uids,
        settings.series_numbers.number_of(uids.series_instance_uid),
        settings.series_description,
        equipment,
    )


def _content(judged: Sequence[MarkSource], said: Judgement) -> hd.sr.ContainerContentItem:
    contains = hd.sr.RelationshipTypeValues.CONTAINS
    root = hd.sr.ContainerContentItem(name=code.ASSESSMENT)
    observer = hd.sr.ObserverContext(
        observer_type=codes.DCM.Person,
        observer_identifying_attributes=hd.sr.PersonObserverIdentifyingAttributes(
            name=_person_name(said.who)
        ),
    )
    items: list[hd.sr.ContentItem] = [
        hd.sr.CompositeContentItem(
            name=code.JUDGED_RESULT,
            referenced_sop_class_uid=one.sop_class_uid,
            referenced_sop_instance_uid=one.sop_instance_uid,
            relationship_type=contains,
        )
        for one in judged
    ]
    items.append(
        hd.sr.CodeContentItem(name=code.VERDICT, value=said.verdict, relationship_type=contains)
    )
    if said.reason is not None:
        items.append(
            hd.sr.CodeContentItem(
                name=code.REJECTED_BECAUSE,
                value=CodedConcept(code.REASONS[said.reason], code.SCHEME, said.meaning),
                relationship_type=contains,
            )
        )
    items.append(
        hd.sr.DateTimeContentItem(
            name=code.JUDGED_AT,
            value=DT(datetime.fromtimestamp(said.at, UTC).strftime("%Y%m%d%H%M%S+0000")),
            relationship_type=contains,
        )
    )
    remark = f"{NOTICE}. {said.words}".strip()
    items.append(hd.sr.TextContentItem(name=code.COMMENT, value=remark, relationship_type=contains))
    root.ContentSequence = hd.sr.ContentSequence()
    root.ContentSequence.extend(observer)
    root.ContentSequence.extend(items)
    return root


def _person_name(who: str) -> str:
    """A PN of one component: signs that part it, or end it, are left out."""
    plain = "".join(" " if sign in "^=\\" or not sign.isprintable() else sign for sign in who)
    return f"{plain.strip()[:_LONGEST_NAME] or 'unknown'}^"
