"""Finds out who asks: by the proxy, a token, a session, or that they sit at this machine."""

from __future__ import annotations

import logging
import threading
import time

from starlette.authentication import AuthCredentials, AuthenticationBackend, AuthenticationError
from starlette.concurrency import run_in_threadpool
from starlette.requests import HTTPConnection

from dicomnode.settings.web import WebSettings
from dicomnode.web.access.arrival import arrival_of
from dicomnode.web.access.attempts import FailedAttempts
from dicomnode.web.access.sessions import Sessions
from dicomnode.web.access.sign_in_event import OnSignIn, SignInEvent
from dicomnode.web.access.tokens import Token, TokenFile
from dicomnode.web.access.visitor import Visitor, credentials_of

logger = logging.getLogger(__name__)

_RENEWAL = "x-renewal"
"""What a page sends with a request that nobody made."""
_SEEN_AGAIN_S = 3600
_SEEN = 4096


class NotSignedIn(AuthenticationError):
    """What was shown proves nobody; `wait_s` where no more is looked at for a while."""

    def __init__(self, reason: str, wait_s: float = 0) -> None:
        super().__init__(reason)
        self.wait_s = wait_s


class Backend(AuthenticationBackend):
    """Asks each way of signing in, in this order: proxy, Bearer token, session, loopback.

    Parameters
    ----------
    settings : WebSettings
    tokens : TokenFile
    sessions : Sessions
    attempts : FailedAttempts
    on_sign_in : callable
        Told of somebody who comes without the sign-in page when they were not seen for an hour.
    """

    def __init__(
        self,
        settings: WebSettings,
        tokens: TokenFile,
        sessions: Sessions,
        attempts: FailedAttempts,
        on_sign_in: OnSignIn,
    ) -> None:
        self._settings = settings
        self._tokens = tokens
        self._sessions = sessions
        self._attempts = attempts
        self._on_sign_in = on_sign_in
        self._lock = threading.Lock()
        self._seen: dict[tuple[str, str, str], float] = {}

    async def authenticate(self, conn: HTTPConnection) -> tuple[AuthCredentials, Visitor] | None:
        """Find who asks; None for nobody, `NotSignedIn` where a token is shown that is none."""
        visitor = await self._visitor(conn)
        if visitor is None:
            return None
        if visitor.how != "session":
            self._seen_now(visitor, arrival_of(conn.scope).address)
        return credentials_of(visitor.role), visitor

    async def _visitor(self, conn: HTTPConnection) -> Visitor | None:
        arrival = arrival_of(conn.scope)
        if arrival.by_proxy and arrival.user:
            role = self._settings.proxy.role_of(arrival.groups)
            if role is None:
                return None
            return Visitor(arrival.user, role, "proxy", arrival.user)
        kind, _, shown = conn.headers.get("authorization", "").partition(" ")
        if kind.lower() == "bearer":
            token = await self.prove(shown.strip(), arrival.address)
            return Visitor(token.name, token.role, "token", token.key)
        cookie = conn.cookies.get(cookie_name(conn))
        found = None
        if cookie is not None:
            found = self._sessions.find(cookie, is_use=_RENEWAL not in conn.headers)
        if found is not None:
            key, session = found
            token = self._tokens.find(session.token_key)
            if token is not None:
                return Visitor(token.name, token.role, "session", key)
            self._sessions.end(key)
        if arrival.of_this_machine and self._settings.loopback_role != "none":
            return Visitor("loopback", self._settings.loopback_role, "loopback", "loopback")
        return None

    async def prove(self, shown: str, address: str) -> Token:
        """Find the token.

        Raises
        ------
        NotSignedIn
            If it is none, or this address has shown too many that were none.
        """
        token = self._tokens.remembered(shown)
        if token is not None:
            return token
        wait_s = self._attempts.wait_s(address)
        if wait_s:
            raise NotSignedIn("too many wrong tokens came from this address", wait_s)
        token = await run_in_threadpool(self._tokens.check, shown)
        if token is None:
            self._attempts.failed(address)
            self._on_sign_in(SignInEvent("refused", "", address, "no valid token"))
            logger.warning("web.sign_in_refused address=%s", address)
            raise NotSignedIn("this token is not known, has ended, or was revoked")
        return token

    def _seen_now(self, visitor: Visitor, address: str) -> None:
        who, now = (visitor.name, visitor.how, address), time.monotonic()
        with self._lock:
            last = self._seen.pop(who, None)
            self._seen[who] = now
            while len(self._seen) > _SEEN:
                del self._seen[next(iter(self._seen))]
        if last is None or now - last > _SEEN_AGAIN_S:
            self._on_sign_in(SignInEvent("in", visitor.name, address))


def cookie_name(conn: HTTPConnection) -> str:
    """Name of the session's cookie; with TLS one that no other host and no plain page can set."""
    return "__Host-dicomnode" if conn.url.scheme == "https" else "dicomnode"
