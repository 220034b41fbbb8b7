"""Addresses of reader studies."""

from __future__ import annotations

from starlette.routing import BaseRoute, Route

from dicomnode.store.database import Database
from dicomnode.web.look import OnLook
from dicomnode.web.operator.description import Described
from dicomnode.web.reader_study.answers import posted_by, shown_to
from dicomnode.web.reader_study.reading_pages import ReadingPages
from dicomnode.web.reader_study.shown import OwnStudies, Standings
from dicomnode.web.reader_study.study_pages import StudyPages
from dicomnode.web.row_number import row_number


def reader_study_routes(database: Database, on_look: OnLook) -> tuple[BaseRoute, ...]:
    """Serve reader studies: viewers take part, operators close them and see results.

    Parameters
    ----------
    database : Database
        It names the files that are read; nothing else of the node is needed.
    on_look : callable
        Told of each look at a case, and at results, before it is answered.
    """
    reading = ReadingPages(database, on_look)
    studies = StudyPages(database, on_look)
    at = f"/reader-studies/{row_number('id')}"
    case = f"{at}/cases/{row_number('number')}"
    post = ["POST"]
    return (
        Route("/reader-studies", shown_to("viewer", studies.list)),
        Route(at, shown_to("viewer", studies.study)),
        Route(case, shown_to("viewer", reading.case)),
        Route(f"{case}/plain", shown_to("viewer", reading.plain)),
        Route(f"{case}/volume", shown_to("viewer", reading.volume)),
        Route(f"{case}/pictures/{{plane}}.png", shown_to("viewer", reading.picture)),
        Route(f"{case}/answer", posted_by("viewer", reading.answer), methods=post),
        Route(f"{at}/close", posted_by("operator", studies.close), methods=post),
        Route(f"{at}/results", shown_to("operator", studies.results)),
        Route(f"{at}/{{table}}.csv", shown_to("operator", studies.csv)),
        Route("/api/reader-studies", shown_to("operator", studies.standings_json)),
        Route("/api/reader-studies/own", shown_to("viewer", studies.own_json)),
        Route(f"/api{at}/results", shown_to("operator", studies.results_json)),
    )


DESCRIBED = (
    Described(
        "/api/reader-studies",
        "Reader studies, and how far their readers are.",
        "operator",
        Standings,
    ),
    Described(
        "/api/reader-studies/own",
        "Reader studies that the one who asks may take part in.",
        "viewer",
        OwnStudies,
    ),
)
"""For the OpenAPI description."""
