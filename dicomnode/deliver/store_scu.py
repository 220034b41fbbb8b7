"""Send objects to one destination by C-STORE."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pydicom.dataset import Dataset
from pydicom.uid import UID
from pynetdicom.association import Association

from dicomnode.association import (
    NoAssociation,
    NothingAccepted,
    Rejected,
    associate,
    requesting_ae,
)
from dicomnode.deliver.answer import Answer, Contact, Verdict, judge
from dicomnode.deliver.parcel import (
    WITHDRAWN,
    AboutToSend,
    Parcel,
    Unsendable,
    always,
    read_parcel,
    syntax_on_disk,
)
from dicomnode.deliver.rejection import judge_rejection
from dicomnode.faults import describe_fault
from dicomnode.open_sockets import OpenSockets
from dicomnode.proposed_contexts import UNCOMPRESSED, storage, verification
from dicomnode.results.transcode import to_explicit_le
from dicomnode.settings import DicomDestination

__all__ = ["Parcel", "echo", "send"]


def send(
    parcels: Sequence[Parcel],
    destination: DicomDestination,
    calling_ae_title: str,
    about_to_send: AboutToSend = always,
    sockets: OpenSockets | None = None,
) -> Iterator[tuple[Parcel, Answer]]:
    """Send parcels over one association and yield each outcome as it is known.

    Each object goes as it lies on disk where destination and peer take that transfer syntax, else
    as Explicit or Implicit VR Little Endian. An object that cannot be read stops no other.
    """
    readable, contexts = [], set()
    for parcel in parcels:
        try:
            contexts.add((parcel.sop_class_uid, syntax_on_disk(parcel)))
        except Unsendable as error:
            yield parcel, error.answer
        else:
            readable.append(parcel)
    if not readable:
        return
    ae = requesting_ae(destination, calling_ae_title)
    proposal = storage(contexts, compressed=destination.transfer_syntax != "explicit-le")
    try:
        association = associate(ae, destination, proposal, sockets=sockets)
    except NoAssociation as error:
        answer = _without_association(error)
        for parcel in readable:
            yield parcel, answer
        return
    try:
        for parcel in readable:
            answer = _send_one(association, parcel, about_to_send)
            if answer.verdict is Verdict.UNKNOWN:
                # pynetdicom can go on to call an aborted association established, for a while.
                association.abort()
            yield parcel, answer
    finally:
        if association.is_established:
            association.release()


def echo(destination: DicomDestination, calling_ae_title: str) -> Answer:
    """Ask the destination for an answer by C-ECHO (PS3.7 9.1.5)."""
    ae = requesting_ae(destination, calling_ae_title)
    try:
        association = associate(ae, destination, verification())
    except NoAssociation as error:
        return Answer(Verdict.REPEAT, str(error))
    try:
        status = association.send_c_echo()
    finally:
        association.release()
    if "Status" not in status:
        return Answer(Verdict.UNKNOWN, "no answer to C-ECHO")
    return judge(status.Status, "")


def _without_association(error: NoAssociation) -> Answer:
    if isinstance(error, NothingAccepted):
        return Answer(Verdict.REFUSED, str(error))
    verdict = judge_rejection(error) if isinstance(error, Rejected) else Verdict.REPEAT
    # Even where it is for good, it is not of this object: the next would fare the same.
    return Answer(verdict, str(error), contact=Contact.LOST)


def _send_one(association: Association, parcel: Parcel, about_to_send: AboutToSend) -> Answer:
    if not association.is_established:
        return Answer(Verdict.REPEAT, "the association ended before this object's turn")
    accepted = {
        context.transfer_syntax[0]
        for context in association.accepted_contexts
        if context.abstract_syntax == parcel.sop_class_uid
    }
    if not accepted:
        return Answer(Verdict.REFUSED, f"the peer does not accept SOP class {parcel.sop_class_uid}")
    try:
        dataset = _in_accepted_syntax(parcel, accepted)
    except Unsendable as error:
        return error.answer
    if not about_to_send(parcel):
        return WITHDRAWN
    try:
        status = association.send_c_store(dataset)
    except RuntimeError:  # between the look above and the call
        return Answer(Verdict.REPEAT, "the association ended before this object's turn")
    except (ValueError, AttributeError) as error:  # it cannot be encoded
        return Answer(Verdict.REFUSED, f"cannot be sent: {describe_fault(error)}")
    if "Status" not in status:
        return Answer(
            Verdict.UNKNOWN, "the association broke, or no answer came, after the object was sent"
        )
    return judge(status.Status, str(status.get("ErrorComment", "") or ""))


def _in_accepted_syntax(parcel: Parcel, accepted: set[UID]) -> Dataset:
    def adapt(dataset: Dataset) -> Dataset:
        if dataset.file_meta.TransferSyntaxUID in accepted:
            return dataset
        if accepted.isdisjoint(UNCOMPRESSED):
            raise Unsendable(
                f"the peer does not accept SOP class {parcel.sop_class_uid} uncompressed"
            )
        # pynetdicom itself writes explicit as implicit VR, where the peer takes only that.
        return to_explicit_le(dataset)

    return read_parcel(parcel, adapt)
