"""How much is done at a time: handlers run in threads, so many and no more."""

from __future__ import annotations

import logging
import threading
from collections.abc import Awaitable, Callable, Iterator

from anyio import CapacityLimiter, to_thread
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from dicomnode.faults import describe_fault
from dicomnode.web.dicomweb.problem import ALWAYS, Problem

logger = logging.getLogger(__name__)

Handler = Callable[[Request], Response]
Endpoint = Callable[[Request], Awaitable[Response]]

_AGAIN_S = "2"
_GATHERED = 2**18


class Gate:
    """Lets so many requests in, lets some wait, and turns the others away with 503.

    Parameters
    ----------
    at_once : int
        Handlers that run at the same time.
    waiting : int
        Requests that wait for one.
    streams : int
        Answers that are given piece by piece at the same time; a reader may be slow.
    """

    def __init__(self, at_once: int, waiting: int, streams: int) -> None:
        self._limiter = CapacityLimiter(at_once)
        self._most_waiting = waiting
        self._most_streams = streams
        self._streams = 0
        self._lock = threading.Lock()

    def endpoint(self, handler: Handler) -> Endpoint:
        """Run a handler that blocks in a thread; a `Problem` that it raises is its answer."""

        async def endpoint(request: Request) -> Response:
            if self._limiter.statistics().tasks_waiting >= self._most_waiting:
                return _busy("too many requests are waiting").response()
            try:
                return await to_thread.run_sync(handler, request, limiter=self._limiter)
            except Problem as problem:
                return problem.response()
            except Exception as error:  # whose text may quote a data set
                logger.error("dicomweb.failed detail=%s", describe_fault(error))
                return Problem(500, "the service failed; its log says where").response()

        return endpoint

    def stream(self, pieces: Iterator[bytes], media_type: str) -> StreamingResponse:
        """Answer piece by piece.

        Raises
        ------
        Problem
            503, where too many answers are being given.
        """
        with self._lock:
            if self._streams >= self._most_streams:
                raise _busy("too many answers are being read")
        return StreamingResponse(self._counted(pieces), media_type=media_type, headers=ALWAYS)

    def _counted(self, pieces: Iterator[bytes]) -> Iterator[bytes]:
        with self._lock:
            self._streams += 1
        try:
            yield from gathered(pieces)
        except Exception as error:
            logger.error("dicomweb.failed detail=%s", describe_fault(error))
            # The connection ends with it, so that a part is not taken for the whole.
            raise ConnectionAbortedError("an answer was broken off") from None
        finally:
            with self._lock:
                self._streams -= 1


def gathered(pieces: Iterator[bytes], least: int = _GATHERED) -> Iterator[bytes]:
    """Join small pieces: each that is sent costs a change of threads."""
    held: list[bytes] = []
    size = 0
    for piece in pieces:
        held.append(piece)
        size += len(piece)
        if size >= least:
            yield held[0] if len(held) == 1 else b"".join(held)
            held, size = [], 0
    if held:
        yield b"".join(held)


def _busy(what: str) -> Problem:
    return Problem(503, f"{what}; ask again in some seconds", {"Retry-After": _AGAIN_S})
