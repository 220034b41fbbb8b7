"""The one way in: what arrives is validated, made durable and indexed, and only then counts."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Protocol

from dicomnode.faults import describe_fault
from dicomnode.receive.command_sets import OUT_OF_RESOURCES, SOP_CLASS_NOT_SUPPORTED
from dicomnode.receive.encoded import DOES_NOT_MATCH_SOP_CLASS, FileBytes, InvalidInstance
from dicomnode.receive.header import read_data_set
from dicomnode.receive.part10 import file_head
from dicomnode.receive.pressure import Pressure
from dicomnode.receive.refused import Refused
from dicomnode.receive.sop_classes import STORAGE_CLASSES
from dicomnode.store.files import FileStore, StorageError
from dicomnode.store.part_file import PartFile
from dicomnode.store.received import ReceivedInstance
from dicomnode.store.uid import is_valid_uid

logger = logging.getLogger(__name__)


class Index(Protocol):
    """What must know an instance before its sender is told of success."""

    def add(self, received: ReceivedInstance) -> None:
        """Record the instance durably, or raise. A repeat of the same instance is no error."""


@dataclass(frozen=True)
class Announced:
    """What is said of a data set before it is read.

    Attributes
    ----------
    sop_class_uid, sop_instance_uid : str
        By the command set, or the file meta information.
    transfer_syntax_uid : str
    calling_ae, called_ae : str
        Who brought it, and to whom.
    priority : str
        Of the C-STORE; empty where there was none.
    study_instance_uid : str, optional
        Where only instances of one study are brought.
    """

    sop_class_uid: str
    sop_instance_uid: str
    transfer_syntax_uid: str
    calling_ae: str
    called_ae: str
    priority: str = ""
    study_instance_uid: str | None = None


def begin_file(
    store: FileStore, announced: Announced, pressure: Pressure | None = None
) -> PartFile:
    """Open a file for the data set that follows.

    Parameters
    ----------
    store : FileStore
    announced : Announced
    pressure : Pressure, optional
        Says whether there is room for it.

    Raises
    ------
    Refused
        It is none that the node keeps, or cannot be written.
    """
    if announced.sop_class_uid not in STORAGE_CLASSES:
        raise Refused(SOP_CLASS_NOT_SUPPORTED, "the SOP class is not one that the node stores")
    if not is_valid_uid(announced.sop_instance_uid):
        raise Refused(DOES_NOT_MATCH_SOP_CLASS, "Affected SOP Instance UID is not a UID")
    if pressure is not None:
        pressure.check(announced.sop_class_uid)
    try:
        return store.begin(
            file_head(
                announced.sop_class_uid,
                announced.sop_instance_uid,
                announced.transfer_syntax_uid,
                announced.calling_ae,
                announced.called_ae,
            )
        )
    except StorageError as error:
        raise out_of_resources(error) from error


def keep_file(part: PartFile, announced: Announced, index: Index) -> ReceivedInstance:
    """Validate what was written, make it durable and index it.

    Raises
    ------
    Refused
        It is invalid, or cannot be kept. The caller discards the file.
    """
    try:
        header = read_data_set(
            FileBytes(part.fileno(), part.data_offset, part.size),
            announced.transfer_syntax_uid,
            sop_class_uid=announced.sop_class_uid,
            sop_instance_uid=announced.sop_instance_uid,
        )
    except InvalidInstance as error:
        raise Refused(error.status, error.reason) from error
    except OSError as error:
        raise out_of_resources(error) from error
    if announced.study_instance_uid not in (None, header.study_instance_uid):
        raise Refused(DOES_NOT_MATCH_SOP_CLASS, "Study Instance UID differs from the announced one")
    try:
        stored = part.keep(
            header.study_instance_uid, header.series_instance_uid, header.sop_instance_uid
        )
    except StorageError as error:
        raise out_of_resources(error) from error
    received = ReceivedInstance(
        stored.path,
        stored.size,
        header,
        announced.calling_ae,
        announced.called_ae,
        announced.priority,
        stored.written,
    )
    try:
        # Also for what is held already: who sends a mark again wants it looked at again.
        index.add(received)
    except Exception as error:
        # The file stays: it is whole, and a repeat or the next start finds and indexes it.
        logger.error("index.failed sop=%s %s", header.sop_instance_uid, describe_fault(error))
        raise Refused(OUT_OF_RESOURCES, "the index does not take the instance") from error
    if not os.path.exists(stored.path):
        # Its study was being deleted, perhaps by another process: the file that was here already
        # went meanwhile, or this one, which has the name of one that was to go.
        raise Refused(OUT_OF_RESOURCES, "its study was being deleted")
    logger.info(
        "instance.%s sop=%s bytes=%d",
        "stored" if stored.written else "repeated",
        header.sop_instance_uid,
        stored.size,
    )
    return received


def out_of_resources(error: OSError) -> Refused:
    """Refuse what the file system does not take; it may be sent again."""
    logger.error("storage.failed %s", error)
    return Refused(OUT_OF_RESOURCES, error.strerror or "cannot write")


class Intake:
    """Keeps instances that the node fetched, as it keeps those that it was sent.

    Parameters
    ----------
    store : FileStore
    index : Index
    on_stored : callable
        Called with each instance that was kept; must be quick.
    pressure : Pressure, optional
        Says whether there is room for what is fetched.
    """

    def __init__(
        self,
        store: FileStore,
        index: Index,
        on_stored: Callable[[ReceivedInstance], object],
        pressure: Pressure | None = None,
    ) -> None:
        self._pressure = pressure
        self._store = store
        self._index = index
        self._on_stored = on_stored

    def keep(self, announced: Announced, data_set: Iterable[bytes]) -> ReceivedInstance:
        """Keep one instance.

        Parameters
        ----------
        announced : Announced
        data_set : iterable of bytes
            The encoded data set in pieces. What it raises passes through; nothing is left then.

        Raises
        ------
        Refused
        """
        with begin_file(self._store, announced, self._pressure) as part:
            for piece in data_set:
                try:
                    part.write(piece)
                except StorageError as error:
                    raise out_of_resources(error) from error
            received = keep_file(part, announced, self._index)
        self._on_stored(received)
        return received
