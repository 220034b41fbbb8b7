"""What the page's addresses answer with, and how they say why they cannot."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import wraps

from starlette.authentication import requires
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from dicomnode.faults import describe_fault
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
        try:
            given = handler(request)
        except NotShown as error:
            given = _in_words(request, str(error), 404)
        except (NotComputed, SegmentationError) as error:
            given = _in_words(request, str(error), 422)
        except OSError as error:
            logger.warning("web.not_read %s", describe_fault(error))
            given = _in_words(request, "its files cannot be read now; the log says why", 503)
        given.headers.update(NEVER_KEPT)
        return given

    return requires("viewer")(answer)


def _in_words(request: Request, words: str, status: int) -> Response:
    if "text/html" in request.headers.get("accept", ""):
        return page(request, "lesion_not_shown.html.j2", status, words=words)
    return JSONResponse({"error": words}, status)
