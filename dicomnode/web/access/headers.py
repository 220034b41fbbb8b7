"""What every answer says to browsers, and which names of the service are taken."""

from __future__ import annotations

from starlette.datastructures import MutableHeaders
from starlette.requests import HTTPConnection
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

CONTENT_SECURITY_POLICY = (
    "default-src 'self'; img-src 'self' data: blob:; object-src 'none'; base-uri 'none'; "
    "form-action 'self'; frame-ancestors 'none'"
)
"""Nothing from elsewhere, nothing inline, no frame around it."""

ALWAYS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    # "no-referrer" would make browsers say "Origin: null" in forms of the service itself.
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Cache-Control": "no-store",
}
"""Unless the route says otherwise. No Strict-Transport-Security: it would hold for every port of
the host, and a PACS beside the node may have one without TLS."""


class HeadersMiddleware:
    """Gives every answer its headers, refusals and errors too.

    A route that needs another policy sets that header itself, and it stays.

    Parameters
    ----------
    app : ASGIApp
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, and add to the answer."""

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in ALWAYS.items():
                    headers.setdefault(name, value)
            await send(message)

        await self._app(scope, receive, with_headers)


class HostMiddleware:
    """Refuses requests to names that are not the service's.

    So a page of another site whose name is made to mean this machine (DNS rebinding) reads nothing:
    its requests name that site.

    Parameters
    ----------
    app : ASGIApp
    hosts : frozenset of str
        In lower case, without ports.
    """

    def __init__(self, app: ASGIApp, hosts: frozenset[str]) -> None:
        self._app = app
        self._hosts = hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or answer 421 Misdirected Request (RFC 9110 15.5.20)."""
        if _host_of(HTTPConnection(scope).headers.get("host", "")) in self._hosts:
            await self._app(scope, receive, send)
            return
        answer = PlainTextResponse(
            "This service is not called that. [web] names tells it more names.", 421
        )
        await answer(scope, receive, send)


def _host_of(found: str) -> str:
    name, colon, port = found.lower().rpartition(":")
    return name if colon and (port.isascii() and port.isdigit()) else found.lower()
