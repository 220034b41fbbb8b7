"""All of it together, as the application takes it."""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import ip_network

from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.authentication import AuthenticationMiddleware
from starlette.requests import HTTPConnection, Request
from starlette.responses import JSONResponse, Response

from dicomnode.settings.web import WebSettings
from dicomnode.web.access.arrival import ArrivalMiddleware, is_watcher
from dicomnode.web.access.attempts import FailedAttempts
from dicomnode.web.access.backend import Backend, NotSignedIn
from dicomnode.web.access.bounds import BodyMiddleware
from dicomnode.web.access.forgery import ForgeryMiddleware
from dicomnode.web.access.headers import ALWAYS, HeadersMiddleware, HostMiddleware
from dicomnode.web.access.refused import Refuser, refused
from dicomnode.web.access.sessions import Sessions
from dicomnode.web.access.sign_in import SignIn
from dicomnode.web.access.sign_in_event import OnSignIn
from dicomnode.web.access.tokens import TokenFile

MOST_OF_A_BODY = 2**20
"""Bytes, of whatever is no upload."""
UPLOADS = "/dicom-web/"
"""Where STOW-RS is."""
LESIONS = "/lesions/"
"""Where mended trimaps are posted."""
MOST_OF_A_TRIMAP = 64 * 2**20
"""Bytes: that of the largest lesion, in base64."""


class Access:
    """Who may use the service: what every request passes, and the routes to sign in.

    Parameters
    ----------
    settings : WebSettings
    tokens : TokenFile
    on_sign_in : callable, optional
        Told of everybody who signs in or out or is refused.

    Attributes
    ----------
    routes : tuple of Route
    middleware : tuple of Middleware
        The outermost first.
    exception_handlers : dict
    """

    def __init__(
        self,
        settings: WebSettings,
        tokens: TokenFile,
        on_sign_in: OnSignIn = lambda event: None,
    ) -> None:
        sessions = Sessions(settings.session_hours * 3600, settings.idle_minutes * 60)
        backend = Backend(settings, tokens, sessions, FailedAttempts(), on_sign_in)
        self._watchers = tuple(ip_network(found) for found in settings.watchers)
        self.routes = SignIn(settings, backend, sessions, on_sign_in).routes
        self.middleware = (
            Middleware(HeadersMiddleware),
            Middleware(HostMiddleware, hosts=settings.hosts),
            Middleware(
                BodyMiddleware,
                most=MOST_OF_A_BODY,
                most_under={
                    UPLOADS: settings.max_upload_mb * 2**20,
                    LESIONS: MOST_OF_A_TRIMAP,
                },
            ),
            Middleware(ArrivalMiddleware, proxy=settings.proxy),
            Middleware(AuthenticationMiddleware, backend=backend, on_error=_not_signed_in),
            Middleware(ForgeryMiddleware),
        )
        self.exception_handlers = {HTTPException: Refuser(on_sign_in), Exception: _failed}

    def watched(self, handler: Callable[[Request], Response]) -> Callable[[Request], Response]:
        """Open a handler to programs that watch the node, by their address, and to viewers."""

        def guarded(request: Request) -> Response:
            may = is_watcher(request.scope, self._watchers) or "viewer" in request.auth.scopes
            if not may:
                raise HTTPException(403)
            return handler(request)

        return guarded


def _failed(_request: Request, _error: Exception) -> Response:
    # Outside of all middleware, so that it must bring its headers itself.
    return JSONResponse({"detail": "the service failed; its log says where"}, 500, ALWAYS)


def _not_signed_in(conn: HTTPConnection, error: NotSignedIn) -> Response:
    if error.wait_s:
        return refused(conn, 429, str(error), {"Retry-After": str(int(error.wait_s) + 1)})
    return refused(conn, 401, str(error), {"WWW-Authenticate": 'Bearer error="invalid_token"'})
