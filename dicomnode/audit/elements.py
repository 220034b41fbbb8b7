"""Parts of audit messages as XML, by the schema of PS3.15 A.5.1.1."""

from __future__ import annotations

import base64
import ipaddress
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from xml.etree.ElementTree import Element, SubElement

from dicomnode.audit import codes
from dicomnode.audit.codes import Code
from dicomnode.audit.participants import Action, Outcome, Participant, StudyContent

WITHHELD = "withheld"
"""Stands for a patient's ID, and for a query, where ``[audit] patient_ids`` is false."""
UNKNOWN = "unknown"
"""Stands for a study or a patient that nothing is known of."""

LONGEST_TEXT = 1024
"""Characters of a reason; with all else a message stays far below the 32768 bytes that every
receiver takes (PS3.15 A.6)."""
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_APPLICATION_SERVER = "4"
PERSON, SYSTEM = "1", "2"
PATIENT, REPORT, MASTER_FILE, SECURITY_RESOURCE = "1", "3", "5", "13"


@dataclass(frozen=True)
class Source:
    """Who writes the messages, and what of patients they may hold.

    Attributes
    ----------
    node : Participant
        The process, which is known by its number, as in the system's log (PS3.15 A.5.2.1).
    source_id, site_id : str
        AuditSourceID and AuditEnterpriseSiteID; the second one may be empty.
    patient_of : callable, optional
        Gives the Patient ID of a study, empty where it is not known. Without it none is written.
    """

    node: Participant
    source_id: str
    site_id: str = ""
    patient_of: Callable[[str], str] | None = None


def timestamp(at: float) -> str:
    """A moment in UTC as ``xsd:dateTime`` and RFC 3339 have it, to the microsecond."""
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


class Writer:
    """The parts of one message, called for in the order of the schema.

    Parameters
    ----------
    source : Source
    at : float
        When it happened, in seconds since 1970.
    """

    def __init__(self, source: Source, at: float) -> None:
        self.source = source
        self.root = Element("AuditMessage")
        self._event = SubElement(self.root, "EventIdentification", EventDateTime=timestamp(at))

    def event(
        self,
        event: Code,
        action: Action,
        outcome: Outcome = Outcome.SUCCESS,
        reason: str = "",
        event_type: str = "",
    ) -> None:
        """What happened, and what came of it."""
        self._event.set("EventActionCode", action.value)
        self._event.set("EventOutcomeIndicator", outcome.value)
        _coded(self._event, "EventID", event)
        if event_type:
            _coded(self._event, "EventTypeCode", codes.EVENT_TYPES[event_type])
        if reason:
            SubElement(self._event, "EventOutcomeDescription").text = _text(reason)

    def participant(
        self, who: Participant, asks: bool, role: Code | None = None, media: Code | None = None
    ) -> None:
        """Somebody who takes part; one of them at most asks."""
        element = SubElement(self.root, "ActiveParticipant", UserID=_text(who.user_id))
        if who.ae_titles:
            element.set("AlternativeUserID", _text("AETITLES=" + ";".join(who.ae_titles)))
        if who.name:
            element.set("UserName", _text(who.name))
        element.set("UserIsRequestor", "true" if asks else "false")
        if who.address:
            element.set("NetworkAccessPointID", _text(who.address))
            element.set("NetworkAccessPointTypeCode", _access_point(who.address))
        if role is not None:
            _coded(element, "RoleIDCode", role)
        if media is not None:
            _coded(SubElement(element, "MediaIdentifier"), "MediaType", media)

    def node(self, asks: bool, role: Code | None = None) -> None:
        """The process that tells, as a participant."""
        self.participant(self.source.node, asks, role)

    def audit_source(self) -> None:
        """Who tells; it stands between participants and objects."""
        element = SubElement(
            self.root, "AuditSourceIdentification", AuditSourceID=_text(self.source.source_id)
        )
        if self.source.site_id:
            element.set("AuditEnterpriseSiteID", _text(self.source.site_id))
        SubElement(element, "AuditSourceTypeCode", {"csd-code": _APPLICATION_SERVER})

    def study(self, study: StudyContent) -> None:
        """A study, and the patient whose it is."""
        uid = study.study_instance_uid
        element = self.thing(uid or UNKNOWN, codes.STUDY_INSTANCE_UID, SYSTEM, REPORT)
        # The schema has either a name or a query of each object, never neither.
        SubElement(element, "ParticipantObjectName").text = ""
        if study.instances:
            described = SubElement(element, "ParticipantObjectDescription")
            for sop_class, number in study.instances:
                element = SubElement(described, "SOPClass", NumberOfInstances=str(number))
                if sop_class:
                    element.set("UID", sop_class)
        patient = WITHHELD
        if self.source.patient_of is not None:
            patient = (self.source.patient_of(uid) if uid else "") or UNKNOWN
        element = self.thing(patient, codes.PATIENT_NUMBER, PERSON, PATIENT)
        SubElement(element, "ParticipantObjectName").text = ""

    def thing(self, identifier: str, kind: Code, type_code: str, role: str) -> Element:
        """Any object; its name or query is for the caller to add, and comes next."""
        element = SubElement(
            self.root,
            "ParticipantObjectIdentification",
            ParticipantObjectID=_text(identifier),
            ParticipantObjectTypeCode=type_code,
            ParticipantObjectTypeCodeRole=role,
        )
        _coded(element, "ParticipantObjectIDTypeCode", kind)
        return element


def _coded(parent: Element, name: str, code: Code) -> None:
    SubElement(
        parent,
        name,
        {"csd-code": code.value, "codeSystemName": code.scheme, "originalText": code.meaning},
    )


def detail(parent: Element, kind: str, value: str) -> None:
    """Add a value of a kind."""
    encoded = encoded_text(value.encode())
    SubElement(parent, "ParticipantObjectDetail", {"type": kind, "value": encoded})


def encoded_text(value: bytes) -> str:
    """As ``xsd:base64Binary`` has it: so no value can be taken for XML."""
    return base64.b64encode(value).decode("ascii")


def _text(value: str) -> str:
    """What a peer may have put into a value cannot break the document."""
    return _NOT_XML.sub("\ufffd", value)[:LONGEST_TEXT]


def _access_point(address: str) -> str:
    """NetworkAccessPointTypeCode: 1 a name, 2 an IP address, 5 a URI."""
    if "://" in address:
        return "5"
    try:
        ipaddress.ip_address(address)
    except ValueError:
        return "1"
    return "2"
