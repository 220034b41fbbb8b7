"""Read objects back from a destination: are they there, and are they what was sent?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pydicom
import requests
from dicomweb_client.web import DICOMwebClient
from pydicom.dataset import Dataset
from pynetdicom.association import Association
from pynetdicom.sop_class import StudyRootQueryRetrieveInformationModelFind as FIND

from dicomnode.association import NoAssociation, NothingAccepted, associate, requesting_ae
from dicomnode.deliver.confirmation import ReadBack, Reading, ToRead
from dicomnode.deliver.content_digest import NothingToCompare, content_digest
from dicomnode.deliver.drop_folder import file_of
from dicomnode.deliver.parcel import Unsendable
from dicomnode.faults import describe_fault
from dicomnode.marks.attributes import read_uid
from dicomnode.settings import (
    Destination,
    DicomDestination,
    DicomWeb,
    FolderDestination,
    StowDestination,
)
from dicomnode.web_client import web_client, words_of

_PENDING = (0xFF00, 0xFF01)
_NEVER = (0x0122, 0x0124, 0x0211, 0xA900)
"""C-FIND statuses that asking again cannot mend (PS3.4 C.4.1.1.4, PS3.7 Annex C)."""
_NOT_OFFERED = (400, 401, 403, 405, 406, 415, 501)
"""HTTP statuses that asking again cannot mend."""


@dataclass(frozen=True)
class _Identity:
    """The UIDs that an object is asked for by, from its own file."""

    study: str
    series: str
    instance: str
    sop_class: str


def read_back(
    wanted: Sequence[ToRead], destination: Destination, calling_ae_title: str
) -> Iterator[tuple[ToRead, ReadBack]]:
    """Read objects back as the destination's ``verify`` says, and yield each outcome.

    Parameters
    ----------
    wanted : sequence of ToRead
    destination : Destination
        Its ``verify`` is "find" or "pixels".
    calling_ae_title : str
        Used by C-FIND unless the destination names another.
    """
    identified = []
    for one in wanted:
        try:
            identified.append((one, _identify(one)))
        except Exception as error:  # the node's own file is gone or damaged
            words = f"the node's own file cannot be read: {describe_fault(error)}"
            yield one, ReadBack(Reading.IMPOSSIBLE, words)
    if not identified:
        return
    match destination:
        case FolderDestination():
            for one, _ in identified:
                yield one, _in_folder(one, destination)
        case DicomDestination(verify="find"):
            yield from _by_c_find(identified, destination, calling_ae_title)
        case DicomDestination():
            yield from _by_web(identified, destination, destination.dicomweb)
        case StowDestination():
            yield from _by_web(identified, destination, destination)


def _identify(one: ToRead) -> _Identity:
    header = pydicom.dcmread(
        one.path, specific_tags=["StudyInstanceUID", "SeriesInstanceUID"], stop_before_pixels=True
    )
    return _Identity(
        str(header.StudyInstanceUID),
        str(header.SeriesInstanceUID),
        one.sop_instance_uid,
        one.sop_class_uid,
    )


# -- C-FIND (PS3.4 C.4.1)


def _by_c_find(
    identified: Sequence[tuple[ToRead, _Identity]],
    destination: DicomDestination,
    calling_ae_title: str,
) -> Iterator[tuple[ToRead, ReadBack]]:
    ae = requesting_ae(destination, calling_ae_title)
    ae.add_requested_context(FIND)
    try:
        association = associate(ae, destination)
    except NoAssociation as error:
        never = isinstance(error, NothingAccepted)
        words = "the peer does not offer C-FIND" if never else str(error)
        reading = Reading.IMPOSSIBLE if never else Reading.UNREACHABLE
        for one, _ in identified:
            yield one, ReadBack(reading, words)
        return
    try:
        for one, identity in identified:
            yield one, _find(association, identity)
    finally:
        if association.is_established:
            association.release()


def _find(association: Association, identity: _Identity) -> ReadBack:
    keys = Dataset()
    keys.QueryRetrieveLevel = "IMAGE"
    keys.StudyInstanceUID = identity.study
    keys.SeriesInstanceUID = identity.series
    keys.SOPInstanceUID = identity.instance
    keys.SOPClassUID = ""
    found: list[Dataset] = []
    ended = ReadBack(Reading.UNREACHABLE, "the association ended before the query was answered")
    if not association.is_established:
        return ended
    try:
        for status, answer in association.send_c_find(keys, FIND):
            if "Status" not in status:
                return ended
            if status.Status in _PENDING:
                if answer is not None:
                    found.append(answer)
            elif status.Status != 0x0000:
                never = status.Status in _NEVER
                words = f"the peer answered C-FIND with 0x{status.Status:04X}"
                return ReadBack(Reading.IMPOSSIBLE if never else Reading.UNREACHABLE, words)
    except (RuntimeError, ValueError):
        return ended
    return _judge_answers(found, identity, "C-FIND")


def _judge_answers(found: Sequence[Dataset], identity: _Identity, how: str) -> ReadBack:
    mine = [a for a in found if read_uid(a, "SOPInstanceUID") == identity.instance]
    if not mine:
        return ReadBack(Reading.ABSENT, f"{how} does not find it")
    sop_class = read_uid(mine[0], "SOPClassUID")
    if sop_class is not None and sop_class != identity.sop_class:
        return ReadBack(Reading.DIFFERENT, f"{how} finds it with SOP class {sop_class}")
    return ReadBack(Reading.SAME, f"{how}, which finds it")


# -- QIDO-RS and WADO-RS (PS3.18 10.6 and 10.4)


def _by_web(
    identified: Sequence[tuple[ToRead, _Identity]],
    destination: DicomDestination | StowDestination,
    server: DicomWeb,
) -> Iterator[tuple[ToRead, ReadBack]]:
    patience = destination.connect_timeout_s, destination.response_timeout_s
    with web_client(server, *patience) as (client, _):
        for one, identity in identified:
            ask = _search if destination.verify == "find" else _fetch
            yield one, _asked(lambda ask=ask, i=identity, o=one: ask(client, i, o))


def _asked(ask) -> ReadBack:
    try:
        return ask()
    except requests.HTTPError as error:
        code = error.response.status_code
        if code in (404, 410):
            return ReadBack(Reading.ABSENT, words_of(error))
        never = code in _NOT_OFFERED
        return ReadBack(Reading.IMPOSSIBLE if never else Reading.UNREACHABLE, words_of(error))
    except requests.RequestException as error:
        return ReadBack(Reading.UNREACHABLE, words_of(error))
    except Exception as error:  # whatever a server sends
        words = f"the answer cannot be used: {describe_fault(error)}"
        return ReadBack(Reading.UNREACHABLE, words)


def _search(client: DICOMwebClient, identity: _Identity, _one: ToRead) -> ReadBack:
    answers = client.search_for_instances(
        identity.study, identity.series, search_filters={"SOPInstanceUID": identity.instance}
    )
    return _judge_answers([Dataset.from_json(a) for a in answers], identity, "QIDO-RS")


def _fetch(client: DICOMwebClient, identity: _Identity, one: ToRead) -> ReadBack:
    fetched = client.retrieve_instance(identity.study, identity.series, identity.instance)
    if read_uid(fetched, "SOPInstanceUID") != identity.instance:
        return ReadBack(Reading.DIFFERENT, "WADO-RS gives another object")
    return _compare(one, fetched, "WADO-RS")


# -- files


def _in_folder(one: ToRead, destination: FolderDestination) -> ReadBack:
    try:
        sent = pydicom.dcmread(one.path, stop_before_pixels=True)
        path = file_of(sent, destination)
        if not path.is_file():
            return ReadBack(Reading.ABSENT, "the file is not in the folder (any more)")
        if destination.verify == "find":
            return ReadBack(Reading.SAME, "the file's name, which is in the folder")
        return _compare(one, pydicom.dcmread(path), "the file")
    except Unsendable as error:
        return ReadBack(Reading.IMPOSSIBLE, error.answer.words)
    except Exception as error:
        return ReadBack(Reading.DIFFERENT, f"the file cannot be read: {describe_fault(error)}")


def _compare(one: ToRead, fetched: Dataset, how: str) -> ReadBack:
    sent = pydicom.dcmread(one.path)
    try:
        what, expected = content_digest(sent)
    except NothingToCompare:
        return ReadBack(Reading.SAME, f"{how}, which gives it; it has nothing to compare")
    try:
        _, found = content_digest(fetched)
    except NothingToCompare:
        return ReadBack(Reading.DIFFERENT, f"{how} gives it without its {what}")
    except Exception as error:  # pixel data that cannot be decoded
        return ReadBack(
            Reading.DIFFERENT, f"{how} gives {what} that cannot be read: {describe_fault(error)}"
        )
    if found != expected:
        return ReadBack(Reading.DIFFERENT, f"{how} gives other {what} than was sent")
    return ReadBack(Reading.SAME, f"{how}, the same {what} (SHA-256 {found[:16]}…)")
