"""One object to send, and how it is read from disk."""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pydicom
from pydicom.dataset import Dataset
from pydicom.errors import InvalidDicomError
from pydicom.filereader import read_file_meta_info
from pydicom.uid import UID

from dicomnode.deliver.answer import Answer, Contact, Verdict
from dicomnode.faults import describe_fault
from dicomnode.results.transcode import to_explicit_le


@dataclass(frozen=True)
class Parcel:
    """One object to send."""

    delivery_id: int
    sop_class_uid: str
    path: Path


AboutToSend = Callable[[Parcel], bool]
"""Called before an object leaves the node; False where it is not to be sent any more."""


def always(_parcel: Parcel) -> bool:
    """Send, whatever it is."""
    return True


WITHDRAWN = Answer(Verdict.REPEAT, "not sent: it was withdrawn", contact=Contact.NONE)
"""Of an object that is not to be sent any more."""


class Unsendable(Exception):
    """The object cannot be sent, to this peer or at all; holds the answer that stands for it."""

    def __init__(self, words: str, verdict: Verdict = Verdict.REFUSED) -> None:
        super().__init__(words)
        self.answer = Answer(verdict, words, contact=Contact.NONE)


def syntax_on_disk(parcel: Parcel) -> UID:
    """Read the transfer syntax of the file.

    Raises
    ------
    Unsendable
    """
    try:
        return read_file_meta_info(parcel.path).TransferSyntaxUID
    except OSError as error:
        raise _unreadable(parcel, error) from None
    except (InvalidDicomError, AttributeError, EOFError, ValueError, struct.error):
        raise Unsendable(f"not a DICOM file: {parcel.path.name}") from None


def read_parcel(parcel: Parcel, adapt: Callable[[Dataset], Dataset] = lambda d: d) -> Dataset:
    """Read the object.

    Parameters
    ----------
    parcel : Parcel
    adapt : callable
        Given the object, gives it as it is to be sent; what it raises counts as unreadable.

    Raises
    ------
    Unsendable
    """
    try:
        dataset = pydicom.dcmread(parcel.path)
        # pydicom reads a file that ends too early as an empty one.
        if dataset.get("SOPInstanceUID") != dataset.file_meta.MediaStorageSOPInstanceUID:
            raise Unsendable(f"the file of this result is damaged: {parcel.path.name}")
        return adapt(dataset)
    except (Unsendable, MemoryError):
        raise
    except OSError as error:
        raise _unreadable(parcel, error) from None
    except Exception as error:  # decoders and readers of damaged files raise many types
        raise Unsendable(f"cannot be read: {describe_fault(error)}") from None


def uncompressed(dataset: Dataset) -> Dataset:
    """Give the object in Explicit VR Little Endian where its pixel data is compressed."""
    return to_explicit_le(dataset) if dataset.file_meta.TransferSyntaxUID.is_compressed else dataset


def _unreadable(parcel: Parcel, error: OSError) -> Unsendable:
    if isinstance(error, FileNotFoundError):
        return Unsendable(f"the file of this result is gone: {parcel.path.name}")
    return Unsendable(f"{parcel.path.name} cannot be read: {error.strerror}", Verdict.REPEAT)
