"""One message of each kind, and a source, for the tests of the room."""

from __future__ import annotations

from dicomnode.audit import (
    Action,
    Alert,
    ApplicationActivity,
    DataExport,
    InstancesAccessed,
    InstancesTransferred,
    LogUsed,
    Outcome,
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
from dicomnode.audit.elements import Source

CT = "1.2.840.10008.5.1.4.1.1.2"
SR = "1.2.840.10008.5.1.4.1.1.88.22"
STUDY = StudyContent("1.2.3.4", ((CT, 400), (SR, 1)))
ANNA = Participant("anna", "10.0.0.7", "Anna Administrator")
MODALITY = Participant.ae("CT1", "10.0.0.8")
NODE = Participant("4711", "node.example.org", "dicomnode", ("SOFTMASK", "SOFTMASK2"))
SOURCE = Source(NODE, "SOFTMASK@node", "Ward 7")
NAMING = Source(NODE, "SOFTMASK@node", "", {"1.2.3.4": "PAT-1"}.get)

EVERY_KIND = {
    "start": ApplicationActivity(Start.STARTED),
    "stop": ApplicationActivity(Start.STOPPED, ANNA),
    "log used": LogUsed(ANNA, "file:///var/lib/dicomnode/audit"),
    "begins": TransferBegun(STUDY, sender=MODALITY),
    "received": InstancesTransferred(STUDY, sender=MODALITY),
    "fetched": InstancesTransferred(STUDY, sender=MODALITY, node_asked=True),
    "sent": InstancesTransferred(STUDY, receiver=MODALITY, node_asked=True),
    "not sent": InstancesTransferred(
        STUDY, receiver=MODALITY, node_asked=True, outcome=Outcome.SERIOUS_FAILURE,
        reason="status 0x0122",
    ),
    "export": DataExport(STUDY, "file:///srv/results"),
    "looked at": InstancesAccessed(ANNA, STUDY, Action.UPDATE, reason="lesion 7 accepted"),
    "deleted": StudyDeleted(ANNA, STUDY, reason="by hand: asked for <it> & more"),
    "query": Query("1.2.840.10008.5.1.4.1.2.2.1", b"\x00PatientID=7", "1.2.840.10008.1.2",
                   asked=MODALITY),
    "asked": Query("1.2.840.10008.5.1.4.1.2.2.1", b"PatientName=Q*", asking=ANNA),
    "alert": SecurityAlert(Alert.NODE_AUTHENTICATION, "handshake: version",
                           Participant("unknown", "fe80::1"), Outcome.SERIOUS_FAILURE),
    "own alert": SecurityAlert(Alert.SOFTWARE_CONFIGURATION, "3 rules were reloaded"),
    "login": UserAuthentication(ANNA, SignIn.LOGIN),
    "refused": UserAuthentication(Participant("eve"), SignIn.LOGIN, Outcome.SERIOUS_FAILURE,
                                  "wrong token"),
}  # fmt: skip
