"""Send objects to one destination by STOW-RS (PS3.18 10.5)."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

import requests
from dicomweb_client.web import DICOMwebClient
from pydicom.dataset import Dataset

from dicomnode.deliver.answer import Answer, Contact, Verdict, judge
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
from dicomnode.settings import StowDestination
from dicomnode.web_client import web_client, words_of

_MOST_BYTES = 32 * 2**20
_MOST_INSTANCES = 50
"""Of one request, which is built in memory; one object may be larger."""

MAY_PASS = (408, 409, 425, 429)
"""Client errors that a repeat may mend; 409 (none was stored) without a word on an instance."""

_SYNTAX_NOT_SUPPORTED = 0xC122
"""PS3.18 Table 10.5.3-2 by way of Table I.2-2: referenced transfer syntax not supported."""

_UNSUPPORTED_MEDIA_TYPE = 415


@dataclass(frozen=True)
class _Reply:
    """What a server said to one request.

    Attributes
    ----------
    status : int or None
        HTTP; None where none came.
    words : str
    answers : mapping
        Of the instances that it spoke of, by SOP Instance UID.
    unknown : bool
        Whether the request may have arrived although no answer came.
    """

    status: int | None
    words: str
    answers: Mapping[str, Answer]
    unknown: bool = False

    def answer(self, sop_instance_uid: str) -> Answer:
        """Judge what became of one instance of the request."""
        if sop_instance_uid in self.answers:
            return self.answers[sop_instance_uid]
        if self.status is None:
            verdict = Verdict.UNKNOWN if self.unknown else Verdict.REPEAT
            return Answer(verdict, self.words)
        verdict = judge_http(self.status)
        if verdict is Verdict.UNKNOWN:
            words = f"{self.words}, without a word on this instance"
            return Answer(Verdict.UNKNOWN, words, self.status)
        return Answer(verdict, self.words, self.status)


def judge_http(status: int) -> Verdict:
    """What the status of a request means for an instance that the answer does not name."""
    if status == 200:  # PS3.18 Table 10.5.3-1: all were stored
        return Verdict.ACCEPTED
    if 200 <= status < 300:
        return Verdict.UNKNOWN
    final = 400 <= status < 500 and status not in MAY_PASS
    return Verdict.REFUSED if final else Verdict.REPEAT


def send(
    parcels: Sequence[Parcel],
    destination: StowDestination,
    calling_ae_title: str,
    about_to_send: AboutToSend = always,
    sockets: OpenSockets | None = None,
) -> Iterator[tuple[Parcel, Answer]]:
    """Send parcels, several a request, and yield each outcome as it is known.

    Each object goes as it lies on disk unless the destination takes only uncompressed ones; what
    the server refuses for its transfer syntax goes once more as Explicit VR Little Endian.

    Parameters
    ----------
    parcels : sequence of Parcel
    destination : StowDestination
    calling_ae_title : str
        Not used: HTTP knows no AE titles.
    about_to_send : callable
        Called before an object leaves.
    sockets : OpenSockets, optional
        Told of each connection.
    """
    patience = destination.connect_timeout_s, destination.response_timeout_s
    with web_client(destination, *patience, sockets) as (client, session):
        session.headers["Accept"] = "application/dicom+json"
        batch: list[tuple[Parcel, Dataset]] = []
        size = 0
        for parcel in parcels:
            try:
                dataset = _read(parcel, destination)
                length = parcel.path.stat().st_size
            except Unsendable as error:
                yield parcel, error.answer
                continue
            except OSError:
                words = f"{parcel.path.name} cannot be read"
                yield parcel, Answer(Verdict.REPEAT, words, contact=Contact.NONE)
                continue
            if batch and (size + length > _MOST_BYTES or len(batch) == _MOST_INSTANCES):
                yield from _send_batch(client, session, batch, about_to_send)
                batch, size = [], 0
            batch.append((parcel, dataset))
            size += length
        if batch:
            yield from _send_batch(client, session, batch, about_to_send)


def _read(parcel: Parcel, destination: StowDestination) -> Dataset:
    if destination.transfer_syntax == "explicit-le":
        return read_parcel(parcel, uncompressed)
    return read_parcel(parcel)


def _send_batch(
    client: DICOMwebClient,
    session: requests.Session,
    batch: Sequence[tuple[Parcel, Dataset]],
    about_to_send: AboutToSend,
) -> Iterator[tuple[Parcel, Answer]]:
    going = []
    for parcel, dataset in batch:
        if about_to_send(parcel):
            going.append((parcel, dataset))
        else:
            yield parcel, WITHDRAWN
    if not going:
        return
    reply = _post(client, session, [dataset for _, dataset in going])
    again = []
    for parcel, dataset in going:
        answer = reply.answer(str(dataset.SOPInstanceUID))
        refused = answer.status in (_SYNTAX_NOT_SUPPORTED, _UNSUPPORTED_MEDIA_TYPE)
        if refused and dataset.file_meta.TransferSyntaxUID.is_compressed:
            again.append(parcel)
        else:
            yield parcel, answer
    for parcel in again:
        try:
            dataset = read_parcel(parcel, uncompressed)
        except Unsendable as error:
            yield parcel, error.answer
        else:
            reply = _post(client, session, [dataset])
            yield parcel, reply.answer(str(dataset.SOPInstanceUID))


def _post(client: DICOMwebClient, session: requests.Session, datasets: Sequence[Dataset]) -> _Reply:
    seen: list[requests.Response] = []
    # The client gives no status of a success, and no content of a failure.
    session.hooks["response"] = [lambda response, **_: seen.append(response)]
    parsed = Dataset()
    try:
        parsed = client.store_instances(datasets)
    except requests.ConnectTimeout as error:
        return _Reply(None, words_of(error), {})
    except requests.RequestException as error:
        if not seen:
            # The connection may have ended after the server had everything.
            return _Reply(None, words_of(error), {}, unknown=not _never_connected(error))
    except Exception as error:  # the answer, or an object, is not what the client expects
        if not seen:
            return _Reply(None, f"cannot be sent: {describe_fault(error)}", {})
    last = seen[-1]
    if last.request.method != "POST":
        # Many redirections make a GET of a POST, and its success says nothing of what was sent.
        return _Reply(None, f"the server redirects to {_origin(last.url)}", {})
    said = parsed if len(parsed) else _parsed(last)
    return _Reply(last.status_code, f"HTTP {last.status_code} {last.reason}", _answers(said))


def _origin(url: str) -> str:
    """An address without its query, which could hold a secret."""
    return urlsplit(url)._replace(query="", fragment="").geturl()


def _never_connected(error: requests.RequestException) -> bool:
    return "NewConnectionError" in repr(error) or isinstance(error, requests.exceptions.SSLError)


def _parsed(response: requests.Response) -> Dataset:
    try:
        content = json.loads(response.content)
        return Dataset.from_json(content[0] if isinstance(content, list) else content)
    except Exception:  # whatever a server sends: an answer that cannot be read is none
        return Dataset()


def _answers(said: Dataset) -> dict[str, Answer]:
    """Read the Store Instances Response Module (PS3.18 I)."""
    answers = {}
    for item in _items(said, "ReferencedSOPSequence"):
        uid = read_uid(item, "ReferencedSOPInstanceUID")
        warning = _number(item, "WarningReason")
        if uid is not None:
            # A warning that PS3.18 does not know is none the less that of a stored instance.
            known = warning is not None and 0xB000 <= warning <= 0xBFFF
            answers[uid] = judge(warning, "") if known else judge(0x0000, "")
    for item in _items(said, "FailedSOPSequence"):
        uid = read_uid(item, "ReferencedSOPInstanceUID")
        reason = _number(item, "FailureReason")
        if uid is not None:
            answers[uid] = judge(0x0110 if reason is None or reason == 0 else reason, "")
    return answers


def _items(dataset: Dataset, keyword: str) -> Sequence[Dataset]:
    try:
        value = dataset.get(keyword) or []
        return [item for item in value if isinstance(item, Dataset)]
    except Exception:
        return []


def _number(item: Dataset, keyword: str) -> int | None:
    try:
        return int(item.get(keyword))
    except Exception:
        return None
