"""One connection of the web service, bounded in time."""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

_HEADERS_S = 20
"""From the connection, or the first byte of a request on one that is kept, to its last header."""
_STUCK_S = 60
"""For a peer to read what was sent to it."""


class BoundedConnection(H11Protocol):
    """Ends connections that send their headers too slowly, or do not read their answer.

    uvicorn waits for both without an end: a few hundred such connections would keep all others out.
    Bodies are bounded by `dicomnode.web.access.bounds`.
    """

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self._headers_due: asyncio.TimerHandle | None = None
        self._reading_due: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:
        """Wait for headers from here on."""
        super().connection_made(transport)
        self._wait_for_headers()

    def data_received(self, data: bytes) -> None:
        """Stop waiting once a request is there; wait again for one that begins."""
        former = self.cycle
        idle = former is None or former.response_complete
        super().data_received(data)
        if self.cycle is not former:
            self._no_longer("_headers_due")
        elif idle and self._headers_due is None:
            self._wait_for_headers()

    def pause_writing(self) -> None:
        """The peer does not read."""
        super().pause_writing()
        if self._reading_due is None:
            self._reading_due = self.loop.call_later(_STUCK_S, self.transport.abort)

    def resume_writing(self) -> None:
        """It has read."""
        super().resume_writing()
        self._no_longer("_reading_due")

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing is waited for any more."""
        self._no_longer("_headers_due")
        self._no_longer("_reading_due")
        super().connection_lost(exc)

    def _wait_for_headers(self) -> None:
        self._headers_due = self.loop.call_later(_HEADERS_S, self.transport.abort)

    def _no_longer(self, name: str) -> None:
        timer = getattr(self, name)
        if timer is not None:
            timer.cancel()
            setattr(self, name, None)
