"""Audit messages as XML: each by its table in PS3.15 A.5.3."""

from __future__ import annotations

from collections.abc import Callable
from functools import singledispatch
from xml.etree import ElementTree
from xml.etree.ElementTree import SubElement

from dicomnode.audit import codes
from dicomnode.audit.elements import (
    LONGEST_TEXT,
    MASTER_FILE,
    REPORT,
    SECURITY_RESOURCE,
    SYSTEM,
    UNKNOWN,
    WITHHELD,
    Source,
    Writer,
    detail,
    encoded_text,
)
from dicomnode.audit.messages import (
    Alert,
    ApplicationActivity,
    DataExport,
    InstancesAccessed,
    InstancesTransferred,
    LogUsed,
    Message,
    Query,
    SecurityAlert,
    StudyDeleted,
    TransferBegun,
    UserAuthentication,
)
from dicomnode.audit.participants import Action, Participant


def write(message: Message, at: float, source: Source) -> str:
    """Write a message.

    Parameters
    ----------
    message : Message
    at : float
        When it happened, in seconds since 1970.
    source : Source

    Returns
    -------
    str
        The element ``AuditMessage``, without an XML declaration.
    """
    writer = Writer(source, at)
    objects = _participants(message, writer)
    writer.audit_source()
    for add in objects:
        add()
    return ElementTree.tostring(writer.root, encoding="unicode")


_Objects = list[Callable[[], object]]


@singledispatch
def _participants(message: object, writer: Writer) -> _Objects:
    """Write event and participants; give what writes the objects, which come after the source."""
    raise TypeError(f"found {type(message).__name__}, expected an audit message")


@_participants.register
def _(message: ApplicationActivity, writer: Writer) -> _Objects:
    kind = message.start.value
    writer.event(codes.APPLICATION_ACTIVITY, Action.EXECUTE, event_type=kind)
    writer.node(message.launcher is None, codes.APPLICATION)
    if message.launcher is not None:
        writer.participant(message.launcher, True, codes.APPLICATION_LAUNCHER)
    return []


@_participants.register
def _(message: LogUsed, writer: Writer) -> _Objects:
    writer.event(codes.AUDIT_LOG_USED, Action.READ)
    writer.participant(message.user, True)
    writer.node(False)

    def journal() -> None:
        element = writer.thing(
            message.place or UNKNOWN, codes.URI_NUMBER, SYSTEM, SECURITY_RESOURCE
        )
        SubElement(element, "ParticipantObjectName").text = "Security Audit Log"

    return [journal]


@_participants.register
def _(message: TransferBegun, writer: Writer) -> _Objects:
    writer.event(codes.BEGIN_TRANSFERRING, Action.EXECUTE)
    return _transfer(message, writer)


@_participants.register
def _(message: InstancesTransferred, writer: Writer) -> _Objects:
    writer.event(codes.INSTANCES_TRANSFERRED, message.action, message.outcome, message.reason)
    return _transfer(message, writer)


def _transfer(message: TransferBegun | InstancesTransferred, writer: Writer) -> _Objects:
    if message.sender is not None:
        writer.participant(message.sender, not message.node_asked, codes.SOURCE)
        writer.node(message.node_asked, codes.DESTINATION)
    elif message.receiver is not None:
        writer.node(message.node_asked, codes.SOURCE)
        writer.participant(message.receiver, not message.node_asked, codes.DESTINATION)
    return [lambda: writer.study(message.study)]


@_participants.register
def _(message: DataExport, writer: Writer) -> _Objects:
    writer.event(codes.EXPORT, Action.READ, message.outcome, message.reason)
    writer.node(True, codes.SOURCE)
    place = Participant(message.place)
    writer.participant(place, False, codes.DESTINATION_MEDIA, codes.MEDIA_URI)
    return [lambda: writer.study(message.study)]


@_participants.register
def _(message: InstancesAccessed, writer: Writer) -> _Objects:
    writer.event(codes.INSTANCES_ACCESSED, message.action, message.outcome, message.reason)
    writer.participant(message.user, True)
    writer.node(False)
    return [lambda: writer.study(message.study)]


@_participants.register
def _(message: StudyDeleted, writer: Writer) -> _Objects:
    writer.event(codes.STUDY_DELETED, Action.DELETE, message.outcome, message.reason)
    writer.participant(message.user, True)
    writer.node(False)
    return [lambda: writer.study(message.study)]


@_participants.register
def _(message: Query, writer: Writer) -> _Objects:
    writer.event(codes.QUERY, Action.EXECUTE, message.outcome, message.reason)
    if message.asking is not None:
        writer.participant(message.asking, True, codes.SOURCE)
        writer.node(False, codes.DESTINATION)
    elif message.asked is not None:
        writer.node(True, codes.SOURCE)
        writer.participant(message.asked, False, codes.DESTINATION)
    withheld = writer.source.patient_of is None

    def asked_for() -> None:
        element = writer.thing(message.sop_class_uid, codes.SOP_CLASS_UID, SYSTEM, REPORT)
        query = WITHHELD.encode() if withheld else message.query
        SubElement(element, "ParticipantObjectQuery").text = encoded_text(query)
        if message.transfer_syntax_uid:
            detail(element, "TransferSyntax", message.transfer_syntax_uid)

    return [asked_for]


@_participants.register
def _(message: SecurityAlert, writer: Writer) -> _Objects:
    kind = message.alert.value
    writer.event(codes.SECURITY_ALERT, Action.EXECUTE, message.outcome, event_type=kind)
    writer.node(True)
    if message.subject is not None:
        writer.participant(message.subject, False)
    subject = message.subject or writer.source.node
    role = SECURITY_RESOURCE if message.alert in _OF_SECURITY else MASTER_FILE

    def about() -> None:
        identifier = subject.address or subject.user_id
        element = writer.thing(identifier, codes.NODE_ID, SYSTEM, role)
        SubElement(element, "ParticipantObjectName").text = ""
        detail(element, "Alert Description", message.words[:LONGEST_TEXT])

    return [about]


_OF_SECURITY = {
    Alert.NODE_AUTHENTICATION,
    Alert.SECURITY_CONFIGURATION,
    Alert.RESTRICTED_FUNCTION,
    Alert.RECORDING_STARTED,
    Alert.RECORDING_STOPPED,
}


@_participants.register
def _(message: UserAuthentication, writer: Writer) -> _Objects:
    kind = message.sign_in.value
    writer.event(
        codes.USER_AUTHENTICATION, Action.EXECUTE, message.outcome, message.reason, event_type=kind
    )
    user = message.user
    if not user.address:  # mandatory here, unlike elsewhere
        user = Participant(user.user_id, UNKNOWN, user.name, user.ae_titles)
    writer.participant(user, True)
    writer.node(False)
    return []
