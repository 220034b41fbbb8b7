"""Tell of who looks at what: once for each kind of look, and again after some minutes."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable

from starlette.requests import Request

from dicomnode.web.look import Action, Look, OnLook, look_by

AGAIN_S = 300.0
_MOST_KEPT = 50_000


class Looks:
    """Tells of looks; a viewer that reads a thousand frames of a study looks at it once.

    Parameters
    ----------
    on_look : callable
    again_s : float
        After so many seconds the same look is told again.
    clock : callable
        Monotonic seconds.
    """

    def __init__(
        self,
        on_look: OnLook,
        again_s: float = AGAIN_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._on_look = on_look
        self._again_s = again_s
        self._clock = clock
        self._told: OrderedDict[Look, float] = OrderedDict()
        self._lock = threading.Lock()

    def tell(
        self, request: Request, action: Action, study: str | None = None, query: str = ""
    ) -> None:
        """Tell of a look, unless it was told a moment ago.

        Parameters
        ----------
        request : Request
        action : str
        study : str, optional
            Study Instance UID.
        query : str
            What was asked for.
        """
        look = look_by(request, action, study, query)
        now = self._clock()
        with self._lock:
            if now - self._told.get(look, -self._again_s) < self._again_s:
                return
            self._told[look] = now
            self._told.move_to_end(look)
            if len(self._told) > _MOST_KEPT:
                self._told.popitem(last=False)
        self._on_look(look)
