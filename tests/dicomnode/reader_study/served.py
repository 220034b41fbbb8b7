"""The pages of a reader study over a real socket, with people who sign in."""

from __future__ import annotations

import http.client
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlencode

from starlette.applications import Starlette

from dicomnode.settings.web import WebSettings
from dicomnode.store.database import Database
from dicomnode.web.access.access import Access
from dicomnode.web.access.tokens import TokenFile
from dicomnode.web.look import Look
from dicomnode.web.pages import static_files
from dicomnode.web.reader_study import reader_study_routes
from dicomnode.web.service import WebService

PEOPLE = {"anna": "viewer", "ben": "viewer", "olga": "operator"}


@dataclass
class Answered:
    """One answer."""

    status: int
    headers: http.client.HTTPMessage
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode()


@dataclass
class ServedStudies:
    """A service, and the tokens of `PEOPLE`."""

    service: WebService
    tokens: Mapping[str, str]
    looks: list[Look] = field(default_factory=list)

    def address(self, path: str) -> str:
        return f"http://127.0.0.1:{self.service.port}{path}"

    def ask(
        self,
        path: str,
        who: str | None = "anna",
        form: Mapping[str, str] | None = None,
        **headers: str,
    ) -> Answered:
        """Ask as a program does: with a token, which needs no proof of the page."""
        body = None if form is None else urlencode(form)
        headers = {name.replace("_", "-"): value for name, value in headers.items()}
        if who is not None:
            headers["Authorization"] = f"Bearer {self.tokens[who]}"
        if body is not None:
            headers.setdefault("Content-Type", "application/x-www-form-urlencoded")
        connection = http.client.HTTPConnection("127.0.0.1", self.service.port, timeout=60)
        try:
            connection.request("GET" if form is None else "POST", path, body, headers)
            got = connection.getresponse()
            return Answered(got.status, got.headers, got.read())
        finally:
            connection.close()


@contextmanager
def served_studies(database: Database, folder: Path) -> Iterator[ServedStudies]:
    web = WebSettings(port=0)
    file = TokenFile(folder / "tokens")
    tokens = {name: file.add(name, role) for name, role in PEOPLE.items()}
    looks: list[Look] = []
    access = Access(web, file)
    application = Starlette(
        routes=[static_files(), *access.routes, *reader_study_routes(database, looks.append)],
        middleware=list(access.middleware),
        exception_handlers=access.exception_handlers,
    )
    service = WebService(web, application)
    service.start()
    try:
        yield ServedStudies(service, tokens, looks)
    finally:
        service.stop()
