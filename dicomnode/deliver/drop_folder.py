"""Put objects into a folder as files; nothing half written is ever seen under a DICOM name."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from pydicom.dataset import Dataset

from dicomnode.deliver.answer import Answer, Verdict
from dicomnode.deliver.parcel import (
    WITHDRAWN,
    AboutToSend,
    Parcel,
    Unsendable,
    always,
    read_parcel,
    uncompressed,
)
from dicomnode.faults import describe_fault
from dicomnode.marks.attributes import read_uid
from dicomnode.open_sockets import OpenSockets
from dicomnode.settings import FolderDestination
from dicomnode.store.files import StorageError, write_durably

_OWN_PART = re.compile(r"\.[0-9.]+\.dcm\.[0-9a-f]{16}\.part", re.ASCII)


def send(
    parcels: Sequence[Parcel],
    destination: FolderDestination,
    calling_ae_title: str,
    about_to_send: AboutToSend = always,
    sockets: OpenSockets | None = None,
) -> Iterator[tuple[Parcel, Answer]]:
    """Write each object durably under its final name.

    The folder itself must be there: one that is made by itself could lie below a mount point that
    is not mounted.

    Parameters
    ----------
    parcels : sequence of Parcel
    destination : FolderDestination
    calling_ae_title : str
        Not used.
    about_to_send : callable
        Called before an object is written.
    sockets : OpenSockets, optional
        Not used.
    """
    for parcel in parcels:
        yield parcel, _write(parcel, destination, about_to_send)


def _write(parcel: Parcel, destination: FolderDestination, about_to_send: AboutToSend) -> Answer:
    if not destination.path.is_dir():
        return Answer(Verdict.REPEAT, f"{destination.path} is no folder, or is not mounted")
    try:
        dataset = _read(parcel, destination)
        path = file_of(dataset, destination)
    except Unsendable as error:
        return error.answer
    if not about_to_send(parcel):
        return WITHDRAWN
    try:
        # The hidden temporary name lies in the same folder: the rename is the moment it appears.
        write_durably(path, lambda file: dataset.save_as(file, enforce_file_format=True))
    except StorageError as error:
        return Answer(Verdict.REPEAT, error.strerror or "cannot be written")
    except (ValueError, AttributeError) as error:  # it cannot be encoded
        return Answer(Verdict.REFUSED, f"cannot be written: {describe_fault(error)}")
    return Answer(Verdict.ACCEPTED, f"written as {path.relative_to(destination.path)}")


def _read(parcel: Parcel, destination: FolderDestination) -> Dataset:
    if destination.transfer_syntax == "explicit-le":
        return read_parcel(parcel, uncompressed)
    return read_parcel(parcel)


def file_of(dataset: Dataset, destination: FolderDestination) -> Path:
    """Where an object belongs: the same object always under the same name.

    Raises
    ------
    Unsendable
        If a UID is none, and so must not become a path.
    """
    uids = [
        read_uid(dataset, keyword)
        for keyword in ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID")
    ]
    if None in uids:
        raise Unsendable("found no valid study, series and SOP instance UID")
    study, series, instance = uids
    folders = {"none": (), "study": (study,), "series": (study, series)}[destination.subfolders]
    return destination.path.joinpath(*folders, f"{instance}.dcm")


def sweep(destination: FolderDestination) -> int:
    """Remove what a crash of the node left in the folder under temporary names.

    Only names that this module gives are touched: the folder is somebody else's.

    Returns
    -------
    int
        Files removed.
    """
    depth = {"none": "*", "study": "*/*", "series": "*/*/*"}[destination.subfolders]
    removed = 0
    for path in destination.path.glob(depth.removesuffix("*") + ".*.part"):
        if _OWN_PART.fullmatch(path.name) and path.is_file():
            path.unlink(missing_ok=True)
            removed += 1
    return removed
