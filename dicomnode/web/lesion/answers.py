"""What the page's addresses answer with, and how they say why they cannot."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from functools import wraps

from starlette.authentication import requires
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from dicomnode.faults import describe_fault
from dicomnode.web.access.access import MOST_OF_A_TRIMAP
from dicomnode.web.lesion.records import NotShown
from dicomnode.web.lesion.workbench import NotComputed
from dicomnode.web.pages import page
from pipelines.errors import SegmentationError

logger = logging.getLogger(__name__)

NEVER_KEPT = {"Cache-Control": "no-store"}
"""Of everything that holds a patient's data."""

Handler = Callable[[Request], Response]


def for_viewers(handler: Handler) -> Handler:
    """Let nobody but a viewer in, keep no answer, and answer in words where there is none.

    404 where there is no such thing, 422 where it cannot be computed, 503 where files cannot be
    read.
    """

    @wraps(handler)
    def answer(request: Request) -> Response:
        return _answered(request, lambda: handler(request))

    return requires("viewer")(answer)


def posted_by_viewers(
    handler: Callable[[Request, bytes], Response], media_type: str
) -> Callable[[Request], Awaitable[Response]]:
    """As `for_viewers`, for what takes a body.

    415 for another type: a form of another site can send none of these, nor can its script without
    being asked first (CORS). 413 for more than `MOST_OF_A_TRIMAP`.
    """

    @wraps(handler)
    async def answer(request: Request) -> Response:
        found = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if found != media_type:
            return _in_words(request, f"found the type {found!r}, expected {media_type}", 415)
        body = bytearray()
        async for part in request.stream():
            body += part
            if len(body) > MOST_OF_A_TRIMAP:
                return _in_words(request, f"expected at most {MOST_OF_A_TRIMAP} bytes", 413)
        return await run_in_threadpool(_answered, request, lambda: handler(request, bytes(body)))

    return requires("viewer")(answer)


def _answered(request: Request, handler: Callable[[], Response]) -> Response:
    try:
        given = handler()
    except NotShown as error:
        given = _in_words(request, str(error), 404)
    except (NotComputed, SegmentationError) as error:
        given = _in_words(request, str(error), 422)
    except OSError as error:
        logger.warning("web.not_read %s", describe_fault(error))
        given = _in_words(request, "its files cannot be read now; the log says why", 503)
    given.headers.update(NEVER_KEPT)
    return given


def _in_words(request: Request, words: str, status: int) -> Response:
    if "text/html" in request.headers.get("accept", ""):
        return page(request, "lesion_not_shown.html.j2", status, words=words)
    return JSONResponse({"error": words}, status)
