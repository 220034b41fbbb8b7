"""DICOMweb over what the node holds: search, retrieve, store (PS3.18 10)."""

from __future__ import annotations

from collections.abc import Callable

from starlette.authentication import requires
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from dicomnode.receive.intake import Intake
from dicomnode.store.database import Database
from dicomnode.store.uid import is_valid_uid
from dicomnode.web.dicomweb.addresses import Addresses
from dicomnode.web.dicomweb.attributes import Level
from dicomnode.web.dicomweb.described import Descriptions
from dicomnode.web.dicomweb.gate import Endpoint, Gate
from dicomnode.web.dicomweb.holdings import Held, Holdings
from dicomnode.web.dicomweb.looks import Looks
from dicomnode.web.dicomweb.problem import Problem, not_found, quoted
from dicomnode.web.dicomweb.rendered import Rendered
from dicomnode.web.dicomweb.retrieving import Retrieving, frame_numbers
from dicomnode.web.dicomweb.searching import answer_search
from dicomnode.web.dicomweb.storing import Storing
from dicomnode.web.look import OnLook

PATH = "/dicom-web"

_AT_ONCE, _WAITING, _STREAMS = 8, 200, 64

_STUDY = "/studies/{study}"
_SERIES = _STUDY + "/series/{series}"
_INSTANCE = _SERIES + "/instances/{instance}"
_FRAMES = _INSTANCE + "/frames/{frames}"


def routes(
    database: Database,
    on_look: OnLook,
    *,
    storing: Callable[[Addresses, Looks], Storing] | None = None,
    url: str | None = None,
) -> tuple[BaseRoute, ...]:
    """Routes of the service, below `PATH`.

    Parameters
    ----------
    database : Database
        Rows name the files, which are read where they lie.
    on_look : callable
    storing : callable, optional
        Makes what takes objects in; without it nothing is taken.
    url : str, optional
        How clients reach the service, where they do not say it in ``Host``.
    """
    service = _Service(database, on_look, storing, url)
    return service.routes()


def storing_by(
    intake: Intake, ae_title: str, most_object_bytes: int, most_request_bytes: int
) -> Callable[[Addresses, Looks], Storing]:
    """Take objects in by an intake, for `routes`."""
    return lambda addresses, looks: Storing(
        intake, ae_title, most_object_bytes, most_request_bytes, addresses, looks
    )


class _Service:
    """What the routes share."""

    def __init__(
        self,
        database: Database,
        on_look: OnLook,
        storing: Callable[[Addresses, Looks], Storing] | None,
        url: str | None,
    ) -> None:
        self._gate = Gate(_AT_ONCE, _WAITING, _STREAMS)
        self._looks = Looks(on_look)
        self._addresses = Addresses(PATH, url)
        self._holdings = Holdings(database, Descriptions())
        self._retrieving = Retrieving(self._holdings, self._addresses, self._gate)
        self._rendered = Rendered(self._holdings, self._gate)
        self._storing = None if storing is None else storing(self._addresses, self._looks)

    def routes(self) -> tuple[BaseRoute, ...]:
        found: list[BaseRoute] = []

        def get(path: str, handler: Callable[[Request], Response]) -> None:
            endpoint = requires("viewer")(self._gate.endpoint(handler))
            if path in ("/studies", _STUDY):
                endpoint = self._with_post(endpoint)
                found.append(Route(PATH + path, endpoint, methods=["GET", "POST"]))
            else:
                found.append(Route(PATH + path, endpoint, methods=["GET"]))

        get("/studies", self._search(Level.STUDY))
        get("/series", self._search(Level.SERIES))
        get("/instances", self._search(Level.INSTANCE))
        get(_STUDY + "/series", self._search(Level.SERIES))
        get(_STUDY + "/instances", self._search(Level.INSTANCE))
        get(_SERIES + "/instances", self._search(Level.INSTANCE))
        for path in (_STUDY, _SERIES, _INSTANCE):
            get(path, self._reading(self._instances))
            get(path + "/metadata", self._reading(self._metadata))
            get(path + "/rendered", self._reading(self._pictures))
            get(path + "/thumbnail", self._reading(self._thumbnail))
        get(_FRAMES, self._reading(self._frames))
        get(_FRAMES + "/rendered", self._reading(self._frame_picture))
        get(_FRAMES + "/thumbnail", self._reading(self._thumbnail))
        get(_INSTANCE + "/bulkdata/{path:path}", self._reading(self._bulk_data))
        return tuple(found)

    def _with_post(self, get: Endpoint) -> Endpoint:
        @requires("operator")
        async def post(request: Request) -> Response:
            if self._storing is None:
                raise Problem(405, "this service takes no objects in", {"Allow": "GET"})
            return await self._storing.answer(request, _uid(request, "study"))

        async def endpoint(request: Request) -> Response:
            if request.method != "POST":
                return await get(request)
            try:
                return await post(request)
            except Problem as problem:
                return problem.response()

        return endpoint

    def _search(self, level: Level) -> Callable[[Request], Response]:
        def search(request: Request) -> Response:
            study, series = _uid(request, "study"), _uid(request, "series")
            self._looks.tell(request, "query", study, f"{level.name.lower()} {request.url.query}")
            return answer_search(request, self._holdings, self._addresses, level, study, series)

        return search

    def _reading(
        self, answer: Callable[[Request, list[Held]], Response]
    ) -> Callable[[Request], Response]:
        """Find what a path names, tell of the look, and answer."""

        def read(request: Request) -> Response:
            study, series = _uid(request, "study"), _uid(request, "series")
            instance = _uid(request, "instance")
            if instance is not None:
                found = [self._holdings.one(study, series, instance)]
            else:
                found = self._holdings.objects(study, series)
                if not found:
                    raise not_found("the study" if series is None else "the series")
            self._looks.tell(request, "read", study)
            return answer(request, found)

        return read

    def _instances(self, request: Request, found: list[Held]) -> Response:
        return self._retrieving.instances(request, found, "instance" in request.path_params)

    def _metadata(self, request: Request, found: list[Held]) -> Response:
        return self._retrieving.metadata(request, found)

    def _frames(self, request: Request, found: list[Held]) -> Response:
        numbers = frame_numbers(request.path_params["frames"])
        return self._retrieving.frames(request, found[0], numbers)

    def _bulk_data(self, request: Request, found: list[Held]) -> Response:
        return self._retrieving.bulk_data(request, found[0], request.path_params["path"])

    def _pictures(self, request: Request, found: list[Held]) -> Response:
        if "instance" in request.path_params:
            return self._rendered.frame(request, found[0], None)
        return self._rendered.several(request, found)

    def _frame_picture(self, request: Request, found: list[Held]) -> Response:
        return self._rendered.frame(request, found[0], _one_frame(request))

    def _thumbnail(self, request: Request, found: list[Held]) -> Response:
        number = _one_frame(request) if "frames" in request.path_params else None
        return self._rendered.thumbnail(request, _largest_series(found), number)


def _uid(request: Request, name: str) -> str | None:
    """A UID of the path; None where the path has none."""
    text = request.path_params.get(name)
    if text is not None and not is_valid_uid(text):
        raise Problem(400, f"{name}: found {quoted(text)}, expected a UID by PS3.5 9.1")
    return text


def _one_frame(request: Request) -> int:
    numbers = frame_numbers(request.path_params["frames"])
    if len(numbers) != 1:
        raise Problem(400, "a picture is of one frame")
    return numbers[0]


def _largest_series(found: list[Held]) -> list[Held]:
    """The images of a study rather than what was made of them."""
    by_series: dict[str, list[Held]] = {}
    for held in found:
        by_series.setdefault(held.series, []).append(held)
    return max(by_series.values(), key=len)
