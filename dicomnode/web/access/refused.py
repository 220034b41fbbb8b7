"""Answers to those who may not: JSON for programs, pages for people."""

from __future__ import annotations

from http import HTTPStatus
from urllib.parse import urlencode

from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection, Request
from starlette.responses import JSONResponse, RedirectResponse, Response

from dicomnode.web.access.sign_in_event import OnSignIn, SignInEvent
from dicomnode.web.pages import page

SIGN_IN = "/sign-in"


def wants_page(conn: HTTPConnection) -> bool:
    """Whether a person at a browser asks, who can do nothing with JSON."""
    return "text/html" in conn.headers.get("accept", "")


def refused(
    conn: HTTPConnection, status: int, reason: str, headers: dict[str, str] | None = None
) -> Response:
    """Say no, and why.

    Parameters
    ----------
    conn : HTTPConnection
    status : int
    reason : str
        For the one who asked.
    headers : dict of str to str, optional
    """
    if wants_page(conn):
        request = Request(conn.scope)
        title = HTTPStatus(status).phrase
        answer = page(request, "refused.html.j2", status, title=title, reason=reason)
        answer.headers.update(headers or {})
        return answer
    return JSONResponse({"detail": reason}, status, headers)


class Refuser:
    """Turns an `HTTPException` into an answer; one that is not allowed yet is asked to sign in.

    Parameters
    ----------
    on_sign_in : callable
        Told of what somebody's role does not allow.
    """

    def __init__(self, on_sign_in: OnSignIn) -> None:
        self._on_sign_in = on_sign_in

    def __call__(self, request: Request, error: HTTPException) -> Response:
        """Answer; 403 for nobody known is 401."""
        if error.status_code not in (401, 403) or "user" not in request.scope:
            return refused(request, error.status_code, error.detail, error.headers)
        if not request.user.is_authenticated:
            return unknown(request)
        path = request.url.path
        event = SignInEvent("forbidden", request.user.name, request.client.host, path)
        self._on_sign_in(event)
        reason = f"the role {request.user.role} does not allow this"
        return refused(request, 403, reason, error.headers)


def unknown(request: Request) -> Response:
    """Ask to sign in: by 401, or with the page for that, which leads back here."""
    if request.method not in ("GET", "HEAD") or not wants_page(request):
        return refused(request, 401, "sign in first", {"WWW-Authenticate": "Bearer"})
    if request.headers.get("sec-fetch-site") in ("cross-site", "same-site"):
        # Who comes by a link of another site brings no SameSite=Strict cookie. A page of this
        # service that asks once more does.
        return page(request, "once_more.html.j2", address=_here(request))
    return RedirectResponse(f"{SIGN_IN}?{urlencode({'next': _here(request)})}", 303)


def _here(request: Request) -> str:
    path, query = request.url.path, request.url.query
    return f"{path}?{query}" if query else path
