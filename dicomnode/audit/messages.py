"""What can be audited: one class for each message of PS3.15 A.5.3 that the node has something for.

They are plain values; `dicomnode.audit.document` writes them. The node itself, as the process that
tells, is put in there where a message needs it, and so is a patient's ID where
``[audit] patient_ids`` asks for it. What stands here is no patient data, but for the text of a
`Query`.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from dicomnode.audit.participants import Action, Outcome, Participant, StudyContent


class Start(Enum):
    """EventTypeCode of Application Activity (CID 401)."""

    STARTED = "110120"
    STOPPED = "110121"


class SignIn(Enum):
    """EventTypeCode of User Authentication (CID 401)."""

    LOGIN = "110122"
    LOGOUT = "110123"


class Alert(Enum):
    """EventTypeCode of a Security Alert (CID 403)."""

    NODE_AUTHENTICATION = "110126"
    """A peer was not known, or not proven to be who it said: association, handshake."""
    NETWORK_CONFIGURATION = "110128"
    SECURITY_CONFIGURATION = "110129"
    """Rules of callers, certificates."""
    SOFTWARE_CONFIGURATION = "110131"
    """Rules of routing, an upgrade."""
    RESTRICTED_FUNCTION = "110132"
    """Somebody tried what was not theirs to do."""
    RECORDING_STOPPED = "110133"
    """Audit messages were lost, or the journal is not whole."""
    RECORDING_STARTED = "110134"


@dataclass(frozen=True)
class ApplicationActivity:
    """The node started or stopped (A.5.3.1)."""

    start: Start
    launcher: Participant | None = None


@dataclass(frozen=True)
class LogUsed:
    """Somebody read the audit trail (A.5.3.2)."""

    user: Participant
    place: str = ""
    """URI of what was read."""


@dataclass(frozen=True)
class TransferBegun:
    """Instances of one study begin to go from one to the other (A.5.3.3).

    Exactly one of `sender` and `receiver` is given: the peer. The other one is the node.
    """

    study: StudyContent
    sender: Participant | None = None
    receiver: Participant | None = None
    node_asked: bool = False
    """Whether the node is who began it: it sends, or it fetches."""

    def __post_init__(self) -> None:
        _check_peer(self.sender, self.receiver)


@dataclass(frozen=True)
class InstancesTransferred:
    """Instances of one study went from one to the other, or failed to (A.5.3.7).

    Exactly one of `sender` and `receiver` is given: the peer. The other one is the node.
    """

    study: StudyContent
    sender: Participant | None = None
    receiver: Participant | None = None
    node_asked: bool = False
    """Whether the node is who began it: it sends, or it fetches."""
    action: Action = Action.CREATE
    """CREATE where the receiver did not have them, READ where it did, UPDATE where they replace
    others."""
    outcome: Outcome = Outcome.SUCCESS
    reason: str = ""
    """Why they did not go, in the node's own words: statuses and figures."""

    def __post_init__(self) -> None:
        _check_peer(self.sender, self.receiver)


@dataclass(frozen=True)
class DataExport:
    """Instances of one study went into a folder that is somebody else's (A.5.3.4)."""

    study: StudyContent
    place: str
    """Its URI, such as ``file:///srv/results``."""
    outcome: Outcome = Outcome.SUCCESS
    reason: str = ""


@dataclass(frozen=True)
class InstancesAccessed:
    """Somebody looked at a study, or changed something of it (A.5.3.6)."""

    user: Participant
    study: StudyContent
    action: Action = Action.READ
    outcome: Outcome = Outcome.SUCCESS
    reason: str = ""


@dataclass(frozen=True)
class StudyDeleted:
    """All of a study is deleted (A.5.3.8)."""

    user: Participant
    study: StudyContent
    outcome: Outcome = Outcome.SUCCESS
    reason: str = ""
    """Why it goes."""


@dataclass(frozen=True)
class Query:
    """Somebody asks for what is there (A.5.3.10).

    Exactly one of `asking` and `asked` is given: the peer. The other one is the node.
    """

    sop_class_uid: str
    """Of a C-FIND; of the information model where it is asked by QIDO-RS."""
    query: bytes
    """The identifier as it was encoded, or the URL's query. It can hold patient data, and is
    written only with ``[audit] patient_ids``."""
    transfer_syntax_uid: str = ""
    asking: Participant | None = None
    asked: Participant | None = None
    outcome: Outcome = Outcome.SUCCESS
    reason: str = ""

    def __post_init__(self) -> None:
        _check_peer(self.asking, self.asked)


@dataclass(frozen=True)
class SecurityAlert:
    """Something that bears on security has happened (A.5.3.11)."""

    alert: Alert
    words: str
    """What, in the node's own words. No patient data."""
    subject: Participant | None = None
    """Who did it, or tried to."""
    outcome: Outcome = Outcome.SUCCESS


@dataclass(frozen=True)
class UserAuthentication:
    """Somebody signed in or out, or was refused (A.5.3.12)."""

    user: Participant
    sign_in: SignIn
    outcome: Outcome = Outcome.SUCCESS
    reason: str = ""


Message = (
    ApplicationActivity
    | LogUsed
    | TransferBegun
    | InstancesTransferred
    | DataExport
    | InstancesAccessed
    | StudyDeleted
    | Query
    | SecurityAlert
    | UserAuthentication
)


def _check_peer(one: Participant | None, other: Participant | None) -> None:
    if (one is None) == (other is None):
        raise ValueError("expected exactly one peer; the other side is the node")
