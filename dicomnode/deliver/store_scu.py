"""Send objects to one destination by C-STORE."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pydicom
from pydicom.filereader import read_file_meta_info
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian
from pynetdicom import AE
from pynetdicom.association import Association
from pynetdicom.sop_class import Verification

from dicomnode.deliver.answer import Answer, Verdict, judge
from dicomnode.results.transcode import to_explicit_le
from dicomnode.settings import Destination


@dataclass(frozen=True)
class Parcel:
    """One object to send."""

    delivery_id: int
    sop_class_uid: str
    path: Path


class NoAssociation(Exception):
    """The peer could not be reached or did not accept the association; its own words."""


def send(
    parcels: Sequence[Parcel], destination: Destination, calling_ae_title: str
) -> Iterator[tuple[Parcel, Answer]]:
    """Send parcels over one association and yield each outcome as it is known.

    Each object goes as it lies on disk where the peer takes that transfer syntax, else as
    Explicit or Implicit VR Little Endian.
    """
    contexts = {
        (parcel.sop_class_uid, read_file_meta_info(parcel.path).TransferSyntaxUID)
        for parcel in parcels
    }
    ae = _application_entity(destination, calling_ae_title)
    for sop_class_uid, syntax in sorted(contexts):
        if syntax not in (ExplicitVRLittleEndian, ImplicitVRLittleEndian):
            ae.add_requested_context(sop_class_uid, syntax)
        ae.add_requested_context(sop_class_uid, [ExplicitVRLittleEndian, ImplicitVRLittleEndian])
    try:
        association = _associate(ae, destination)
    except NoAssociation as error:
        for parcel in parcels:
            yield parcel, Answer(Verdict.REPEAT, str(error))
        return
    try:
        for parcel in parcels:
            yield parcel, _send_one(association, parcel)
    finally:
        if association.is_established:
            association.release()


def echo(destination: Destination, calling_ae_title: str) -> Answer:
    """Ask the destination for an answer by C-ECHO (PS3.7 9.1.5)."""
    ae = _application_entity(destination, calling_ae_title)
    ae.add_requested_context(Verification)
    try:
        association = _associate(ae, destination)
    except NoAssociation as error:
        return Answer(Verdict.REPEAT, str(error))
    try:
        status = association.send_c_echo()
    finally:
        association.release()
    if "Status" not in status:
        return Answer(Verdict.UNKNOWN, "no answer to C-ECHO")
    return judge(status.Status, "")


def _application_entity(destination: Destination, calling_ae_title: str) -> AE:
    ae = AE(ae_title=destination.calling_ae_title or calling_ae_title)
    ae.maximum_pdu_size = 131072
    ae.connection_timeout = destination.connect_timeout_s
    ae.acse_timeout = destination.connect_timeout_s
    ae.dimse_timeout = destination.response_timeout_s
    ae.network_timeout = destination.response_timeout_s
    return ae


def _associate(ae: AE, destination: Destination) -> Association:
    association = ae.associate(destination.host, destination.port, ae_title=destination.ae_title)
    if association.is_established:
        return association
    peer = f"{destination.ae_title}@{destination.host}:{destination.port}"
    if association.is_rejected:
        answer = association.acceptor.primitive
        raise NoAssociation(
            f"{peer} rejected the association: {answer.result_str}, {answer.reason_str}"
        )
    if association.is_aborted:
        raise NoAssociation(f"{peer} could not be reached, or aborted the association")
    raise NoAssociation(f"no association with {peer}")


def _send_one(association: Association, parcel: Parcel) -> Answer:
    if not association.is_established:
        return Answer(Verdict.REPEAT, "the association ended before this object's turn")
    dataset = pydicom.dcmread(parcel.path)
    accepted = {
        context.transfer_syntax[0]
        for context in association.accepted_contexts
        if context.abstract_syntax == parcel.sop_class_uid
    }
    if not accepted:
        return Answer(Verdict.REFUSED, f"the peer does not accept SOP class {parcel.sop_class_uid}")
    if dataset.file_meta.TransferSyntaxUID not in accepted:
        dataset = to_explicit_le(dataset)
        if ExplicitVRLittleEndian not in accepted:
            dataset.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian
    try:
        status = association.send_c_store(dataset)
    except (RuntimeError, ValueError, OSError) as error:
        return Answer(Verdict.REPEAT, f"could not be sent: {error}")
    if "Status" not in status:
        return Answer(
            Verdict.UNKNOWN, "the association broke, or no answer came, after the object was sent"
        )
    return judge(status.Status, str(status.get("ErrorComment", "") or ""))
