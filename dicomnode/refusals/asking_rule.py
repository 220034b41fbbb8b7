"""Which rule a refusal falls under, by all that is known of the mark and of its CT.

A rule is chosen by the CT that a mark was drawn on. What was refused may never have met one. Then
counts, in this order:

1. the rule that the lesion was given when it met its CT;
2. the CT of the lesion;
3. the CT of another lesion of the same object;
4. a CT of a series that the object names as its evidence, if some of it is here;
5. what the object says itself: its study description and body part, where it states them, and CT or
   not by the SOP classes of the images that it names. The rest is not known, and a condition on
   what is not known counts as holding.

So the first rule is taken that nothing known speaks against.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from pydicom.uid import UID
from sqlalchemy import select
from sqlalchemy.orm import Session

from dicomnode.marks.dicom_object import read_object
from dicomnode.receive.sop_classes import CT_CLASSES
from dicomnode.refusals.gathered import RefusedItem
from dicomnode.retrieve.wanted import wanted_images
from dicomnode.routing import Candidate, ObjectHeader, Rule, first_match
from dicomnode.store.tables import Finding, Instance, Lesion

_MAX_SERIES = 100
"""Series of one object that are looked up; those that hold marks name a few."""


@dataclass(frozen=True)
class Asking:
    """The rule that a refusal falls under.

    Attributes
    ----------
    rule : Rule or None
    undecided : tuple of str
        Its conditions on what is not known.
    """

    rule: Rule | None
    undecided: tuple[str, ...] = ()


class AskingRules:
    """Finds the rules of one object's refusals.

    Parameters
    ----------
    session : Session
    source : Instance
        The object that holds the marks.
    rules : sequence of Rule
    """

    def __init__(self, session: Session, source: Instance, rules: Sequence[Rule]) -> None:
        self._session = session
        self._source = source
        self._rules = rules

    def of(self, item: RefusedItem) -> Asking:
        """The rule of one refused item."""
        lesion = None
        if item.lesion_id is not None:
            lesion = self._session.get_one(Lesion, item.lesion_id)
            given = next((rule for rule in self._rules if rule.name == lesion.rule), None)
            if given is not None:
                return Asking(given)
        candidate = self.candidate(lesion)
        rule, _ = first_match(self._rules, candidate)
        return Asking(rule, () if rule is None else rule.undecided(candidate))

    def candidate(self, lesion: Lesion | None) -> Candidate:
        """What is known of a lesion of the object, or of an item that became none."""
        ct = None if lesion is None else _ct_of_lesion(self._session, lesion)
        return self._of_object if ct is None else self._on(ct)

    @cached_property
    def _of_object(self) -> Candidate:
        ct = self._ct_of_another() or self._ct_that_is_named()
        if ct is not None:
            return self._on(ct)
        source = self._source
        return Candidate(
            calling_ae=source.calling_ae,
            called_ae=source.called_ae,
            mark_sop_class=source.sop_class_uid,
            modality=self._modality(),
            body_part=source.body_part or None,
            study_description=source.study_description or None,
            series_description=None,
            priority=source.priority,
            received_at=source.received_at,
            mark=ObjectHeader(source.path),
        )

    def _on(self, ct: Instance) -> Candidate:
        return Candidate(
            calling_ae=self._source.calling_ae,
            called_ae=self._source.called_ae,
            mark_sop_class=self._source.sop_class_uid,
            modality=ct.modality,
            body_part=ct.body_part,
            study_description=ct.study_description,
            series_description=ct.series_description,
            priority=self._source.priority,
            received_at=self._source.received_at,
            mark=ObjectHeader(self._source.path),
            ct=ObjectHeader(ct.path),
        )

    def _ct_of_another(self) -> Instance | None:
        lesions = self._session.scalars(
            select(Lesion)
            .join(Finding, Finding.lesion_id == Lesion.id)
            .where(
                Finding.source_sop_instance_uid == self._source.sop_instance_uid,
                Lesion.series_instance_uid.is_not(None),
            )
            .order_by(Lesion.id)
        )
        found = (_ct_of_lesion(self._session, lesion) for lesion in lesions)
        return next((ct for ct in found if ct is not None), None)

    def _ct_that_is_named(self) -> Instance | None:
        return self._session.scalar(
            select(Instance)
            .where(
                Instance.series_instance_uid.in_(list(self._named_series)[:_MAX_SERIES]),
                Instance.sop_class_uid.in_(CT_CLASSES),
            )
            .order_by(Instance.sop_instance_uid)
            .limit(1)
        )

    def _modality(self) -> str | None:
        """CT where the object names CT images; not CT where all that it names are others'."""
        kinds = set(self._named_series.values())
        if True in kinds:
            return "CT"
        return None if None in kinds or not kinds else "other than CT"

    @cached_property
    def _named_series(self) -> Mapping[str, bool | None]:
        """Series that the object names, and whether their images are CT; None where not told."""
        try:
            with open(self._source.path, "rb") as file:
                wanted = wanted_images(read_object(file, stop_before_pixels=True))
        except Exception:  # what cannot be read names nothing; pydicom raises many types
            return {}
        series: dict[str, bool | None] = {}
        for reference in wanted.references.values():
            kind = _is_ct(reference.sop_class_uid)
            if series.get(reference.series_instance_uid) is not True:
                series[reference.series_instance_uid] = kind
        for places in wanted.frames.values():
            for _, uid in places:
                series.setdefault(uid, None)
        return series


def _ct_of_lesion(session: Session, lesion: Lesion) -> Instance | None:
    """A slice of the CT that a lesion met; the one that it lies on, if that is here."""
    key = lesion.key_sop_instance_uid and session.get(Instance, lesion.key_sop_instance_uid)
    if key and key.sop_class_uid in CT_CLASSES:
        return key
    if lesion.series_instance_uid is None:
        return None
    return session.scalar(
        select(Instance)
        .where(
            Instance.series_instance_uid == lesion.series_instance_uid,
            Instance.sop_class_uid.in_(CT_CLASSES),
        )
        .order_by(Instance.sop_instance_uid)
        .limit(1)
    )


def _is_ct(sop_class_uid: str | None) -> bool | None:
    """Whether images of a class are CT; None of those that say nothing of what they lie on."""
    if sop_class_uid is None:
        return None
    if sop_class_uid in CT_CLASSES:
        return True
    name = UID(sop_class_uid).name
    return False if "Image Storage" in name and "Secondary Capture" not in name else None
