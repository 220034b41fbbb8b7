"""The application: health for whoever watches the node, metrics for Prometheus, and the pages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from dicomnode.health.checks import Check
from dicomnode.health.health import Health
from dicomnode.web.access.access import Access
from dicomnode.web.pages import static_files

_NEVER_KEPT = {"Cache-Control": "no-store"}


def application(
    health: Health,
    metrics: CollectorRegistry,
    access: Access,
    routes: Sequence[BaseRoute] = (),
) -> Starlette:
    """Make the application; its functions block, and so run in Starlette's threads.

    Parameters
    ----------
    health : Health
    metrics : CollectorRegistry
    access : Access
        What every request passes, and the routes to sign in.
    routes : sequence of BaseRoute
        What else is served.
    """

    def live(_request: Request) -> Response:
        return _as_json("live", health.live())

    def ready(_request: Request) -> Response:
        return _as_json("ready", health.ready())

    def show_metrics(_request: Request) -> Response:
        text = generate_latest(metrics)
        return Response(text, media_type=CONTENT_TYPE_LATEST, headers=_NEVER_KEPT)

    return Starlette(
        routes=[
            Route("/health/live", access.watched(live)),
            Route("/health/ready", access.watched(ready)),
            Route("/metrics", access.watched(show_metrics)),
            static_files(),
            *access.routes,
            *routes,
        ],
        middleware=list(access.middleware),
        exception_handlers=access.exception_handlers,
    )


def _as_json(name: str, checks: tuple[Check, ...]) -> Response:
    """200 where all pass, else 503; in both cases what each found."""
    passed = all(check.passed for check in checks)
    return JSONResponse(
        {name: passed, "checks": [asdict(check) for check in checks]},
        status_code=200 if passed else 503,
        headers=_NEVER_KEPT,
    )
