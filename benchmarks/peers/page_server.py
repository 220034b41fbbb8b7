"""The lesion page on loopback, for somebody who is signed in: as the node serves it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

from starlette.applications import Starlette
from starlette.authentication import AuthCredentials, AuthenticationBackend
from starlette.middleware import Middleware
from starlette.middleware.authentication import AuthenticationMiddleware
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from dicomnode.settings.web import WebSettings
from dicomnode.store.database import Database
from dicomnode.web.access.access import Access
from dicomnode.web.access.visitor import Visitor
from dicomnode.web.lesion import lesion_routes
from dicomnode.web.lesion.workbench import Workbench
from dicomnode.web.look import Look
from dicomnode.web.pages import static_files
from dicomnode.web.service import WebService

_POLICY = b"default-src 'self'; img-src 'self' data:"


class _EverybodyHas(AuthenticationBackend):
    """Signs everybody in with some roles."""

    def __init__(self, roles: Sequence[str]) -> None:
        self._roles = list(roles)

    async def authenticate(self, conn: HTTPConnection) -> tuple[AuthCredentials, Visitor]:
        return AuthCredentials(self._roles), Visitor("reader", "viewer", "token", "")


class _Strict:
    """Tells browsers to load nothing from elsewhere, and to run nothing inline."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def with_policy(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"].append((b"content-security-policy", _POLICY))
            await send(message)

        await self._app(scope, receive, with_policy)


class PageServer:
    """Serves the page of a store's lesions.

    Parameters
    ----------
    database : Database
    roles : sequence of str
        That everybody has.
    access : Access, optional
        Says who may what, as in a node, in place of `roles`.
    """

    def __init__(
        self,
        database: Database,
        roles: Sequence[str] = ("viewer",),
        access: Access | None = None,
    ) -> None:
        self.looks: list[Look] = []
        self._workbench = Workbench()
        middleware = [
            Middleware(_Strict),
            Middleware(AuthenticationMiddleware, backend=_EverybodyHas(roles)),
        ]
        application = Starlette(
            routes=[
                *lesion_routes(database, self.looks.append, self._workbench),
                static_files(),
                *(() if access is None else access.routes),
            ],
            middleware=middleware if access is None else access.middleware,
            exception_handlers=None if access is None else access.exception_handlers,
        )
        self._service = WebService(WebSettings(port=0), application)

    def __enter__(self) -> Self:
        """Listen."""
        self._service.start()
        return self

    def __exit__(self, *exception: object) -> None:
        """Stop."""
        self._service.stop()
        self._workbench.stop()

    def address(self, path: str) -> str:
        """Of a path, such as ``/lesions/1``."""
        return f"http://127.0.0.1:{self._service.port}{path}"
