"""The reader's addresses: one case at a time, its voxels, its pictures, and the answer."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import parse_qs

from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response

from dicomnode.reader_study.answering import MOST_WORDS, Asked, NotTaken, answer
from dicomnode.reader_study.letters import LETTERS
from dicomnode.reader_study.taking_part import (
    Closed,
    NotThere,
    begin,
    presentation_for,
    progress_of,
    seen,
    study_for,
)
from dicomnode.store.database import Database
from dicomnode.store.tables import ReaderStudy, ReaderStudyPresentation
from dicomnode.web.lesion.bundle import MEDIA_TYPE
from dicomnode.web.lesion.plane_pictures import PLANES
from dicomnode.web.look import Action, OnLook, look_by
from dicomnode.web.operator.looks import LooksOnce
from dicomnode.web.pages import page
from dicomnode.web.reader_study.case_body import OpenedCases, case_body
from dicomnode.web.reader_study.case_picture import case_picture, lesion_planes
from dicomnode.web.reader_study.shown import own_progress
from pipelines.reader_study.reading import Origin


class ReadingPages:
    """The handlers of readers; they block, and run in Starlette's threads."""

    def __init__(self, database: Database, on_look: OnLook) -> None:
        self._database = database
        self._on_look = on_look
        self._on_pictures = LooksOnce(on_look)
        self._opened = OpenedCases()

    def case(self, request: Request) -> Response:
        """The page of one case; its script asks for the rest."""
        study, shown = self._open(request)
        return page(request, "reading_case.html.j2", **self._of_page(request, study, shown))

    def plain(self, request: Request) -> Response:
        """The same without scripts: pictures, and a form."""
        study, shown = self._open(request)
        self._look(request, shown)
        voxels = self._opened.read(shown.case.path)
        self._seen(shown)
        planes = [("axial", place) for place in lesion_planes(voxels)]
        planes += [(name, voxels.start[PLANES[name].through]) for name in ("coronal", "sagittal")]
        return page(
            request,
            "reading_plain.html.j2",
            planes=planes,
            **self._of_page(request, study, shown),
        )

    def volume(self, request: Request) -> Response:
        """HU and candidates, in the order of this reader."""
        study, shown = self._open(request)
        self._look(request, shown)
        body = case_body(self._opened.read(shown.case.path), shown.shown_order, study.display)
        self._seen(shown)
        return Response(body, media_type=MEDIA_TYPE)

    def picture(self, request: Request) -> Response:
        """All candidates on one plane as PNG."""
        study, shown = self._open(request)
        name, place = request.path_params["plane"], request.query_params.get("at", "")
        if name not in PLANES:
            raise NotThere(f"found no such plane, known are: {', '.join(PLANES)}")
        self._look(request, shown, told=self._on_pictures)  # many of one look
        voxels = self._opened.read(shown.case.path)
        try:
            drawn = case_picture(voxels, shown.shown_order, study.display, name, int(place))
        except (ValueError, IndexError):
            raise NotThere(f"found no {name} plane there") from None
        return Response(drawn, media_type="image/png")

    def answer(self, request: Request, body: bytes) -> Response:
        """Keep an answer, and say where to go on."""
        study_id, number = request.path_params["id"], request.path_params["number"]
        reader, fields = request.user.name, _fields(body)
        begin(self._database, study_id, reader)
        answer(self._database, study_id, reader, number, _asked(fields))
        with self._database.read() as session:
            shown = presentation_for(session, study_id, reader, number)
            self._look(request, shown, "judge")
            progress = progress_of(session, study_for(session, study_id, reader), reader)
        goal = f"/reader-studies/{study_id}"
        if number < progress.total:
            goal += f"/cases/{number + 1}" + ("/plain" if fields.get("plain") else "")
        if "application/json" in request.headers.get("accept", ""):
            return JSONResponse({"goal": goal, "answered": progress.answered})
        return RedirectResponse(goal, 303)

    def _open(self, request: Request) -> tuple[ReaderStudy, ReaderStudyPresentation]:
        """The case of the address as its reader sees it; an open study only."""
        study_id, number = request.path_params["id"], request.path_params["number"]
        reader = request.user.name
        begin(self._database, study_id, reader)
        with self._database.read() as session:
            study = study_for(session, study_id, reader)
            if study.closed_at is not None:
                raise Closed("the study is closed")
            shown = presentation_for(session, study_id, reader, number)
            _ = shown.answers  # read while there is a session
            if not shown.case.path:
                raise NotThere("the images of this case were deleted")
        return study, shown

    def _seen(self, shown: ReaderStudyPresentation) -> None:
        if shown.shown_at is None:
            seen(self._database, shown.id)

    def _of_page(
        self, request: Request, study: ReaderStudy, shown: ReaderStudyPresentation
    ) -> dict[str, object]:
        with self._database.read() as session:
            progress = own_progress(session, study, request.user.name)
        newest = shown.answers[-1] if shown.answers else None
        order = shown.shown_order
        judged = newest and newest.judged
        return {
            "study": study,
            "number": shown.number,
            "progress": progress,
            "letters": LETTERS[: len(order)],
            "origins": [origin.value for origin in Origin] if study.asks_origin else [],
            "most_words": MOST_WORDS,
            "chosen": LETTERS[order.index(newest.chosen)] if newest else "",
            "judged": dict(zip(LETTERS, (judged[index] for index in order), strict=False))
            if judged
            else {},
            "words": newest.words if newest else "",
        }

    def _look(
        self,
        request: Request,
        shown: ReaderStudyPresentation,
        action: Action = "read",
        told: OnLook | None = None,
    ) -> None:
        """Tell who looks; of what came from no DICOM study, at which address."""
        uid = shown.case.study_instance_uid
        if uid is not None:
            look = look_by(request, action, uid)
        else:
            look = look_by(request, "query", query=request.url.path)
        (told or self._on_look)(look)


def _fields(body: bytes) -> Mapping[str, str]:
    try:
        found = parse_qs(body.decode("utf-8"), keep_blank_values=True, max_num_fields=40)
    except ValueError:
        raise NotTaken("the form cannot be read") from None
    return {name: values[-1] for name, values in found.items()}


def _asked(fields: Mapping[str, str]) -> Asked:
    seconds = None
    if fields.get("seconds"):
        try:
            seconds = float(fields["seconds"])
        except ValueError:
            raise NotTaken("found a time that is no number") from None
    judged = [fields[name] for letter in LETTERS if (name := f"origin-{letter}") in fields]
    return Asked(fields.get("chosen", ""), judged, seconds, fields.get("words", ""))
