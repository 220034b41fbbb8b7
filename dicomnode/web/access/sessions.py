"""Sessions of browsers: known to the service only, and ended by it."""

from __future__ import annotations

import hashlib
import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

_MOST = 2000
"""Sessions at a time; the ones unused longest make room."""


@dataclass
class Session:
    """One browser that showed a token.

    Attributes
    ----------
    token_key : str
        Of the token; the session ends with it.
    began_at, used_at : float
        By a clock that is never set.
    """

    token_key: str
    began_at: float
    used_at: float


class Sessions:
    """Begins, finds and ends sessions. A restart of the service ends all.

    Parameters
    ----------
    longest_s : float
        From the sign-in on.
    idle_s : float
        From the last request on.
    clock : callable, optional
    """

    def __init__(
        self, longest_s: float, idle_s: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.longest_s = longest_s
        self._idle_s = idle_s
        self._clock = clock
        self._lock = threading.Lock()
        self._sessions: dict[str, Session] = {}

    def begin(self, token_key: str) -> str:
        """Give what the cookie is to hold; only a digest of it is kept."""
        shown = secrets.token_urlsafe(32)
        now = self._clock()
        with self._lock:
            self._forget_ended(now)
            while len(self._sessions) >= _MOST:
                del self._sessions[min(self._sessions, key=lambda k: self._sessions[k].used_at)]
            self._sessions[_digest(shown)] = Session(token_key, now, now)
        return shown

    def find(self, shown: str, is_use: bool = True) -> tuple[str, Session] | None:
        """The key of a session and itself, if it has not ended.

        Parameters
        ----------
        shown : str
        is_use : bool
            Whether somebody does something; a page that renews itself keeps no session alive.
        """
        key, now = _digest(shown), self._clock()
        with self._lock:
            session = self._sessions.get(key)
            if session is None or self._ended(session, now):
                return None
            if is_use:
                session.used_at = now
            return key, session

    def end(self, key: str) -> None:
        """End one; safe to repeat."""
        with self._lock:
            self._sessions.pop(key, None)

    def _ended(self, session: Session, now: float) -> bool:
        return now - session.began_at > self.longest_s or now - session.used_at > self._idle_s

    def _forget_ended(self, now: float) -> None:
        for key in [k for k, found in self._sessions.items() if self._ended(found, now)]:
            del self._sessions[key]


def _digest(shown: str) -> str:
    return hashlib.sha256(shown.encode("utf-8", "surrogatepass")).hexdigest()
