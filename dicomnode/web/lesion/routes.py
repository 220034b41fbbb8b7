"""Addresses of the lesion page and of what it draws."""

from __future__ import annotations

from dataclasses import asdict

from pydantic import ValidationError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from dicomnode.store.database import Database
from dicomnode.store.tables import Lesion
from dicomnode.store.verdicts import REASONS
from dicomnode.web.lesion.answers import for_viewers, posted_by_viewers
from dicomnode.web.lesion.bundle import MEDIA_TYPE, bundle
from dicomnode.web.lesion.drawn import mask_arrays, said_of, whole_slices_bundle
from dicomnode.web.lesion.judging import (
    VerdictAsked,
    keep_verdict,
    mended,
    new_verdict,
    verdicts_of,
)
from dicomnode.web.lesion.measured import measured
from dicomnode.web.lesion.opened import OpenedLesions
from dicomnode.web.lesion.plane_pictures import PLANES, drawn_planes, plane_picture
from dicomnode.web.lesion.records import LesionRecord, NotShown, lesion_record
from dicomnode.web.lesion.workbench import NotComputed, Workbench
from dicomnode.web.look import Action, Look, OnLook
from dicomnode.web.pages import page
from dicomnode.web.row_number import row_number


def lesion_routes(
    database: Database, on_look: OnLook, workbench: Workbench
) -> tuple[BaseRoute, ...]:
    """Serve the page of each lesion to whoever signed in as a viewer.

    Parameters
    ----------
    database : Database
        It names the files that are read; nothing else of the node is needed.
    on_look : callable
        Told of each request for a patient's data before it is answered.
    workbench : Workbench
        Computes other methods' results; the caller stops it.
    """
    lesions = _Lesions(database, on_look, workbench)
    at = f"/lesions/{row_number('id')}"
    return (
        Route(at, for_viewers(lesions.page)),
        Route(f"{at}/plain", for_viewers(lesions.plain)),
        Route(f"{at}/volume", for_viewers(lesions.volume)),
        Route(f"{at}/slices", for_viewers(lesions.slices)),
        Route(f"{at}/measurements", for_viewers(lesions.measurements)),
        Route(f"{at}/methods/{{method}}", for_viewers(lesions.method)),
        Route(f"{at}/pictures/{{plane}}.png", for_viewers(lesions.picture)),
        Route(f"{at}/verdicts", for_viewers(lesions.verdicts), methods=["GET"]),
        Route(
            f"{at}/verdicts",
            posted_by_viewers(lesions.judge, "application/json"),
            methods=["POST"],
        ),
        Route(f"{at}/mended", posted_by_viewers(lesions.mended, MEDIA_TYPE), methods=["POST"]),
    )


class _Lesions:
    """The handlers; they block, and run in Starlette's threads."""

    def __init__(self, database: Database, on_look: OnLook, workbench: Workbench) -> None:
        self._database = database
        self._on_look = on_look
        self._workbench = workbench
        self._opened = OpenedLesions()

    def page(self, request: Request) -> Response:
        """The page; its script asks for the rest."""
        record = self._record(request)
        return page(
            request,
            "lesion.html.j2",
            lesion=record.lesion,
            methods=[m for m in self._workbench.methods if m != record.lesion.method],
            reasons=REASONS,
        )

    def plain(self, request: Request) -> Response:
        """The same without scripts: pictures and measurements."""
        record = self._record(request)
        drawn = self._opened.read(record)
        return page(
            request,
            "lesion_plain.html.j2",
            lesion=record.lesion,
            planes=list(PLANES),
            axial=drawn_planes(drawn),
            measured=measured(record),
        )

    def volume(self, request: Request) -> Response:
        """HU, alpha and trimap around the lesion, and what is said of them."""
        return _body(self._opened.read(self._record(request)).bundle())

    def slices(self, request: Request) -> Response:
        """HU of the slices around it out to their edges."""
        return _body(whole_slices_bundle(self._record(request)))

    def measurements(self, request: Request) -> Response:
        """What it measures, with units. The page asks once it has drawn, and is at leisure then."""
        rows = measured(self._record(request))
        self._workbench.warm_up()
        return JSONResponse([asdict(row) for row in rows])

    def method(self, request: Request) -> Response:
        """Alpha and trimap by another method, computed now."""
        method = request.path_params["method"]
        if method not in self._workbench.methods:
            known = ", ".join(self._workbench.methods)
            raise NotShown(f"found the method {method!r}, known are: {known}")
        record = self._record(request)
        with self._database.read() as session:
            lesion = session.get_one(Lesion, record.lesion.id)
            asked = self._workbench.request(session, lesion, method)
        mask = self._workbench.segment(asked)
        return _body(bundle(said_of(mask), mask_arrays(mask, self._opened.read(record).grid)))

    def picture(self, request: Request) -> Response:
        """A plane as PNG, at a place that the query may say."""
        name, place = request.path_params["plane"], request.query_params.get("at")
        if name not in PLANES:
            raise NotShown(f"found the plane {name!r}, known are: {', '.join(PLANES)}")
        try:
            at = None if place is None else int(place)
            picture = plane_picture(self._opened.read(self._record(request)), name, at)
        except (ValueError, IndexError):
            raise NotShown(f"found no {name} plane at {place!r}") from None
        return Response(picture, media_type="image/png")

    def mended(self, request: Request, body: bytes) -> Response:
        """Alpha within a trimap that a reader mended; nothing is kept."""
        drawn = self._opened.read(self._record(request))
        mask = mended(drawn, body, self._workbench)
        return _body(bundle(said_of(mask), mask_arrays(mask, drawn.grid)))

    def verdicts(self, request: Request) -> Response:
        """What was said of it."""
        record = self._record(request)
        with self._database.read() as session:
            return JSONResponse(verdicts_of(session, record.lesion.id))

    def judge(self, request: Request, body: bytes) -> Response:
        """Keep what a reader says of it."""
        try:
            asked = VerdictAsked.model_validate_json(body)
        except ValidationError as error:
            # Not the input, which may name a patient.
            raise NotComputed("; ".join(one["msg"] for one in error.errors())) from None
        record = self._record(request, "judge")
        who = request.user.display_name
        verdict = new_verdict(record, self._opened.read(record), asked, who, self._workbench)
        keep_verdict(self._database, record, verdict)
        with self._database.read() as session:
            return JSONResponse(verdicts_of(session, record.lesion.id), 201)

    def _record(self, request: Request, action: Action = "read") -> LesionRecord:
        """The lesion of the address; that somebody looks at it is told."""
        with self._database.read() as session:
            record = lesion_record(session, request.path_params["id"])
        self._on_look(
            Look(
                user=request.user.display_name,
                address="" if request.client is None else request.client.host,
                action=action,
                study_instance_uid=record.lesion.study_instance_uid,
            )
        )
        return record


def _body(content: bytes) -> Response:
    return Response(content, media_type=MEDIA_TYPE)
