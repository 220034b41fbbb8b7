"""How much a request may bring, and how long it may take to."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping

from starlette.requests import HTTPConnection
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_PAUSE_S = 30
"""Between two parts of a body."""
_GRACE_S = 60
_SLOWEST = 16 * 1024
"""Bytes a second of a body, once `_GRACE_S` are over."""


class _TooMuch(Exception):
    pass


class _TooSlow(Exception):
    pass


class BodyMiddleware:
    """Refuses bodies that are larger than their route takes (413) or come too slowly (408).

    Parameters
    ----------
    app : ASGIApp
    most : int
        Bytes.
    most_under : mapping of str to int
        Other bounds, by the beginnings of paths.
    """

    def __init__(self, app: ASGIApp, most: int, most_under: Mapping[str, int]) -> None:
        self._app = app
        self._most = most
        self._most_under = dict(most_under)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on with a body that is bounded."""
        path = scope["path"]
        most = next((n for start, n in self._most_under.items() if path.startswith(start)), None)
        most = self._most if most is None else most
        length = HTTPConnection(scope).headers.get("content-length", "0")
        if not length.isdigit() or int(length) > most:
            await _answer(413, f"more than {most} bytes")(scope, receive, send)
            return
        came, began, started = 0, time.monotonic(), False
        whole = length == "0" and "transfer-encoding" not in HTTPConnection(scope).headers

        async def bounded() -> Message:
            nonlocal came, whole
            if whole:  # What follows is only that the client went away.
                return await receive()
            try:
                message = await asyncio.wait_for(receive(), _PAUSE_S)
            except TimeoutError:
                raise _TooSlow from None
            if message["type"] == "http.request":
                came += len(message.get("body", b""))
                whole = not message.get("more_body", False)
                if came > most:
                    raise _TooMuch
                if not whole and time.monotonic() - began > _GRACE_S + came / _SLOWEST:
                    raise _TooSlow
            return message

        async def noted(message: Message) -> None:
            nonlocal started
            started = started or message["type"] == "http.response.start"
            await send(message)

        try:
            await self._app(scope, bounded, noted)
        except (_TooMuch, _TooSlow) as error:
            if started:
                raise
            answer = (
                _answer(413, f"more than {most} bytes")
                if isinstance(error, _TooMuch)
                else _answer(408, "the body came too slowly")
            )
            await answer(scope, receive, send)


def _answer(status: int, reason: str) -> JSONResponse:
    return JSONResponse({"detail": reason}, status, {"Connection": "close"})
