"""A service with three routes, one a role, and a client that says exactly what it is told to."""

from __future__ import annotations

import http.client
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.authentication import requires
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse
from starlette.routing import Route

from dicomnode.settings import WebSettings
from dicomnode.web.access.access import Access
from dicomnode.web.access.sign_in_event import SignInEvent
from dicomnode.web.access.tokens import TokenFile
from dicomnode.web.pages import static_files
from dicomnode.web.service import WebService


@requires("viewer")
async def _look(request: Request) -> JSONResponse:
    return JSONResponse(
        {
            "user": request.user.name,
            "address": request.client.host,
            "csrf": request.state.csrf_token,
            "headers": sorted(request.headers),
            "scheme": request.url.scheme,
        }
    )


@requires("operator")
async def _change(request: Request) -> JSONResponse:
    return JSONResponse({"came": len(await request.body())})


@requires("administrator")
async def _rule(request: Request) -> JSONResponse:
    return JSONResponse({"user": request.user.name})


async def _fails(request: Request) -> PlainTextResponse:
    raise RuntimeError("PATIENT^NAME")


@dataclass
class Answer:
    status: int
    headers: http.client.HTTPMessage
    body: str


@dataclass
class Served:
    service: WebService
    tokens: TokenFile
    events: list[SignInEvent] = field(default_factory=list)
    context: ssl.SSLContext | None = None
    unix: Path | None = None

    def ask(
        self, path: str, method: str = "GET", body: Any = None, **headers: str | list[str]
    ) -> Answer:
        """Headers with ``_`` for ``-``; a list is as many headers of that name."""
        connection = self._connection()
        try:
            connection.putrequest(method, path, skip_host="Host" in headers)
            body = body.encode() if isinstance(body, str) else body
            if body is not None:
                connection.putheader("Content-Length", str(len(body)))
            for name, values in headers.items():
                for value in values if isinstance(values, list) else [values]:
                    connection.putheader(name.replace("_", "-"), value)
            connection.endheaders()
            if body is not None:
                with _answered_early():
                    connection.send(body)
            answer = connection.getresponse()
            return Answer(answer.status, answer.headers, answer.read().decode())
        finally:
            connection.close()

    def raw(self, text: bytes) -> bytes:
        """All that is answered to these bytes."""
        with socket.create_connection(("127.0.0.1", self.service.port), 30) as connection:
            with _answered_early():
                connection.sendall(text)
            parts = []
            while part := connection.recv(65536):
                parts.append(part)
        return b"".join(parts)

    def _connection(self) -> http.client.HTTPConnection:
        if self.unix is not None:
            connection = http.client.HTTPConnection("localhost", timeout=30)
            connection.sock = socket.socket(socket.AF_UNIX)
            connection.sock.connect(str(self.unix))
            return connection
        if self.context is not None:
            return http.client.HTTPSConnection(
                "localhost", self.service.port, timeout=30, context=self.context
            )
        return http.client.HTTPConnection("127.0.0.1", self.service.port, timeout=30)

    def sign_in(self, token: str, **headers: str) -> str:
        """What to send as Cookie."""
        answer = self.ask(
            "/sign-in", "POST", f"token={token}", Sec_Fetch_Site="same-origin", **headers
        )
        assert answer.status == 303, answer.body
        return answer.headers["Set-Cookie"].partition(";")[0]


def _answered_early() -> suppress[BaseException]:
    """What is refused is answered, and hung up on, before all of it was sent."""
    return suppress(BrokenPipeError, ConnectionResetError)


@contextmanager
def served(tmp_path: Path, context: ssl.SSLContext | None = None, **web: Any) -> Iterator[Served]:
    settings = WebSettings(**{"port": 0} | web)
    tokens = TokenFile(tmp_path / "tokens")
    events: list[SignInEvent] = []
    access = Access(settings, tokens, events.append)
    application = Starlette(
        routes=[
            Route("/look", _look),
            Route("/change", _change, methods=["GET", "POST"]),
            Route("/dicom-web/studies", _change, methods=["POST"]),
            Route("/rule", _rule),
            Route("/fails", _fails),
            Route("/health", access.watched(lambda request: PlainTextResponse("well"))),
            static_files(),
            *access.routes,
        ],
        middleware=list(access.middleware),
        exception_handlers=access.exception_handlers,
    )
    service = WebService(settings, application)
    service.start()
    try:
        yield Served(service, tokens, events, context, settings.socket)
    finally:
        service.stop()
