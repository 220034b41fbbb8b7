"""A DICOMweb server on loopback whose answers a test chooses."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from typing import Self

import pydicom
from pydicom.dataset import Dataset

Answer = Callable[[list[Dataset]], tuple[int, object]]
"""Given the instances of a request, the HTTP status and the JSON of the answer."""


class StandInServer:
    """Takes STOW-RS and answers GET requests from `pages`, by path without the query."""

    def __init__(self, answer: Answer | None = None) -> None:
        self.answer = answer or store_all
        self.location = ""
        """Where redirections lead."""
        self.requests: list[list[Dataset]] = []
        self.headers: list[dict[str, str]] = []
        self.pages: dict[str, tuple[int, bytes, str]] = {}
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = _body(self)
                server.headers.append(dict(self.headers))
                instances = _instances(body, self.headers["Content-Type"])
                server.requests.append(instances)
                status, said = server.answer(instances)
                content = b"" if said is None else json.dumps(said).encode()
                self._reply(status, content, "application/dicom+json")

            def do_GET(self) -> None:
                path = self.path.split("?")[0]
                self._reply(*server.pages.get(path, (404, b"", "text/plain")))

            def _reply(self, status: int, content: bytes, kind: str) -> None:
                if status == 0:  # no answer at all
                    self.close_connection = True
                    return
                self.send_response(status)
                self.send_header("Content-Type", kind)
                if status in (301, 302, 303, 307):
                    self.send_header("Location", server.location)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}/dicom-web"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._server.shutdown()
        self._server.server_close()


def item(dataset: Dataset, **reasons: int) -> dict:
    """One item of the Store Instances Response Module."""
    return {
        "00081150": {"vr": "UI", "Value": [str(dataset.SOPClassUID)]},
        "00081155": {"vr": "UI", "Value": [str(dataset.SOPInstanceUID)]},
    } | {
        {"warning": "00081196", "failure": "00081197"}[name]: {"vr": "US", "Value": [reason]}
        for name, reason in reasons.items()
    }


def stored(*items: dict) -> dict:
    return {"00081199": {"vr": "SQ", "Value": list(items)}}


def not_stored(*items: dict) -> dict:
    return {"00081198": {"vr": "SQ", "Value": list(items)}}


def store_all(instances: list[Dataset]) -> tuple[int, object]:
    return 200, stored(*map(item, instances))


def _body(handler: BaseHTTPRequestHandler) -> bytes:
    if handler.headers.get("Transfer-Encoding") != "chunked":
        return handler.rfile.read(int(handler.headers["Content-Length"]))
    body = b""
    while size := int(handler.rfile.readline(), 16):
        body += handler.rfile.read(size)
        handler.rfile.readline()
    handler.rfile.readline()
    return body


def _instances(body: bytes, content_type: str) -> list[Dataset]:
    boundary = re.search(r'boundary="?([^";]+)', content_type)[1].encode()
    parts = body.split(b"--" + boundary)[1:-1]
    return [pydicom.dcmread(BytesIO(part.split(b"\r\n\r\n", 1)[1])) for part in parts]
