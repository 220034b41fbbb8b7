"""Failed sign-ins: how many an address may make."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from ipaddress import ip_address, ip_network

_ADDRESSES = 4096
"""That are remembered."""


class FailedAttempts:
    """A bucket for each address; an IPv6 host counts by its /64, of which it has every address.

    Parameters
    ----------
    most : int
        Failures in a row that are let through.
    every_s : float
        After which one more is.
    clock : callable, optional
    """

    def __init__(
        self, most: int = 10, every_s: float = 30, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._most = most
        self._every_s = every_s
        self._clock = clock
        self._lock = threading.Lock()
        self._failures: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def wait_s(self, address: str) -> float:
        """Seconds until this address may try again; 0 where it may now."""
        with self._lock:
            level = self._level(_bucket(address), self._clock())
        return max(0.0, (level - self._most + 1) * self._every_s)

    def failed(self, address: str) -> None:
        """Count one."""
        bucket, now = _bucket(address), self._clock()
        with self._lock:
            self._failures[bucket] = (self._level(bucket, now) + 1, now)
            self._failures.move_to_end(bucket)
            while len(self._failures) > _ADDRESSES:
                self._failures.popitem(last=False)

    def _level(self, bucket: str, now: float) -> float:
        level, at = self._failures.get(bucket, (0.0, now))
        return max(0.0, level - (now - at) / self._every_s)


def _bucket(address: str) -> str:
    try:
        found = ip_address(address)
    except ValueError:
        return address
    return str(ip_network((found, 64), strict=False)) if found.version == 6 else str(found)
