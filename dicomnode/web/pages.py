"""Pages from templates: one house style, nothing asked from elsewhere, nothing run inline."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import HTMLResponse
from starlette.routing import Mount
from starlette.staticfiles import StaticFiles

from dicomnode.web.words import FILTERS

_HERE = Path(__file__).parent

_TEMPLATES = Environment(
    loader=FileSystemLoader(_HERE / "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_TEMPLATES.filters.update(FILTERS)


def page(request: Request, template: str, status_code: int = 200, **values: Any) -> HTMLResponse:
    """Render a template of ``dicomnode/web/templates``, which extends ``base.html.j2``.

    Every template also has `request`, `user` (None for nobody known), `may` (scopes) and
    `csrf_token`, which goes into each form as a hidden field of that name.

    Parameters
    ----------
    request : Request
    template : str
        Name of its file.
    status_code : int
    **values
        What the template names; one that is missing is an error.
    """
    user, auth = request.scope.get("user"), request.scope.get("auth")
    shown = {
        "request": request,
        "user": user if user is not None and user.is_authenticated else None,
        "may": () if auth is None else auth.scopes,
        "csrf_token": getattr(request.state, "csrf_token", ""),
    }
    text = _TEMPLATES.get_template(template).render(shown | values)
    return HTMLResponse(text, status_code=status_code)


def static_files() -> Mount:
    """Serve ``dicomnode/web/static`` under ``/static``."""
    return Mount("/static", StaticFiles(directory=_HERE / "static"), name="static")
