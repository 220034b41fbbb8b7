"""Who did what to which study: audit messages (PS3.15 A.5), their journal, and where they go.

Whoever has something to tell notes a message with the `Trail` that the composition root gave it;
`NullTrail` takes the same and keeps nothing. `note` returns at once; `note_durably` once the
message is on disk.
"""

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
    SignIn,
    Start,
    StudyDeleted,
    TransferBegun,
    UserAuthentication,
)
from dicomnode.audit.participants import Action, Outcome, Participant, StudyContent
from dicomnode.audit.trail import NullTrail, Trail

__all__ = [
    "Action",
    "Alert",
    "ApplicationActivity",
    "DataExport",
    "InstancesAccessed",
    "InstancesTransferred",
    "LogUsed",
    "Message",
    "NullTrail",
    "Outcome",
    "Participant",
    "Query",
    "SecurityAlert",
    "SignIn",
    "Start",
    "StudyContent",
    "StudyDeleted",
    "Trail",
    "TransferBegun",
    "UserAuthentication",
]
