"""Sources that tests run: one by DIMSE, one by DICOMweb, each well-behaved unless it is told."""

from __future__ import annotations

import http.server
import io
import json
import re
import ssl
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Self

from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian
from pynetdicom import AE, evt
from pynetdicom.sop_class import (
    CTImageStorage,
    EnhancedCTImageStorage,
    SegmentationStorage,
    StudyRootQueryRetrieveInformationModelFind,
    StudyRootQueryRetrieveInformationModelGet,
    StudyRootQueryRetrieveInformationModelMove,
    Verification,
)

_KEYS = ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID")
_RETURNED = ("Modality", "FrameOfReferenceUID", "SOPClassUID")


class DicomSourceStandIn:
    """A Query/Retrieve SCP over `images`.

    Attributes
    ----------
    silent : threading.Event
        Set: no query is answered until `close`.
    move_to : tuple of (host, port), or None
        Where C-MOVE sends; None: it knows no destination.
    tls : ssl.SSLContext, optional
        What it speaks TLS with.
    asked : list of str
        Levels of the retrieve requests that came.
    """

    AE_TITLE = "SOURCE"

    def __init__(
        self, images: Sequence[Dataset], find: bool = True, verification: bool = False
    ) -> None:
        self.images = list(images)
        self.silent = threading.Event()
        self.move_to: tuple[str, int] | None = None
        self.tls: ssl.SSLContext | None = None
        self.asked: list[str] = []
        self._closing = threading.Event()
        self._ae = AE(ae_title=self.AE_TITLE)
        if verification:
            self._ae.add_supported_context(Verification)
        if find:
            self._ae.add_supported_context(StudyRootQueryRetrieveInformationModelFind)
        self._ae.add_supported_context(StudyRootQueryRetrieveInformationModelGet)
        self._ae.add_supported_context(StudyRootQueryRetrieveInformationModelMove)
        syntaxes = [ExplicitVRLittleEndian, ImplicitVRLittleEndian]
        for kind in (CTImageStorage, EnhancedCTImageStorage, SegmentationStorage):
            self._ae.add_supported_context(kind, syntaxes, scu_role=True, scp_role=True)
            self._ae.add_requested_context(kind, syntaxes)

    def __enter__(self) -> Self:
        handlers = [
            (evt.EVT_C_FIND, self._find),
            (evt.EVT_C_GET, self._get),
            (evt.EVT_C_MOVE, self._move),
        ]
        self._server = self._ae.start_server(
            ("127.0.0.1", 0), block=False, evt_handlers=handlers, ssl_context=self.tls
        )
        return self

    def __exit__(self, *exception: object) -> None:
        self._closing.set()
        self._server.shutdown()

    @property
    def settings(self) -> dict[str, Any]:
        port = self._server.socket.getsockname()[1]
        return {"ae_title": self.AE_TITLE, "host": "127.0.0.1", "port": port}

    def _matching(self, keys: Dataset) -> list[Dataset]:
        def fits(image: Dataset, keyword: str) -> bool:
            wanted = keys.get(keyword)
            values = [wanted] if isinstance(wanted, str) else list(wanted or [])
            return not any(values) or image.get(keyword) in values

        return [image for image in self.images if all(fits(image, k) for k in _KEYS)]

    def _find(self, event: evt.Event) -> Iterator[tuple[int, Dataset | None]]:
        while self.silent.is_set() and not self._closing.wait(0.05):
            pass
        keys = event.identifier
        level = {"SERIES": 2, "IMAGE": 3}[keys.QueryRetrieveLevel]
        sent = set()
        for image in self._matching(keys):
            unique = tuple(image.get(keyword) for keyword in _KEYS[:level])
            if unique in sent:
                continue
            sent.add(unique)
            answer = Dataset()
            answer.QueryRetrieveLevel = keys.QueryRetrieveLevel
            for keyword in (*_KEYS[:level], *_RETURNED):
                if keyword in keys and keyword in image:
                    setattr(answer, keyword, image.get(keyword))
            yield 0xFF00, answer

    def _get(self, event: evt.Event) -> Iterator[Any]:
        yield from self._send(event)

    def _move(self, event: evt.Event) -> Iterator[Any]:
        if self.move_to is None:
            yield None, None
            return
        yield self.move_to
        yield from self._send(event)

    def _send(self, event: evt.Event) -> Iterator[Any]:
        self.asked.append(event.identifier.QueryRetrieveLevel)
        images = self._matching(event.identifier)
        yield len(images)
        for image in images:
            if event.is_cancelled:
                yield 0xFE00, None
                return
            yield 0xFF00, image


class WebSourceStandIn:
    """QIDO-RS and WADO-RS over `images`.

    Attributes
    ----------
    query : callable, optional
        Given the request handler, answers a query in its own way.
    serve : callable, optional
        Given the request handler and the image, answers an image request in its own way.
    status : int
        Of every answer, unless it is 200.
    page : int
        Most that one answer to a query holds.
    finds_images : bool
        Whether it finds an image by its UID.
    headers, paths : list
        Of the requests that came.
    """

    def __init__(self, images: Sequence[Dataset]) -> None:
        self.images = list(images)
        self.serve: Callable[[http.server.BaseHTTPRequestHandler, Dataset], None] | None = None
        self.query: Callable[[http.server.BaseHTTPRequestHandler], None] | None = None
        self.status = 200
        self.page = 1000
        self.finds_images = True
        self.headers: list[dict[str, str]] = []
        self.paths: list[str] = []
        self.fetched: list[str] = []
        stand_in = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_: object) -> None:
                pass

            def do_GET(self) -> None:
                stand_in.headers.append(dict(self.headers))
                stand_in.paths.append(self.path)
                stand_in._answer(self)

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    @property
    def settings(self) -> dict[str, Any]:
        return {"url": f"http://127.0.0.1:{self._server.server_address[1]}/rs"}

    def _answer(self, handler: http.server.BaseHTTPRequestHandler) -> None:
        if self.status != 200:
            reply(handler, b"", "text/plain", self.status)
            return
        if self.query is not None and not re.search(r"instances/[0-9]", handler.path):
            self.query(handler)
            return
        path, _, query = handler.path.partition("?")
        uids = dict(re.findall(r"(studies|series|instances)/([0-9.]+)", path))
        found = [
            image
            for image in self.images
            if uids.get("studies") == image.StudyInstanceUID
            and uids.get("series") in (None, image.SeriesInstanceUID)
            and uids.get("instances") in (None, image.SOPInstanceUID)
        ]
        if "instances" in uids:
            if not found:
                reply(handler, b"", "text/plain", 404)
                return
            self.fetched.append(found[0].SOPInstanceUID)
            (self.serve or serve_multipart)(handler, found[0])
            return
        if path.endswith("/series"):
            found = list({image.SeriesInstanceUID: image for image in found}.values())
        wanted = re.search(r"SOPInstanceUID=([0-9.]+)", query)
        if wanted:
            found = [i for i in found if i.SOPInstanceUID == wanted[1] and self.finds_images]
        offset = int((re.search(r"offset=(\d+)", query) or [0, 0])[1])
        answers = [_described(image) for image in found[offset : offset + self.page]]
        reply(handler, json.dumps(answers).encode(), "application/dicom+json")


def _described(image: Dataset) -> dict[str, Any]:
    answer = Dataset()
    for keyword in (*_KEYS, *_RETURNED):
        if keyword in image:
            setattr(answer, keyword, image.get(keyword))
    return answer.to_json_dict()


def encoded(image: Dataset) -> bytes:
    """The image as a Part 10 file."""
    buffer = io.BytesIO()
    image.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


def multipart(content: bytes) -> bytes:
    return b"\r\n--edge\r\nContent-Type: application/dicom\r\n\r\n" + content + b"\r\n--edge--"


MULTIPART = 'multipart/related; type="application/dicom"; boundary=edge'


def serve_multipart(handler: http.server.BaseHTTPRequestHandler, image: Dataset) -> None:
    reply(handler, multipart(encoded(image)), MULTIPART)


def reply(
    handler: http.server.BaseHTTPRequestHandler, body: bytes, kind: str, status: int = 200
) -> None:
    handler.send_response(status)
    handler.send_header("Content-Type", kind)
    handler.send_header("Content-Length", str(len(body)))
    handler.end_headers()
    handler.wfile.write(body)
