"""The page to sign in at, and signing out."""

from __future__ import annotations

import math
from urllib.parse import parse_qs

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from dicomnode.settings.web import WebSettings
from dicomnode.web.access.backend import Backend, NotSignedIn, cookie_name
from dicomnode.web.access.forgery import comes_from_here
from dicomnode.web.access.refused import SIGN_IN, refused
from dicomnode.web.access.sessions import Sessions
from dicomnode.web.access.sign_in_event import OnSignIn, SignInEvent
from dicomnode.web.pages import page

_MOST = 16 * 1024


class SignIn:
    """Routes of signing in and out.

    Parameters
    ----------
    settings : WebSettings
    backend : Backend
    sessions : Sessions
    on_sign_in : callable
    """

    def __init__(
        self, settings: WebSettings, backend: Backend, sessions: Sessions, on_sign_in: OnSignIn
    ) -> None:
        self._settings = settings
        self._backend = backend
        self._sessions = sessions
        self._on_sign_in = on_sign_in
        self.routes = (
            Route(SIGN_IN, self._show, methods=["GET"]),
            Route(SIGN_IN, self._sign_in, methods=["POST"]),
            Route("/sign-out", self._sign_out, methods=["POST"]),
        )

    def _show(self, request: Request) -> Response:
        goal = _own_path(request.query_params.get("next", ""))
        if request.user.is_authenticated:
            return RedirectResponse(goal, 303)
        return page(request, "sign_in.html.j2", goal=goal, problem="")

    async def _sign_in(self, request: Request) -> Response:
        if not comes_from_here(request):
            return refused(request, 403, "this did not come from a page of this service")
        body = b""
        async for chunk in request.stream():
            body += chunk
            if len(body) > _MOST:
                return refused(request, 413, f"more than {_MOST} bytes to sign in with")
        form = parse_qs(body.decode("utf-8", "replace"), max_num_fields=20)
        goal = _own_path(form.get("next", [""])[0])
        address = request.client.host
        try:
            token = await self._backend.prove(form.get("token", [""])[0].strip(), address)
        except NotSignedIn as error:
            status, headers = 403, {}
            if error.wait_s:
                status, headers = 429, {"Retry-After": str(math.ceil(error.wait_s))}
            answer = page(request, "sign_in.html.j2", status, goal=goal, problem=str(error))
            answer.headers.update(headers)
            return answer
        name = cookie_name(request)
        former = self._sessions.find(request.cookies.get(name, ""))
        if former is not None:
            self._sessions.end(former[0])
        answer = RedirectResponse(goal, 303)
        answer.set_cookie(
            name,
            self._sessions.begin(token.key),
            max_age=int(self._sessions.longest_s),
            path="/",
            secure=request.url.scheme == "https",
            httponly=True,
            samesite="strict",
        )
        self._on_sign_in(SignInEvent("in", token.name, address))
        return answer

    def _sign_out(self, request: Request) -> Response:
        goal = SIGN_IN
        if request.user.is_authenticated:
            if request.user.how == "session":
                self._sessions.end(request.user.identity_key)
            proxy = self._settings.proxy
            if request.user.how == "proxy" and proxy.sign_out_url is not None:
                goal = proxy.sign_out_url
            self._on_sign_in(SignInEvent("out", request.user.name, request.client.host))
        answer = RedirectResponse(goal, 303, {"Clear-Site-Data": '"cache"'})
        answer.delete_cookie(
            cookie_name(request),
            path="/",
            secure=request.url.scheme == "https",
            httponly=True,
            samesite="strict",
        )
        return answer


def _own_path(found: str) -> str:
    """A path of this service to go on to; nobody is led elsewhere by a link to the sign-in."""
    own = found.startswith("/") and not found.startswith(("//", "/\\")) and found.isprintable()
    return found if own and "\\" not in found else "/"
