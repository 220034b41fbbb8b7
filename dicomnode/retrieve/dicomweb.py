"""Ask a source by QIDO-RS, and fetch by WADO-RS (PS3.18 10.6 and 10.4)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from types import TracebackType
from typing import Any, Self

from pydicom.dataset import Dataset

from dicomnode.marks.attributes import read_uid
from dicomnode.open_sockets import OpenSockets
from dicomnode.receive.command_sets import OUT_OF_RESOURCES
from dicomnode.receive.encoded import InvalidInstance
from dicomnode.receive.intake import Announced, Intake, Refused
from dicomnode.receive.part10_stream import split_head, uid_in
from dicomnode.retrieve.budget import Budget
from dicomnode.retrieve.multipart import boundary_of, only_part
from dicomnode.retrieve.source import Failed, FoundImage, FoundSeries, found_images, found_series
from dicomnode.retrieve.web_faults import as_failed
from dicomnode.settings import DicomWebSource
from dicomnode.web_client import web_client

_CHUNK = 2**18
_MAX_SERIES = 2000
_MAX_IMAGES = 200_000
_FIELDS = ["FrameOfReferenceUID"]
_PAGE = 1000

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
        self._open = ExitStack()

    def __enter__(self) -> Self:
        """Nothing is sent yet.

        Raises
        ------
        Failed
        """
        sockets = OpenSockets()
        self._budget.interrupt = sockets.cut
        self._budget.check()  # an end that came before there was something to interrupt
        patience = self._source.connect_timeout_s, self._source.response_timeout_s
        client = web_client(self._source, *patience, sockets)
        self._client, self._session = self._open.enter_context(client)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the connections."""
        self._budget.interrupt = lambda: None
        self._open.close()

    def series(self, study: str) -> Sequence[FoundSeries]:
        """Series of a study."""
        answers = self._search(
            lambda **page: self._client.search_for_series(study, fields=_FIELDS, **page),
            _MAX_SERIES,
        )
        return found_series(answers)

    def series_of_image(self, study: str, sop_instance_uid: str) -> str | None:
        """Series of the study that holds an image (QIDO-RS, instances of a study)."""
        wanted = {"SOPInstanceUID": sop_instance_uid}
        answers = self._search(
            lambda **page: self._client.search_for_instances(study, search_filters=wanted, **page),
            _MAX_IMAGES,
        )
        # A server may not heed the filter.
        held = (a for a in answers if read_uid(a, "SOPInstanceUID") == sop_instance_uid)
        return next(filter(None, (read_uid(a, "SeriesInstanceUID") for a in held)), None)

    def images(self, study: str, series: str, limit: int | None = None) -> Sequence[FoundImage]:
        """Instances of a series."""
        answers = self._search(
            lambda **page: self._client.search_for_instances(study, series, fields=_FIELDS, **page),
            limit,
        )
        return found_images(answers)

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
                with as_failed():
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
        url = f"{self._client.base_url}/studies/{study}/series/{series}/instances/{uid}"
        # DICOMwebClient would decode the instance and hold it whole: what is stored are its bytes.
        patience = self._source.connect_timeout_s, self._source.response_timeout_s
        with self._session.get(
            url, headers={"Accept": _ANY_SYNTAX}, stream=True, timeout=patience
        ) as response:
            response.raise_for_status()
            chunks = self._counted(response.iter_content(_CHUNK))
            boundary = boundary_of(response.headers.get("Content-Type", ""))
            pieces = chunks if boundary is None else only_part(chunks, boundary)
            try:
                meta, rest = split_head(pieces)
            except InvalidInstance as error:
                words = f"what the source sent cannot be understood: {error.reason}"
                raise Failed(words) from None
            announced = Announced(
                uid_in(meta, 0x00020002),
                uid_in(meta, 0x00020003),
                uid_in(meta, 0x00020010),
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
            try:
                with as_failed():
                    page = ask(limit=_PAGE, offset=offset)
            except Failed:
                self._budget.check()  # where the end of its time is what went wrong
                raise
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
