"""Ask a source by QIDO-RS, and fetch by WADO-RS (PS3.18 10.6 and 10.4)."""

from __future__ import annotations

import contextlib
import struct
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import TracebackType
from typing import Any, Self

import requests
from dicomweb_client.web import DICOMwebClient
from pydicom.dataset import Dataset

from dicomnode.faults import describe_fault
from dicomnode.marks.attributes import read_text, read_uid
from dicomnode.receive.command_sets import OUT_OF_RESOURCES
from dicomnode.receive.encoded import InvalidInstance, meta_values
from dicomnode.receive.intake import Announced, Intake, Refused
from dicomnode.retrieve.budget import Budget
from dicomnode.retrieve.multipart import NotMultipart, boundary_of, only_part
from dicomnode.retrieve.source import Failed, FoundImage, FoundSeries
from dicomnode.settings import DicomWebSource

_CHUNK = 2**18
_MOST_META = 2**16
_MAX_SERIES = 2000
_MAX_REDIRECTS = 3
_PAGE = 1000

_MENDABLE = (404, 408, 409, 425, 429)
"""Client errors that may pass: what is not there yet may come."""

_ANY_SYNTAX = 'multipart/related; type="application/dicom"; transfer-syntax=*'


class DicomWebAsking:
    """HTTP requests to one source, over connections that are kept.

    Parameters
    ----------
    source : DicomWebSource
    ae_title : str
        The node's own, noted in what is stored.
    intake : Intake
    budget : Budget
    """

    takes_whole_series = False

    def __init__(
        self, source: DicomWebSource, ae_title: str, intake: Intake, budget: Budget
    ) -> None:
        self._source = source
        self._ae_title = ae_title
        self._intake = intake
        self._budget = budget
        self._timeout = (source.connect_timeout_s, source.response_timeout_s)
        self._session = requests.Session()
        self._session.max_redirects = _MAX_REDIRECTS
        # The configuration says all: no proxy and no password of whoever started the node.
        self._session.trust_env = False
        self._session.headers.update(source.headers)
        if source.ca_file is not None:
            self._session.verify = str(source.ca_file)
        self._url = str(source.url).rstrip("/")
        self._client = DICOMwebClient(self._url, session=self._session, timeout=self._timeout)
        # What failed is repeated by the retriever, later, and seen in its row.
        self._client.set_http_retry_params(retry=False)

    def __enter__(self) -> Self:
        """Nothing is sent yet."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the connections."""
        self._budget.interrupt = lambda: None
        self._session.close()

    def series(self, study: str) -> Sequence[FoundSeries]:
        """Series of a study."""
        found = []
        for answer in self._search(
            lambda **page: self._client.search_for_series(
                study, fields=["FrameOfReferenceUID"], **page
            ),
            _MAX_SERIES,
        ):
            uid = read_uid(answer, "SeriesInstanceUID")
            if uid is not None:
                modality = read_text(answer, "Modality") or ""
                found.append(FoundSeries(uid, modality, read_uid(answer, "FrameOfReferenceUID")))
        return found

    def images(
        self, study: str, series: str, sop_instance_uid: str | None = None, limit: int | None = None
    ) -> Sequence[FoundImage]:
        """Instances of a series, or one of them."""
        filters = {} if sop_instance_uid is None else {"SOPInstanceUID": sop_instance_uid}
        answers = self._search(
            lambda **page: self._client.search_for_instances(
                study, series, fields=["FrameOfReferenceUID"], search_filters=filters, **page
            ),
            limit,
        )
        return [
            FoundImage(
                uid, read_uid(answer, "SOPClassUID"), read_uid(answer, "FrameOfReferenceUID")
            )
            for answer in answers
            if (uid := read_uid(answer, "SOPInstanceUID")) is not None
        ]

    def fetch(self, study: str, series: str, images: Sequence[str] | None) -> None:
        """Fetch images one by one; each is on disk before the next is asked for.

        Raises
        ------
        Failed
            At the first that cannot be fetched or kept, when the others have been tried.
        """
        if images is None:
            images = [image.sop_instance_uid for image in self.images(study, series)]
        first: Failed | None = None
        for uid in images:
            self._budget.check()
            try:
                with _as_failed():
                    self._fetch(study, series, uid)
            except Failed as error:
                self._budget.check()
                # A server that does not answer is not asked thousands of times.
                if error.status is None and not isinstance(error, _NotKept):
                    raise
                first = first or error
        if first is not None:
            raise first

    def _fetch(self, study: str, series: str, uid: str) -> None:
        url = f"{self._url}/studies/{study}/series/{series}/instances/{uid}"
        # DICOMwebClient would decode the instance and hold it whole: what is stored are its bytes.
        with self._session.get(
            url, headers={"Accept": _ANY_SYNTAX}, stream=True, timeout=self._timeout
        ) as response:
            response.raise_for_status()
            self._budget.interrupt = response.raw.shutdown
            self._budget.check()  # an end that came before there was something to interrupt
            chunks = self._counted(response.iter_content(_CHUNK))
            boundary = boundary_of(response.headers.get("Content-Type", ""))
            pieces = chunks if boundary is None else only_part(chunks, boundary)
            meta, rest = _head(pieces)
            announced = Announced(
                _uid(meta, 0x00020002),
                _uid(meta, 0x00020003),
                _uid(meta, 0x00020010),
                self._source.name,
                self._ae_title,
            )
            if announced.sop_instance_uid != uid:
                raise Failed("the source sent another image than it was asked for")
            try:
                received = self._intake.keep(announced, rest)
            except Refused as refused:
                mendable = refused.status == OUT_OF_RESOURCES
                words = f"an image was not kept: {refused.reason}"
                raise _NotKept(words, final=not mendable) from None
        self._budget.take(received.size)

    def _counted(self, chunks: Iterator[bytes]) -> Iterator[bytes]:
        """Pass on what arrives, while it is within the budget."""
        arrived = 0
        for chunk in chunks:
            arrived += len(chunk)
            self._budget.check(arrived)
            yield chunk

    def _search(
        self, ask: Callable[..., list[dict[str, Any]]], limit: int | None
    ) -> Iterator[Dataset]:
        """All answers to a query, page by page."""
        offset = 0
        known: set[str] = set()
        while True:
            self._budget.check()
            with _as_failed():
                page = ask(limit=_PAGE, offset=offset)
            fresh = 0
            for fields in page:
                answer = _dataset(fields)
                key = read_uid(answer, "SOPInstanceUID") or read_uid(answer, "SeriesInstanceUID")
                # A server that ignores the offset gives the same page for ever.
                if key is not None and key not in known:
                    known.add(key)
                    fresh += 1
                    yield answer
            if limit is not None and len(known) > limit:
                raise Failed(f"more than {limit} answers to a query", final=True)
            # A server may give fewer than it was asked for, and have more.
            if fresh == 0:
                return
            offset += len(page)


class _NotKept(Failed):
    """An image that came and could not be kept."""


def _dataset(fields: object) -> Dataset:
    try:
        return Dataset.from_json(fields)
    except Exception:  # whatever a server sends: an answer that cannot be read is none
        return Dataset()


def _head(pieces: Iterator[bytes]) -> tuple[Mapping[int, bytes], Iterator[bytes]]:
    """Split a Part 10 file (PS3.10 7.1) into its meta information and its data set."""
    held = b""
    end = 144
    for piece in pieces:
        held += piece
        if len(held) >= 144 and end == 144:
            if held[128:140] != b"DICM\x02\x00\x00\x00UL\x04\x00":
                raise Failed("what the source sent is not a DICOM file (PS3.10 7.1)")
            end += struct.unpack("<L", held[140:144])[0]
            if end > _MOST_META:
                raise Failed(f"file meta information of {end} bytes")
        if end > 144 and len(held) >= end:
            break
    else:
        raise Failed("what the source sent ends within its file meta information")
    try:
        meta = meta_values(held[132:end])
    except InvalidInstance as error:
        raise Failed(f"what the source sent cannot be understood: {error.reason}") from None
    rest = held[end:]

    def data_set() -> Iterator[bytes]:
        yield rest
        yield from pieces

    return meta, data_set()


def _uid(meta: Mapping[int, bytes], tag: int) -> str:
    return meta.get(tag, b"").rstrip(b"\0 ").decode("ascii", "replace")


@contextlib.contextmanager
def _as_failed() -> Iterator[None]:
    """Tell what went wrong between the node and the server in the retriever's terms."""
    try:
        yield
    except Failed:
        raise
    except requests.HTTPError as error:
        code = error.response.status_code
        final = 400 <= code < 500 and code not in _MENDABLE
        raise Failed(f"HTTP {code} {error.response.reason}", code, final=final) from None
    except requests.exceptions.SSLError:
        raise Failed("the server's certificate was not accepted, or it speaks no TLS") from None
    except requests.ConnectTimeout:
        raise Failed("the server could not be reached in time") from None
    except requests.Timeout:
        raise Failed("the server did not answer in time") from None
    except (requests.ConnectionError, requests.exceptions.ChunkedEncodingError):
        raise Failed("the server could not be reached, or closed the connection") from None
    except requests.TooManyRedirects:
        raise Failed(f"more than {_MAX_REDIRECTS} redirections", final=True) from None
    except NotMultipart as error:
        raise Failed(f"what the source sent cannot be read: {error}") from None
    except (requests.RequestException, ValueError) as error:
        raise Failed(f"the answer cannot be used: {describe_fault(error)}") from None
