"""One look for each time that somebody looks, and not for each time that a page renews itself."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable

from dicomnode.web.look import Look, OnLook

_MOST = 10_000


class LooksOnce:
    """Passes a look on unless the very same was passed on a while ago.

    Parameters
    ----------
    on_look : callable
    again_s : float
        After which it is another look.
    clock : callable, optional
    """

    def __init__(
        self, on_look: OnLook, again_s: float = 600, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._on_look = on_look
        self._again_s = again_s
        self._clock = clock
        self._lock = threading.Lock()
        self._last: OrderedDict[Look, float] = OrderedDict()

    def __call__(self, look: Look) -> None:
        """Pass it on, or not."""
        now = self._clock()
        with self._lock:
            last = self._last.get(look)
            if last is not None and now - last < self._again_s:
                return
            self._last[look] = now
            self._last.move_to_end(look)
            while len(self._last) > _MOST:
                self._last.popitem(last=False)
        self._on_look(look)
