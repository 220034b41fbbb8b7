"""The addresses of whole studies: which there are, how they stand, and what came of them."""

from __future__ import annotations

from typing import Any

from pydantic import TypeAdapter
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response

from dicomnode.reader_study.ending import close
from dicomnode.reader_study.letters import LETTERS
from dicomnode.reader_study.taking_part import NotThere, find_study, is_invited
from dicomnode.store.database import Database
from dicomnode.store.tables import ReaderStudy
from dicomnode.web.look import OnLook, look_by
from dicomnode.web.pages import page
from dicomnode.web.reader_study.shown import own_progress, own_studies, standing_of, standings
from pipelines.reader_study.reading import Origin

_TABLES = ("answers", "origins")


class StudyPages:
    """The handlers; they block, and run in Starlette's threads."""

    def __init__(self, database: Database, on_look: OnLook) -> None:
        self._database = database
        self._on_look = on_look

    def list(self, request: Request) -> Response:
        """Studies that one may take part in; for operators all, and how they stand."""
        operates = "operator" in request.auth.scopes
        with self._database.read() as session:
            own = own_studies(session, request.user.name)
            all_of_them = standings(session) if operates else None
        return page(request, "reader_studies.html.j2", own=own, standings=all_of_them)

    def own_json(self, request: Request) -> Response:
        """Studies that one may take part in."""
        with self._database.read() as session:
            return _json(own_studies(session, request.user.name))

    def standings_json(self, request: Request) -> Response:
        """All studies, and how they stand."""
        with self._database.read() as session:
            return _json(standings(session))

    def study(self, request: Request) -> Response:
        """Where a reader begins; for operators how the study stands."""
        operates = "operator" in request.auth.scopes
        with self._database.read() as session:
            study = find_study(session, request.path_params["id"])
            invited = is_invited(study, request.user.name)
            if not (invited or operates):
                raise NotThere("found no such reader study")
            own = own_progress(session, study, request.user.name) if invited else None
            standing = standing_of(session, study) if operates else None
        return page(
            request,
            "reader_study.html.j2",
            title=study.title,
            study=study,
            own=own,
            standing=standing,
        )

    def close(self, request: Request, _: bytes) -> Response:
        """Take no more answers."""
        number = request.path_params["id"]
        close(self._database, number, request.user.name)
        self._on_look(look_by(request, "query", query=request.url.path))
        return RedirectResponse(f"/reader-studies/{number}/results", 303)

    def results(self, request: Request) -> Response:
        """What came of a closed study."""
        # Here and below, for figures load SciPy, which a node that starts need not wait for.
        from dicomnode.reader_study.readings import study_results

        with self._database.read() as session:
            study = self._closed(session, request)
            results = study_results(session, study)
            repeated = sum(case.repeated for case in study.cases)
        return page(
            request,
            "reader_study_results.html.j2",
            study=study,
            results=results,
            origins=[origin.value for origin in Origin],
            repeated=repeated,
            letters=LETTERS,
        )

    def results_json(self, request: Request) -> Response:
        """The same, with everything that it was made of."""
        from dicomnode.reader_study.exports import results_json

        with self._database.read() as session:
            return JSONResponse(results_json(session, self._closed(session, request)))

    def csv(self, request: Request) -> Response:
        """Answers, one row each."""
        from dicomnode.reader_study.exports import answers_csv, origins_csv

        table = request.path_params["table"]
        if table not in _TABLES:
            raise HTTPException(404, f"known are: {', '.join(_TABLES)}")
        write = answers_csv if table == "answers" else origins_csv
        with self._database.read() as session:
            study = self._closed(session, request)
            text = write(session, study)
        name = f"{study.name}-{table}.csv"
        return Response(
            text.encode(),
            media_type="text/csv; charset=utf-8",
            headers={"Content-Disposition": f'attachment; filename="{name}"'},
        )

    def _closed(self, session: Any, request: Request) -> ReaderStudy:
        """A study whose readers need not be blind any more; that somebody looks is told."""
        study = find_study(session, request.path_params["id"])
        if study.closed_at is None:
            raise HTTPException(409, "results are shown once the study is closed")
        self._on_look(look_by(request, "query", query=request.url.path))
        return study


def _json(shown: Any) -> Response:
    return Response(TypeAdapter(type(shown)).dump_json(shown), media_type="application/json")
