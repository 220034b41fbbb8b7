"""Requests that another site makes a browser send (CSRF)."""

from __future__ import annotations

import hmac
import secrets
from urllib.parse import parse_qs

from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from dicomnode.web.access.refused import refused
from dicomnode.web.access.visitor import Visitor

FIELD = "csrf_token"
"""Of a form."""
HEADER = "X-CSRF-Token"
"""Of a request that a script makes."""

_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
_FORM = "application/x-www-form-urlencoded"
_MOST_OF_A_FORM = 256 * 1024


class ForgeryMiddleware:
    """Refuses what a page of another site may have caused; sets ``request.state.csrf_token``.

    A token of `dicomnode token` is sent on purpose, and passes. All else a browser adds by itself:
    what changes anything must come from a page of this service, by what the browser says of that
    page (``Sec-Fetch-Site`` of Fetch Metadata, or ``Origin`` of RFC 6454) and by a token that only
    such a page can hold. Reading is refused where another site's page embeds it.

    Parameters
    ----------
    app : ASGIApp
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._key = secrets.token_bytes(32)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or refuse it."""
        conn = HTTPConnection(scope)
        visitor = scope["user"]
        conn.state.csrf_token = ""
        if not isinstance(visitor, Visitor) or visitor.how == "token":
            await self._app(scope, receive, send)
            return
        expected = conn.state.csrf_token = self._token(visitor)
        reason = None
        if scope["method"] in _SAFE:
            if _is_embedded_elsewhere(conn):
                reason = "another site's page asked for this"
        elif not comes_from_here(conn):
            reason = "this did not come from a page of this service"
        else:
            shown = conn.headers.get(HEADER)
            if shown is None and conn.headers.get("content-type", "").partition(";")[0] == _FORM:
                shown, receive = await _of_form(receive)
            if shown is None or not hmac.compare_digest(shown.encode(), expected.encode()):
                reason = "the page is older than the service or the sign-in: load it again"
        if reason is not None:
            await refused(conn, 403, reason)(scope, receive, send)
            return
        await self._app(scope, receive, send)

    def _token(self, visitor: Visitor) -> str:
        who = f"{visitor.how}\0{visitor.identity_key}"
        return hmac.digest(self._key, who.encode(), "sha256").hex()


def comes_from_here(conn: HTTPConnection) -> bool:
    """Whether a browser says that a page of this very service sent it.

    Parameters
    ----------
    conn : HTTPConnection
        Of a request that is not safe; with those, browsers of today say so always.
    """
    site = conn.headers.get("sec-fetch-site")
    if site is not None and site != "same-origin":
        return False
    origin = conn.headers.get("origin")
    if origin is None:
        return site is not None
    return origin.lower() == f"{conn.url.scheme}://{conn.headers.get('host', '')}".lower()


def _is_embedded_elsewhere(conn: HTTPConnection) -> bool:
    # A link from another site, such as a PACS, opens a page of its own and may.
    elsewhere = conn.headers.get("sec-fetch-site") in ("cross-site", "same-site")
    return elsewhere and conn.headers.get("sec-fetch-mode") != "navigate"


async def _of_form(receive: Receive) -> tuple[str | None, Receive]:
    """The token in a form, and what gives the form once more to who comes after."""
    body, more = b"", True
    while more:
        message = await receive()
        if message["type"] != "http.request":
            break
        body += message.get("body", b"")
        more = message.get("more_body", False)
        if len(body) > _MOST_OF_A_FORM:
            break
    given = False

    async def again() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": more}

    try:
        fields = parse_qs(body.decode("utf-8"), max_num_fields=1000)
    except ValueError:
        return None, again
    values = fields.get(FIELD, [])
    return (values[0] if len(values) == 1 else None), again
