"""OHIF's built viewer and Orthanc's DICOMweb on one origin, as a hospital serves them."""

from __future__ import annotations

import http.client
import json
import mimetypes
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Self
from urllib.parse import urlencode, urlsplit

DICOM_WEB = "/dicom-web"

_CONFIGURATION = {
    "name": "interop",
    "routerBasename": None,
    "extensions": [],
    "modes": [],
    "customizationService": {},
    "showStudyList": True,
    "maxNumberOfWebWorkers": 2,
    "showWarningMessageForCrossOrigin": False,
    "showCPUFallbackMessage": False,
    "strictZSpacingForVolumeViewport": True,
    "investigationalUseDialog": {"option": "never"},
    "showErrorDetails": "always",
    "maxNumRequests": {"interaction": 10, "thumbnail": 2, "prefetch": 4},
    "defaultDataSourceName": "pacs",
    "dataSources": [
        {
            "namespace": "@ohif/extension-default.dataSourcesModule.dicomweb",
            "sourceName": "pacs",
            "configuration": {
                "friendlyName": "PACS",
                "name": "pacs",
                "wadoUriRoot": DICOM_WEB,
                "qidoRoot": DICOM_WEB,
                "wadoRoot": DICOM_WEB,
                "qidoSupportsIncludeField": False,
                "imageRendering": "wadors",
                "thumbnailRendering": "wadors",
                "enableStudyLazyLoad": True,
                "supportsFuzzyMatching": False,
                "supportsWildcard": True,
                "singlepart": "bulkdata,video",
                "bulkDataURI": {"enabled": True},
                "omitQuotationForMultipartRequest": True,
            },
        }
    ],
}
"""What an administrator writes into OHIF's ``app-config.js`` for Orthanc on the same origin."""


class OhifServer:
    """The viewer at ``/``, DICOMweb of a PACS at ``/dicom-web``, on loopback.

    Parameters
    ----------
    dist : Path
        The folder `dist` of the npm package `@ohif/app`.
    pacs_http_port : int
        Where Orthanc with its DICOMweb plugin listens.
    """

    def __init__(self, dist: Path, pacs_http_port: int) -> None:
        handler = type("_Handler", (_Handler,), {"dist": dist, "pacs_http_port": pacs_http_port})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    @property
    def origin(self) -> str:
        """Scheme, host and port."""
        return f"http://127.0.0.1:{self._server.server_port}"

    def study(self, study_instance_uid: str, **more: str) -> str:
        """Address of the viewer's page for a study, with further parameters of the viewer."""
        return (
            f"{self.origin}/viewer?{urlencode({'StudyInstanceUIDs': study_instance_uid, **more})}"
        )

    def __enter__(self) -> Self:
        """Serve."""
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        """Stop."""
        self._server.shutdown()
        self._server.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    dist: Path
    pacs_http_port: int

    def do_GET(self) -> None:
        path = urlsplit(self.path).path
        if path.startswith(f"{DICOM_WEB}/"):
            self._pass_on()
        elif path == "/app-config.js":
            text = f"window.config = {json.dumps(_CONFIGURATION)};"
            self._answer(200, text.encode(), "text/javascript")
        else:
            self._serve(path)

    def _serve(self, path: str) -> None:
        file = (self.dist / path.lstrip("/")).resolve()
        if not (file.is_file() and file.is_relative_to(self.dist.resolve())):
            # Pages are routes of the one page; what looks like a file and is none is missing.
            if "." in path.rsplit("/", 1)[-1]:
                self._answer(404, b"no such file", "text/plain")
                return
            file = self.dist / "index.html"
        kind = "application/wasm" if file.suffix == ".wasm" else mimetypes.guess_type(file.name)[0]
        self._answer(200, file.read_bytes(), kind or "application/octet-stream")

    def _pass_on(self) -> None:
        pacs = http.client.HTTPConnection("127.0.0.1", self.pacs_http_port, timeout=120)
        # Orthanc writes addresses of bulk data after the host that it was asked by.
        headers = {"Accept": self.headers.get("Accept", "*/*"), "Host": self.headers["Host"]}
        try:
            pacs.request("GET", self.path, headers=headers)
            answer = pacs.getresponse()
            body = answer.read()
        finally:
            pacs.close()
        self._answer(answer.status, body, answer.getheader("Content-Type", "text/plain"))

    def _answer(self, status: int, body: bytes, kind: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments: object) -> None:
        """Stay quiet."""
