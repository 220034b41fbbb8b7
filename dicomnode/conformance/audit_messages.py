"""The audit messages that the node writes (PS3.2 N.11.2.2), read from some that are made here."""

from __future__ import annotations

from xml.etree import ElementTree

from dicomnode.audit import (
    Action,
    Alert,
    ApplicationActivity,
    DataExport,
    InstancesAccessed,
    InstancesTransferred,
    LogUsed,
    Message,
    Participant,
    Query,
    SecurityAlert,
    SignIn,
    Start,
    StudyContent,
    StudyDeleted,
    TransferBegun,
    UserAuthentication,
)
from dicomnode.audit.document import write
from dicomnode.audit.elements import Source
from dicomnode.conformance.table import Table

_NODE = Participant("process number of the node", "host", "dicomnode", ("AE",))
_PEER = Participant.ae("AE title of the peer", "10.0.0.1")
_USER = Participant("user of the operating system")
_WEB_USER = Participant("user of the web service", "10.0.0.1")
_STUDY = StudyContent("1.2.3", (("1.2.840.10008.5.1.4.1.1.2", 1),))

_TOLD: tuple[tuple[str, Message], ...] = (
    ("The node has started.", ApplicationActivity(Start.STARTED)),
    ("The node stops.", ApplicationActivity(Start.STOPPED)),
    (
        "`dicomnode audit show` was used, or the page of the audit trail.",
        LogUsed(_USER, "file:///store/audit"),
    ),
    (
        "Instances of a study have come for 5 seconds on one association and more may come.",
        TransferBegun(_STUDY, sender=_PEER),
    ),
    (
        "An association has ended, or has brought nothing of a study for a minute: one message for "
        "each study, and one for each study of which something was refused. Action R: the node had "
        "them already.",
        InstancesTransferred(_STUDY, sender=_PEER, action=Action.CREATE),
    ),
    (
        "What the node asked a source for has come, by C-GET or WADO-RS.",
        InstancesTransferred(_STUDY, sender=_PEER, node_asked=True),
    ),
    (
        "Results went to a destination, by C-STORE or STOW-RS, or were refused by it.",
        InstancesTransferred(_STUDY, receiver=_PEER, node_asked=True),
    ),
    ("Results were written to a folder.", DataExport(_STUDY, "URI of the folder")),
    (
        "A study is deleted, by retention or `dicomnode purge`. Written durably before its files "
        "go.",
        StudyDeleted(_USER, _STUDY),
    ),
    (
        "Somebody looked at a study by the web service or DICOMweb. Action C: stored into it; U: "
        "judged a lesion of it, or took up, cancelled or discarded jobs of it.",
        InstancesAccessed(_WEB_USER, _STUDY),
    ),
    (
        "Jobs of a study were taken up, cancelled or discarded by `dicomnode jobs`. Written "
        "durably before they are.",
        InstancesAccessed(_USER, _STUDY, Action.UPDATE),
    ),
    (
        "Somebody searched by the web service or DICOMweb.",
        Query("1.2.840.10008.5.1.4.1.2.2.1", b"", asking=_WEB_USER),
    ),
    ("Somebody signed in, or was refused.", UserAuthentication(_WEB_USER, SignIn.LOGIN)),
    ("Somebody signed out.", UserAuthentication(_WEB_USER, SignIn.LOGOUT)),
    (
        "Somebody who signed in asked for what another role may.",
        SecurityAlert(Alert.RESTRICTED_FUNCTION, "", _WEB_USER),
    ),
    (
        "The node asks a source, by C-FIND or QIDO-RS.",
        Query("1.2.840.10008.5.1.4.1.2.2.1", b"", asked=_PEER),
    ),
    (
        "An association was rejected for its titles, its address or its certificate, or a TLS "
        "handshake failed; repeats within a minute are told together.",
        SecurityAlert(Alert.NODE_AUTHENTICATION, "", _PEER),
    ),
    ("Rules were reloaded.", SecurityAlert(Alert.SOFTWARE_CONFIGURATION, "")),
    (
        "Certificates were read again; a file of the journal was let go.",
        SecurityAlert(Alert.SECURITY_CONFIGURATION, ""),
    ),
    ("Messages were lost.", SecurityAlert(Alert.RECORDING_STOPPED, "")),
    (
        "The journal was not as it should be, and goes on.",
        SecurityAlert(Alert.RECORDING_STARTED, ""),
    ),
)


def audit_messages() -> Table:
    """What is told, when, and of whom."""
    source = Source(_NODE, "AuditSourceID")
    rows = []
    for when, message in _TOLD:
        document = ElementTree.fromstring(write(message, 0.0, source))
        event = document.find("EventIdentification")
        assert event is not None
        rows.append(
            (
                _code(event.find("EventID")),
                _code(event.find("EventTypeCode")),
                event.get("EventActionCode", ""),
                when,
                "; ".join(_participant(one) for one in document.iterfind("ActiveParticipant")),
                "; ".join(
                    _code(one) for one in document.iterfind(".//ParticipantObjectIDTypeCode")
                ),
            )
        )
    columns = ("EventID", "EventTypeCode", "Action", "When", "ActiveParticipant", "Objects")
    return Table("audit-messages", columns, tuple(rows))


def _participant(element: ElementTree.Element) -> str:
    words = element.get("UserID", "")
    role = element.find("RoleIDCode")
    if role is not None:
        words += f" as {role.get('originalText')}"
    return words + (" (requestor)" if element.get("UserIsRequestor") == "true" else "")


def _code(element: ElementTree.Element | None) -> str:
    if element is None:
        return ""
    given = (element.get("csd-code"), element.get("codeSystemName"), element.get("originalText"))
    return "({}, {}, {})".format(*given)
