"""How the addresses of reader studies say why they cannot."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from functools import wraps

from starlette.authentication import requires
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from dicomnode.faults import describe_fault
from dicomnode.reader_study.answering import NotTaken
from dicomnode.reader_study.taking_part import Closed, NotThere
from dicomnode.settings.web import RoleName
from dicomnode.web.access.refused import refused

logger = logging.getLogger(__name__)

FORM = "application/x-www-form-urlencoded"
_MOST = 64 * 1024


def shown_to(role: RoleName, handler: Callable[[Request], Response]) -> Callable:
    """Let a role in; 404, 409, 422 and 503 in words."""

    @wraps(handler)
    def answer(request: Request) -> Response:
        return _answered(request, lambda: handler(request))

    return requires(role)(answer)


def posted_by(
    role: RoleName, handler: Callable[[Request, bytes], Response]
) -> Callable[[Request], Awaitable[Response]]:
    """As `shown_to`, for what takes a form; 415 for anything else, 413 for more than 64 KiB.

    Whether the form comes from a page of this service `dicomnode.web.access.forgery` has seen.
    """

    @wraps(handler)
    async def answer(request: Request) -> Response:
        found = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if found != FORM:
            raise HTTPException(415, f"found the type {found!r}, expected {FORM}")
        body = bytearray()
        async for part in request.stream():
            body += part
            if len(body) > _MOST:
                raise HTTPException(413, f"expected at most {_MOST} bytes")
        return await run_in_threadpool(_answered, request, lambda: handler(request, bytes(body)))

    return requires(role)(answer)


def _answered(request: Request, handler: Callable[[], Response]) -> Response:
    try:
        return handler()
    except NotThere as error:
        return refused(request, 404, str(error))
    except Closed as error:
        return refused(request, 409, str(error))
    except NotTaken as error:
        return refused(request, 422, str(error))
    except OSError as error:
        logger.warning("web.not_read %s", describe_fault(error))
        return refused(request, 503, "its files cannot be read now; the log says why")
