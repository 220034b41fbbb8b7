"""Addresses of the operator's pages and of their twins in JSON."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import TypeAdapter
from sqlalchemy.orm import Session
from starlette.authentication import requires
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from dicomnode.audit import LogUsed, NullTrail, Participant, Trail
from dicomnode.jobs.touched_studies import studies_touched
from dicomnode.settings import NodeSettings
from dicomnode.settings.web import RoleName
from dicomnode.store.database import Database
from dicomnode.store.uid import is_valid_uid
from dicomnode.web.look import OnLook, look_by
from dicomnode.web.operator import deliveries, lesions, studies
from dicomnode.web.operator.acting import asked_in_form, asked_in_json, do
from dicomnode.web.operator.audit_log import AuditLog, read_audit_log
from dicomnode.web.operator.configuration import Configuration, shown_configuration
from dicomnode.web.operator.deliveries import DeliveryList, list_deliveries
from dicomnode.web.operator.description import Described, described
from dicomnode.web.operator.destinations import Destinations, list_destinations
from dicomnode.web.operator.lesions import LesionList, list_lesions
from dicomnode.web.operator.listing import Listing, read_listing
from dicomnode.web.operator.looks import LooksOnce
from dicomnode.web.operator.rules import Rules, list_rules
from dicomnode.web.operator.running import Running, read_running
from dicomnode.web.operator.studies import Study, StudyList, list_studies, read_study
from dicomnode.web.pages import page
from dicomnode.web.reader_study.routes import DESCRIBED as READER_STUDIES


@dataclass(frozen=True)
class _List:
    """What a list can be asked for."""

    sorts: Collection[str]
    default: str
    filters: Mapping[str, Collection[str] | None]

    def read(self, request: Request) -> Listing:
        return read_listing(request.query_params, self.sorts, self.default, self.filters)


@dataclass(frozen=True)
class _Page:
    """One page and its twin."""

    path: str
    summary: str
    role: RoleName
    shown: type
    template: str
    read: Callable[[Session, Request, Listing | None], Any]
    asked: _List | None = None
    audited: bool = False
    """Whether it shows studies, so that who looks is for the audit trail."""


def operator_routes(
    settings: NodeSettings,
    database: Database,
    on_look: OnLook = lambda look: None,
    lesion_pages: bool = False,
    trail: Trail | None = None,
) -> tuple[BaseRoute, ...]:
    """Serve what the node does, and let operators act. Needs the database and files only.

    Parameters
    ----------
    settings : NodeSettings
    database : Database
    on_look : callable, optional
        Told of each look at studies, before it is answered.
    lesion_pages : bool
        Whether ``/lesions/{number}`` shows a lesion's voxels; lists link there then.
    trail : Trail, optional
        Told of who reads the audit trail.
    """
    trail = trail or NullTrail()
    looks = LooksOnce(on_look)
    names = [destination.name for destination in settings.destinations]

    def study(session: Session, request: Request, _: Listing | None) -> Study:
        uid = request.path_params["uid"]
        found = read_study(session, uid, names) if is_valid_uid(uid) else None
        if found is None:
            raise HTTPException(404, "the node knows nothing of such a study")
        return found

    def audit_log(_: Session, request: Request, __: Listing | None) -> AuditLog:
        user, folder = Participant(request.user.name, request.client.host), settings.store.audit
        trail.note(LogUsed(user, str(request.url.replace(query=""))))
        asked = request.query_params.get("study", "").strip()
        if asked and not is_valid_uid(asked):
            raise HTTPException(400, "found a study that is no UID, expected digits and dots")
        return read_audit_log(folder, asked)

    pages = (
        _Page(
            "/studies",
            "Studies that hold marks, and what became of these.",
            "viewer",
            StudyList,
            "studies.html.j2",
            lambda session, _, listing: list_studies(session, listing),
            _List(studies.SORTS, "-changed", studies.FILTERS),
            audited=True,
        ),
        _Page(
            "/studies/{uid}",
            "One study: its series, the way of its lesions, and why each stands where it does.",
            "viewer",
            Study,
            "study.html.j2",
            study,
            audited=True,
        ),
        _Page(
            "/lesions",
            "Lesions and the way of each, from the mark to the committed result.",
            "viewer",
            LesionList,
            "lesions.html.j2",
            lambda session, _, listing: list_lesions(session, listing),
            _List(lesions.SORTS, "-changed", lesions.FILTERS),
            audited=True,
        ),
        _Page(
            "/deliveries",
            "Results on their way to destinations, with the peers' words.",
            "viewer",
            DeliveryList,
            "deliveries.html.j2",
            lambda session, _, listing: list_deliveries(session, listing),
            _List(deliveries.SORTS, "-changed", deliveries.FILTERS),
        ),
        _Page(
            "/destinations",
            "Destinations: whether they are there, and what they take.",
            "viewer",
            Destinations,
            "destinations.html.j2",
            lambda session, *_: list_destinations(session, settings.destinations),
        ),
        _Page(
            "/rules",
            "The rules in force, and which of them fired.",
            "viewer",
            Rules,
            "rules.html.j2",
            lambda session, *_: list_rules(session, settings.store.path),
        ),
        _Page(
            "/running",
            "Queues, throughput and disk.",
            "viewer",
            Running,
            "running.html.j2",
            lambda session, *_: read_running(session, settings),
        ),
        _Page(
            "/configuration",
            "The configuration as it was loaded, without secrets.",
            "administrator",
            Configuration,
            "configuration.html.j2",
            lambda *_: shown_configuration(settings),
        ),
        _Page(
            "/audit",
            "The newest messages of the audit trail.",
            "administrator",
            AuditLog,
            "audit.html.j2",
            audit_log,
        ),
    )
    found: list[BaseRoute] = [Route("/", requires("viewer")(_home))]
    for one in pages:
        found += _twins(one, database, looks, lesion_pages)
    found += _acts(database, on_look)
    description = described([*(_described(one) for one in pages), *READER_STUDIES])

    def openapi(request: Request) -> Response:
        return JSONResponse(description)

    found.append(Route("/openapi.json", requires("viewer")(openapi)))
    return tuple(found)


def _home(request: Request) -> Response:
    return RedirectResponse("/studies", 303)


def _described(one: _Page) -> Described:
    asked = one.asked
    return Described(
        f"/api{one.path}",
        one.summary,
        one.role,
        one.shown,
        () if asked is None else asked.sorts,
        None if asked is None else asked.filters,
    )


def _twins(one: _Page, database: Database, looks: OnLook, lesion_pages: bool) -> list[BaseRoute]:
    json_of = TypeAdapter(one.shown)

    def read(request: Request) -> tuple[Any, Listing | None]:
        listing = None if one.asked is None else one.asked.read(request)
        if one.audited:
            uid = request.path_params.get("uid")
            if uid is None:
                looks(look_by(request, "query", query=f"{one.path}?{request.url.query}"))
            elif is_valid_uid(uid):
                looks(look_by(request, "read", uid))
        with database.read() as session:
            return one.read(session, request, listing), listing

    def as_page(request: Request) -> Response:
        shown, listing = read(request)
        return page(
            request,
            one.template,
            shown=shown,
            listing=listing,
            filters={} if one.asked is None else one.asked.filters,
            lesion_pages=lesion_pages,
            here=one.path,
        )

    def as_json(request: Request) -> Response:
        return Response(json_of.dump_json(read(request)[0]), media_type="application/json")

    return [
        Route(one.path, requires(one.role)(as_page)),
        Route(f"/api{one.path}", requires(one.role)(as_json)),
    ]


def _acts(database: Database, on_look: OnLook) -> list[BaseRoute]:
    async def act(request: Request, read: Callable[[bytes], Any]) -> Any:
        asked = read(await request.body())

        def done() -> Any:
            acted = do(database, asked, request.user.name)
            with database.read() as session:
                for uid in studies_touched(session, acted.changes):
                    on_look(look_by(request, "act", uid))
            return acted

        return await run_in_threadpool(done)

    @requires("operator")
    async def by_form(request: Request) -> Response:
        return page(request, "acted.html.j2", acted=await act(request, asked_in_form))

    @requires("operator")
    async def by_json(request: Request) -> Response:
        if request.headers.get("content-type", "").partition(";")[0] != "application/json":
            raise HTTPException(415, "expected application/json")
        acted = await act(request, asked_in_json)
        return Response(TypeAdapter(type(acted)).dump_json(acted), media_type="application/json")

    return [
        Route("/jobs", by_form, methods=["POST"]),
        Route("/api/jobs", by_json, methods=["POST"]),
    ]
