"""Read objects back by C-FIND and by C-GET (PS3.4 C.4.1 and C.4.3, Study Root)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import pydicom
from pydicom.dataset import Dataset
from pynetdicom import AE, evt
from pynetdicom.association import Association
from pynetdicom.sop_class import StudyRootQueryRetrieveInformationModelFind as FIND
from pynetdicom.sop_class import StudyRootQueryRetrieveInformationModelGet as GET

from dicomnode.association import NoAssociation, NothingAccepted, associate, requesting_ae
from dicomnode.deliver.confirmation import ReadBack, Reading, ToRead
from dicomnode.deliver.likeness import Sent, judge_answers, judge_content
from dicomnode.deliver.result_classes import RESULT_CLASSES, class_name
from dicomnode.open_sockets import OpenSockets
from dicomnode.proposed_contexts import Proposal, fetching, query
from dicomnode.settings import DicomDestination

_PENDING = (0xFF00, 0xFF01)
FINAL_STATUSES = (0x0122, 0x0124, 0x0211, 0xA900)
"""Statuses that asking again cannot mend (PS3.4 C.4.1.1.4 and C.4.3.1.4, PS3.7 Annex C)."""
_UNCOMPRESSED = ("1.2.840.10008.1.2.1", "1.2.840.10008.1.2")
_CANNOT_UNDERSTAND = 0xC000

Objects = Sequence[tuple[ToRead, Sent]]
_Asking = Callable[[Association, Sent], ReadBack]


def by_c_find(
    objects: Objects,
    destination: DicomDestination,
    calling_ae_title: str,
    sockets: OpenSockets | None = None,
) -> Iterator[tuple[ToRead, ReadBack]]:
    """Look for objects by a query; what was sent of them is not compared.

    Parameters
    ----------
    objects : sequence of (ToRead, Sent)
    destination : DicomDestination
    calling_ae_title : str
        Used unless the destination names another.
    sockets : OpenSockets, optional
        Told of the connection.
    """
    ae = requesting_ae(destination, calling_ae_title)
    proposal = query()
    yield from _on_one_association(
        objects, destination, ae, proposal, "C-FIND", _find, sockets=sockets
    )


def by_c_get(
    objects: Objects,
    destination: DicomDestination,
    calling_ae_title: str,
    sockets: OpenSockets | None = None,
) -> Iterator[tuple[ToRead, ReadBack]]:
    """Fetch objects, one a request, and compare what they show with what was sent.

    An object is held in memory while it is compared. One that grows beyond what the sent one can be
    without compression ends the association.

    Parameters
    ----------
    objects : sequence of (ToRead, Sent)
    destination : DicomDestination
    calling_ae_title : str
        Used unless the destination names another.
    sockets : OpenSockets, optional
        Told of the connection.
    """
    ae = requesting_ae(destination, calling_ae_title)
    classes = {known.sop_class for _, known in objects}
    proposal = fetching({uid: RESULT_CLASSES.get(uid, ()) for uid in classes})
    arrival = _Arrival()
    handlers = [(evt.EVT_C_STORE, arrival.take), (evt.EVT_DATA_RECV, arrival.count)]
    yield from _on_one_association(
        objects, destination, ae, proposal, "C-GET", arrival.get, handlers, sockets
    )


def _on_one_association(
    objects: Objects,
    destination: DicomDestination,
    ae: AE,
    proposal: Proposal,
    service: str,
    ask: _Asking,
    handlers: Sequence[tuple[evt.EventType, Callable[..., object]]] = (),
    sockets: OpenSockets | None = None,
) -> Iterator[tuple[ToRead, ReadBack]]:
    try:
        association = associate(ae, destination, proposal, handlers, sockets)
    except NoAssociation as error:
        never = isinstance(error, NothingAccepted)
        words = f"the peer does not offer {service}" if never else str(error)
        reading = Reading.IMPOSSIBLE if never else Reading.UNREACHABLE
        for one, _ in objects:
            yield one, ReadBack(reading, words)
        return
    try:
        for one, known in objects:
            try:
                yield one, ask(association, known)
            except (RuntimeError, ValueError):  # it ended between the look and the call
                yield one, _ended(service)
    finally:
        if association.is_established:
            association.release()


def _ended(service: str) -> ReadBack:
    return ReadBack(Reading.UNREACHABLE, f"the association ended before {service} was answered")


def _answered(service: str, status: int) -> ReadBack:
    reading = Reading.IMPOSSIBLE if status in FINAL_STATUSES else Reading.UNREACHABLE
    return ReadBack(reading, f"the peer answered {service} with 0x{status:04X}")


def _keys(known: Sent) -> Dataset:
    keys = Dataset()
    keys.QueryRetrieveLevel = "IMAGE"
    keys.StudyInstanceUID = known.study
    keys.SeriesInstanceUID = known.series
    keys.SOPInstanceUID = known.instance
    return keys


def _find(association: Association, known: Sent) -> ReadBack:
    if not association.is_established:
        return _ended("C-FIND")
    keys = _keys(known)
    keys.SOPClassUID = ""
    found: list[Dataset] = []
    for status, answer in association.send_c_find(keys, FIND):
        if "Status" not in status:
            return _ended("C-FIND")
        if status.Status in _PENDING:
            if answer is not None:
                found.append(answer)
        elif status.Status != 0x0000:
            return _answered("C-FIND", status.Status)
    return judge_answers(found, known, "C-FIND")


class _Arrival:
    """What comes back by the sub-operations of one C-GET after the other.

    They run on the thread that waits for its responses.
    """

    def __init__(self) -> None:
        self._awaited = ""
        self._most = 0
        self._size = 0
        self._came: Dataset | None = None
        self._words = ""

    def get(self, association: Association, known: Sent) -> ReadBack:
        """Fetch one object and compare it."""
        if not association.is_established:
            return _ended("C-GET")
        accepted = {c.abstract_syntax for c in association.accepted_contexts}
        if GET not in accepted:
            return ReadBack(Reading.IMPOSSIBLE, "the peer does not offer C-GET")
        given = {c.abstract_syntax for c in association.accepted_contexts if c.as_scp}
        if known.sop_class not in given:
            words = f"the peer does not give {class_name(known.sop_class)} by C-GET"
            return ReadBack(Reading.IMPOSSIBLE, words)
        self._awaited, self._came, self._words, self._size = known.instance, None, "", 0
        self._most = _most_bytes(known)
        status = self._final_status(association, known)
        came, self._came = self._came, None
        if came is not None:
            return judge_content(came, known, "C-GET")
        if self._words:
            return ReadBack(Reading.DIFFERENT, self._words)
        if status is None:
            return _ended("C-GET")
        if status == 0x0000:
            return ReadBack(Reading.ABSENT, "C-GET does not give it")
        if FIND in accepted:  # some answer with a failure where they do not have it
            looked = _find(association, known)
            if looked.reading is Reading.ABSENT:
                return looked
        return _answered("C-GET", status)

    def _final_status(self, association: Association, known: Sent) -> int | None:
        for status, _ in association.send_c_get(_keys(known), GET):
            if "Status" not in status:
                return None
            if status.Status not in _PENDING:
                return int(status.Status)
        return None

    def take(self, event: evt.Event) -> int:
        """Take what comes; it is compared, not stored."""
        self._size = 0
        # What was too long may be complete all the same: the end of it had arrived already.
        if self._words or str(event.request.AffectedSOPInstanceUID) != self._awaited:
            return _CANNOT_UNDERSTAND
        try:
            came = event.dataset
            came.file_meta = event.file_meta
        except Exception:  # whatever a decoder raises on bytes from the network
            self._words = "C-GET gives what cannot be read"
            return _CANNOT_UNDERSTAND
        self._came = came
        return 0x0000

    def count(self, event: evt.Event) -> None:
        """End what grows beyond the object that was sent: pynetdicom would hold all of it."""
        self._size += len(event.data)
        if self._most and self._size > self._most:
            self._words = f"C-GET gives more than {self._most} bytes: another object"
            OpenSockets.end(event.assoc.dul.socket.socket)


def _most_bytes(known: Sent) -> int:
    """Bytes that an object may have in any transfer syntax, with what a PACS may add to it."""
    tags = ["Rows", "Columns", "NumberOfFrames", "SamplesPerPixel", "BitsAllocated"]
    header = pydicom.dcmread(known.path, specific_tags=tags, stop_before_pixels=True)
    pixels = int(header.get("NumberOfFrames") or 1)
    for keyword in ("Rows", "Columns", "SamplesPerPixel", "BitsAllocated"):
        pixels *= int(header.get(keyword) or 0)
    return (pixels // 8 + known.path.stat().st_size) * 5 // 4 + 2**20
