"""Read objects back from a destination: are they there, and are they what was sent?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pydicom
import requests
from dicomweb_client.web import DICOMwebClient
from pydicom.dataset import Dataset

from dicomnode.deliver.confirmation import ReadBack, Reading, ToRead
from dicomnode.deliver.drop_folder import file_of
from dicomnode.deliver.likeness import Sent, judge_answers, judge_content, sent
from dicomnode.deliver.parcel import Unsendable
from dicomnode.deliver.read_by_dimse import by_c_find, by_c_get
from dicomnode.faults import describe_fault
from dicomnode.marks.attributes import read_uid
from dicomnode.open_sockets import OpenSockets
from dicomnode.settings import (
    Destination,
    DicomDestination,
    DicomWeb,
    FolderDestination,
    StowDestination,
)
from dicomnode.web_client import web_client, words_of

ABSENT_HTTP_STATUSES = (404, 410)
FINAL_HTTP_STATUSES = (400, 401, 403, 405, 406, 415, 501)
"""HTTP statuses that asking again cannot mend."""


def read_back(
    wanted: Sequence[ToRead],
    destination: Destination,
    calling_ae_title: str,
    sockets: OpenSockets | None = None,
) -> Iterator[tuple[ToRead, ReadBack]]:
    """Read objects back as the destination's ``verify`` says, and yield each outcome.

    Parameters
    ----------
    wanted : sequence of ToRead
    destination : Destination
        Its ``verify`` is "find" or "pixels".
    calling_ae_title : str
        Used by C-FIND and C-GET unless the destination names another.
    sockets : OpenSockets, optional
        Told of each connection.
    """
    objects = []
    for one in wanted:
        try:
            objects.append((one, sent(one)))
        except Exception as error:  # the node's own file is gone or damaged
            words = f"the node's own file cannot be read: {describe_fault(error)}"
            yield one, ReadBack(Reading.IMPOSSIBLE, words)
    if not objects:
        return
    match destination:
        case FolderDestination():
            for one, known in objects:
                yield one, _in_folder(known, destination)
        case DicomDestination(verify="find"):
            yield from by_c_find(objects, destination, calling_ae_title, sockets)
        case DicomDestination(dicomweb=None):
            yield from by_c_get(objects, destination, calling_ae_title, sockets)
        case DicomDestination():
            yield from _by_web(objects, destination, destination.dicomweb, sockets)
        case StowDestination():
            yield from _by_web(objects, destination, destination, sockets)


# -- QIDO-RS and WADO-RS (PS3.18 10.6 and 10.4)


def _by_web(
    objects: Sequence[tuple[ToRead, Sent]],
    destination: DicomDestination | StowDestination,
    server: DicomWeb,
    sockets: OpenSockets | None,
) -> Iterator[tuple[ToRead, ReadBack]]:
    patience = destination.connect_timeout_s, destination.response_timeout_s
    with web_client(server, *patience, sockets) as (client, _):
        ask = _search if destination.verify == "find" else _fetch
        for one, known in objects:
            yield one, _asked(lambda known=known: ask(client, known))


def _asked(ask) -> ReadBack:
    try:
        return ask()
    except requests.HTTPError as error:
        code = error.response.status_code
        if code in ABSENT_HTTP_STATUSES:
            return ReadBack(Reading.ABSENT, words_of(error))
        never = code in FINAL_HTTP_STATUSES
        return ReadBack(Reading.IMPOSSIBLE if never else Reading.UNREACHABLE, words_of(error))
    except requests.RequestException as error:
        return ReadBack(Reading.UNREACHABLE, words_of(error))
    except Exception as error:  # whatever a server sends
        words = f"the answer cannot be used: {describe_fault(error)}"
        return ReadBack(Reading.UNREACHABLE, words)


def _search(client: DICOMwebClient, known: Sent) -> ReadBack:
    answers = client.search_for_instances(
        known.study, known.series, search_filters={"SOPInstanceUID": known.instance}
    )
    return judge_answers([Dataset.from_json(a) for a in answers], known, "QIDO-RS")


def _fetch(client: DICOMwebClient, known: Sent) -> ReadBack:
    fetched = client.retrieve_instance(known.study, known.series, known.instance)
    if read_uid(fetched, "SOPInstanceUID") != known.instance:
        return ReadBack(Reading.DIFFERENT, "WADO-RS gives another object")
    return judge_content(fetched, known, "WADO-RS")


# -- files


def _in_folder(known: Sent, destination: FolderDestination) -> ReadBack:
    try:
        path = file_of(pydicom.dcmread(known.path, stop_before_pixels=True), destination)
        if not path.is_file():
            return ReadBack(Reading.ABSENT, "the file is not in the folder (any more)")
        if destination.verify == "find":
            return ReadBack(Reading.SAME, "the file's name, which is in the folder")
        return judge_content(pydicom.dcmread(path), known, "the file")
    except Unsendable as error:
        return ReadBack(Reading.IMPOSSIBLE, error.answer.words)
    except Exception as error:
        return ReadBack(Reading.DIFFERENT, f"the file cannot be read: {describe_fault(error)}")
