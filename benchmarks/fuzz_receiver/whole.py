"""Whole PDUs and messages of a requestor, which damage starts from."""

from __future__ import annotations

import struct
from dataclasses import dataclass

from pydicom.dataset import Dataset
from pydicom.uid import generate_uid
from pynetdicom.dsutils import encode
from pynetdicom.pdu import A_ASSOCIATE_RQ
from pynetdicom.pdu_primitives import (
    A_ASSOCIATE,
    AsynchronousOperationsWindowNegotiation,
    ImplementationClassUIDNotification,
    ImplementationVersionNameNotification,
    MaximumLengthNotification,
    SCP_SCU_RoleSelectionNegotiation,
    SOPClassCommonExtendedNegotiation,
    SOPClassExtendedNegotiation,
    UserIdentityNegotiation,
)
from pynetdicom.presentation import build_context

from dicomnode.commit.information import (
    PUSH_MODEL,
    PUSH_MODEL_INSTANCE,
    CommitmentRequest,
    Reference,
    outcome_dataset,
    outcome_of,
    request_dataset,
)
from dicomnode.receive.command_sets import (
    C_CANCEL_RQ,
    C_ECHO_RQ,
    C_STORE_RQ,
    N_ACTION_RQ,
    N_EVENT_REPORT_RQ,
)
from dicomnode.receive.sop_classes import EXPLICIT_VR_LE, IMPLICIT_VR_LE, VERIFICATION

CT = "1.2.840.10008.5.1.4.1.1.2"
REPORT = "1.2.840.10008.5.1.4.1.1.88.33"
CALLED = "FUZZED"
SYNTAXES = {1: EXPLICIT_VR_LE, 3: IMPLICIT_VR_LE, 5: IMPLICIT_VR_LE, 7: EXPLICIT_VR_LE}
"""Transfer syntax of each presentation context that `requests` propose."""
_CLASSES = {1: CT, 3: REPORT, 5: VERIFICATION, 7: PUSH_MODEL}

RELEASE = b"\x05\0\0\0\0\x04\0\0\0\0"
ABORT = b"\x07\0\0\0\0\x04\0\0\0\0"


@dataclass(frozen=True)
class Message:
    """One DIMSE message (PS3.7 6.3).

    Attributes
    ----------
    context_id : int
    command : bytes
    data_set : bytes or None
    """

    context_id: int
    command: bytes
    data_set: bytes | None = None


def requests() -> list[bytes]:
    """A-ASSOCIATE-RQs: one as most peers send it, the others with each item of PS3.7 D.3.3."""
    identity = UserIdentityNegotiation()
    identity.user_identity_type = 2
    identity.primary_field, identity.secondary_field = b"someone", b"something"
    identity.positive_response_requested = True
    window = AsynchronousOperationsWindowNegotiation()
    window.maximum_number_operations_invoked = window.maximum_number_operations_performed = 8
    extended = SOPClassExtendedNegotiation()
    extended.sop_class_uid = CT
    extended.service_class_application_information = b"\1\0\1"
    common = SOPClassCommonExtendedNegotiation()
    common.sop_class_uid, common.service_class_uid = CT, "1.2.840.10008.4.2"
    common.related_general_sop_class_identification = ["1.2.840.10008.5.1.4.1.1.2.1"]
    role = SCP_SCU_RoleSelectionNegotiation()
    role.sop_class_uid, role.scu_role, role.scp_role = PUSH_MODEL, True, True
    version = ImplementationVersionNameNotification()
    version.implementation_version_name = "FUZZ"
    return [
        _request(),
        _request(version, role),
        _request(version, window, extended, common),
        _request(identity, role),
        _request(version, role, window, extended, common, identity),
    ]


def _request(*items: object) -> bytes:
    request = A_ASSOCIATE()
    request.application_context_name = "1.2.840.10008.3.1.1.1"
    request.calling_ae_title, request.called_ae_title = "PEER", CALLED
    contexts = [build_context(uid, [SYNTAXES[key]]) for key, uid in _CLASSES.items()]
    for key, context in zip(SYNTAXES, contexts, strict=True):
        context.context_id = key
    request.presentation_context_definition_list = contexts
    maximum = MaximumLengthNotification()
    maximum.maximum_length_received = 16384
    implementation = ImplementationClassUIDNotification()
    implementation.implementation_class_uid = "1.2.3"
    request.user_information = [maximum, implementation, *items]
    return A_ASSOCIATE_RQ(request).encode()


def messages() -> list[Message]:
    """One message of each kind that a requestor may send, and some that it may not."""
    ct, report = image(), _report()
    asked = [Reference(CT, str(ct.SOPInstanceUID)), Reference(REPORT, "1.2.3.4")]
    transaction = str(generate_uid(entropy_srcs=["fuzz"]))
    information = request_dataset(CommitmentRequest(transaction, tuple(asked)))
    outcome = outcome_dataset(outcome_of(transaction, asked, [(asked[1], 0x0112)]))
    response = _command(None, 0x8000 | N_EVENT_REPORT_RQ, PUSH_MODEL, PUSH_MODEL_INSTANCE, False)
    return [
        Message(5, _command(1, C_ECHO_RQ, VERIFICATION, "", False)),
        Message(1, _store(ct), encode(ct, False, True)),
        Message(3, _store(report), encode(report, True, True)),
        Message(
            7,
            _command(4, N_ACTION_RQ, PUSH_MODEL, PUSH_MODEL_INSTANCE, True, (0x1008, 1)),
            encode(information, False, True),
        ),
        Message(
            7,
            _command(5, N_EVENT_REPORT_RQ, PUSH_MODEL, PUSH_MODEL_INSTANCE, True, (0x1002, 2)),
            encode(outcome, False, True),
        ),
        Message(5, _command(None, C_CANCEL_RQ, "", "", False)),
        Message(7, response),
        Message(1, _command(7, 0x0020, "1.2.840.10008.5.1.4.1.2.2.1", "", True), b"\x08\0\x52\0"),
    ]


def image() -> Dataset:
    """A small CT slice, with a sequence."""
    data_set = Dataset()
    data_set.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    data_set.SOPClassUID = CT
    data_set.SOPInstanceUID = generate_uid(entropy_srcs=["fuzz", "image"])
    data_set.Modality = "CT"
    data_set.SeriesDescription = "Fuzz"
    data_set.PatientName = "Fuzz^Nobody"
    data_set.SpecificCharacterSet = ["", "ISO 2022 IR 87"]
    item = Dataset()
    item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = CT, "1.2.3"
    data_set.ReferencedImageSequence = [item, item]
    data_set.StudyInstanceUID = generate_uid(entropy_srcs=["fuzz", "study"])
    data_set.SeriesInstanceUID = generate_uid(entropy_srcs=["fuzz", "series"])
    data_set.InstanceNumber = 7
    data_set.ImagePositionPatient = [-100.5, 20, 3.25]
    data_set.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    data_set.SamplesPerPixel = 1
    data_set.PhotometricInterpretation = "MONOCHROME2"
    data_set.Rows, data_set.Columns = 6, 8
    data_set.PixelSpacing = [0.7, 0.8]
    data_set.BitsAllocated, data_set.BitsStored, data_set.HighBit = 16, 16, 15
    data_set.PixelRepresentation = 1
    data_set.PixelData = bytes(6 * 8 * 2)
    return data_set


def _report() -> Dataset:
    data_set = Dataset()
    data_set.SOPClassUID = REPORT
    data_set.SOPInstanceUID = generate_uid(entropy_srcs=["fuzz", "report"])
    data_set.Modality = "SR"
    data_set.StudyInstanceUID = generate_uid(entropy_srcs=["fuzz", "study"])
    data_set.SeriesInstanceUID = generate_uid(entropy_srcs=["fuzz", "reports"])
    data_set.ValueType = "CONTAINER"
    return data_set


def _store(data_set: Dataset) -> bytes:
    uid = str(data_set.SOPInstanceUID)
    return _command(2, C_STORE_RQ, str(data_set.SOPClassUID), uid, True, (0x0700, 0))


def _command(
    message_id: int | None,
    command: int,
    sop_class: str,
    instance: str,
    has_data_set: bool,
    more: tuple[int, int] | None = None,
) -> bytes:
    """Encode a command set (PS3.7 6.3.1); a response where there is no message ID."""
    requested = command == N_ACTION_RQ
    elements: dict[int, bytes] = {
        0x0100: struct.pack("<H", command),
        0x0800: struct.pack("<H", 0x0001 if has_data_set else 0x0101),
    }
    if sop_class:
        elements[0x0003 if requested else 0x0002] = _padded(sop_class)
    if instance:
        elements[0x1001 if requested else 0x1000] = _padded(instance)
    if message_id is None:
        elements[0x0120] = struct.pack("<H", 1)
        elements[0x0900] = b"\0\0"
    else:
        elements[0x0110] = struct.pack("<H", message_id)
    if more is not None:
        elements[more[0]] = struct.pack("<H", more[1])
    body = b"".join(
        struct.pack("<HHL", 0, tag, len(value)) + value for tag, value in sorted(elements.items())
    )
    return struct.pack("<HHLL", 0, 0, 4, len(body)) + body


def _padded(uid: str) -> bytes:
    return uid.encode() + b"\0" * (len(uid) % 2)
