"""Send objects to one destination by C-STORE."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pydicom
from pydicom.dataset import Dataset
from pydicom.errors import InvalidDicomError
from pydicom.filereader import read_file_meta_info
from pydicom.uid import UID, ExplicitVRLittleEndian, ImplicitVRLittleEndian
from pynetdicom.association import Association
from pynetdicom.sop_class import Verification

from dicomnode.association import NoAssociation, NothingAccepted, associate, requesting_ae
from dicomnode.deliver.answer import Answer, Verdict, judge
from dicomnode.faults import describe_fault
from dicomnode.results.transcode import to_explicit_le
from dicomnode.settings import Destination


@dataclass(frozen=True)
class Parcel:
    """One object to send."""

    delivery_id: int
    sop_class_uid: str
    path: Path


class _Unsendable(Exception):
    """The object cannot be sent, to this peer or at all; holds the answer that stands for it."""

    def __init__(self, words: str, verdict: Verdict = Verdict.REFUSED) -> None:
        super().__init__(words)
        self.answer = Answer(verdict, words)


_UNCOMPRESSED = (ExplicitVRLittleEndian, ImplicitVRLittleEndian)


def send(
    parcels: Sequence[Parcel], destination: Destination, calling_ae_title: str
) -> Iterator[tuple[Parcel, Answer]]:
    """Send parcels over one association and yield each outcome as it is known.

    Each object goes as it lies on disk where destination and peer take that transfer syntax, else
    as Explicit or Implicit VR Little Endian. An object that cannot be read stops no other.
    """
    readable, contexts = [], set()
    for parcel in parcels:
        try:
            contexts.add((parcel.sop_class_uid, _syntax_on_disk(parcel)))
        except _Unsendable as error:
            yield parcel, error.answer
        else:
            readable.append(parcel)
    if not readable:
        return
    ae = requesting_ae(destination, calling_ae_title)
    for sop_class_uid, syntax in sorted(contexts):
        if syntax not in _UNCOMPRESSED and destination.transfer_syntax != "explicit-le":
            ae.add_requested_context(sop_class_uid, syntax)
        ae.add_requested_context(sop_class_uid, list(_UNCOMPRESSED))
    try:
        association = associate(ae, destination)
    except NoAssociation as error:
        refused = isinstance(error, NothingAccepted)
        verdict = Verdict.REFUSED if refused else Verdict.REPEAT
        for parcel in readable:
            yield parcel, Answer(verdict, str(error))
        return
    try:
        for parcel in readable:
            answer = _send_one(association, parcel)
            if answer.verdict is Verdict.UNKNOWN:
                # pynetdicom can go on to call an aborted association established, for a while.
                association.abort()
            yield parcel, answer
    finally:
        if association.is_established:
            association.release()


def echo(destination: Destination, calling_ae_title: str) -> Answer:
    """Ask the destination for an answer by C-ECHO (PS3.7 9.1.5)."""
    ae = requesting_ae(destination, calling_ae_title)
    ae.add_requested_context(Verification)
    try:
        association = associate(ae, destination)
    except NoAssociation as error:
        return Answer(Verdict.REPEAT, str(error))
    try:
        status = association.send_c_echo()
    finally:
        association.release()
    if "Status" not in status:
        return Answer(Verdict.UNKNOWN, "no answer to C-ECHO")
    return judge(status.Status, "")


def _syntax_on_disk(parcel: Parcel) -> UID:
    try:
        return read_file_meta_info(parcel.path).TransferSyntaxUID
    except OSError as error:
        raise _unreadable(parcel, error) from None
    except (InvalidDicomError, AttributeError, EOFError, ValueError, struct.error):
        raise _Unsendable(f"not a DICOM file: {parcel.path.name}") from None


def _unreadable(parcel: Parcel, error: OSError) -> _Unsendable:
    if isinstance(error, FileNotFoundError):
        return _Unsendable(f"the file of this result is gone: {parcel.path.name}")
    return _Unsendable(f"{parcel.path.name} cannot be read: {error.strerror}", Verdict.REPEAT)


def _send_one(association: Association, parcel: Parcel) -> Answer:
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
    except _Unsendable as error:
        return error.answer
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
    try:
        dataset = pydicom.dcmread(parcel.path)
        # pydicom reads a file that ends too early as an empty one.
        if dataset.get("SOPInstanceUID") != dataset.file_meta.MediaStorageSOPInstanceUID:
            raise _Unsendable(f"the file of this result is damaged: {parcel.path.name}")
        if dataset.file_meta.TransferSyntaxUID in accepted:
            return dataset
        if accepted.isdisjoint(_UNCOMPRESSED):
            raise _Unsendable(
                f"the peer does not accept SOP class {parcel.sop_class_uid} uncompressed"
            )
        # pynetdicom itself writes explicit as implicit VR, where the peer takes only that.
        return to_explicit_le(dataset)
    except (_Unsendable, MemoryError):
        raise
    except OSError as error:
        raise _unreadable(parcel, error) from None
    except Exception as error:  # decoders and readers of damaged files raise many types
        raise _Unsendable(f"cannot be read: {describe_fault(error)}") from None
