"""Codes of audit messages, with their meanings: CID 400 to 405 of PS3.16, and RFC 3881."""

from __future__ import annotations

from typing import NamedTuple


class Code(NamedTuple):
    """A coded value, as `CodedValueType` of PS3.15 A.5.1.1 writes it."""

    value: str
    scheme: str
    meaning: str


def _dcm(value: str, meaning: str) -> Code:
    return Code(value, "DCM", meaning)


APPLICATION_ACTIVITY = _dcm("110100", "Application Activity")
AUDIT_LOG_USED = _dcm("110101", "Audit Log Used")
BEGIN_TRANSFERRING = _dcm("110102", "Begin Transferring DICOM Instances")
INSTANCES_ACCESSED = _dcm("110103", "DICOM Instances Accessed")
INSTANCES_TRANSFERRED = _dcm("110104", "DICOM Instances Transferred")
STUDY_DELETED = _dcm("110105", "DICOM Study Deleted")
EXPORT = _dcm("110106", "Export")
QUERY = _dcm("110112", "Query")
SECURITY_ALERT = _dcm("110113", "Security Alert")
USER_AUTHENTICATION = _dcm("110114", "User Authentication")

EVENT_IDS = (
    APPLICATION_ACTIVITY, AUDIT_LOG_USED, BEGIN_TRANSFERRING, INSTANCES_ACCESSED,
    INSTANCES_TRANSFERRED, STUDY_DELETED, EXPORT, QUERY, SECURITY_ALERT, USER_AUTHENTICATION,
)  # fmt: skip
"""Those of CID 400 that the node writes."""

EVENT_TYPES = {
    code.value: code
    for code in (
        _dcm("110120", "Application Start"),
        _dcm("110121", "Application Stop"),
        _dcm("110122", "Login"),
        _dcm("110123", "Logout"),
        _dcm("110126", "Node Authentication"),
        _dcm("110128", "Network Configuration"),
        _dcm("110129", "Security Configuration"),
        _dcm("110131", "Software Configuration"),
        _dcm("110132", "Use of Restricted Function"),
        _dcm("110133", "Audit Recording Stopped"),
        _dcm("110134", "Audit Recording Started"),
    )
}
"""Those of CID 401 and CID 403 that the node writes, by value."""

APPLICATION = _dcm("110150", "Application")
APPLICATION_LAUNCHER = _dcm("110151", "Application Launcher")
DESTINATION = _dcm("110152", "Destination Role ID")
SOURCE = _dcm("110153", "Source Role ID")
DESTINATION_MEDIA = _dcm("110154", "Destination Media")
"""CID 402, what a participant does."""

STUDY_INSTANCE_UID = _dcm("110180", "Study Instance UID")
SOP_CLASS_UID = _dcm("110181", "SOP Class UID")
NODE_ID = _dcm("110182", "Node ID")
"""CID 404, what an object is known by."""

PATIENT_NUMBER = Code("2", "RFC-3881", "Patient Number")
URI_NUMBER = Code("12", "RFC-3881", "URI")
"""PS3.15 A.5.1.2.4."""

MEDIA_URI = _dcm("110037", "URI")
"""CID 405, what goes out goes onto."""
