"""What one retrieval may take: instances, bytes and time."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from dicomnode.retrieve.source import Failed
from dicomnode.settings import RetrieveSettings


class Budget:
    """Counts what one attempt takes; safe to use from several threads.

    Parameters
    ----------
    settings : RetrieveSettings
    stopping : threading.Event
        Set when the node stops.

    Attributes
    ----------
    instances, bytes : int
        Taken so far.
    interrupt : callable
        Ends what a thread waits for; the node calls it when it stops.
    """

    def __init__(self, settings: RetrieveSettings, stopping: threading.Event) -> None:
        self._settings = settings
        self._stopping = stopping
        self._lock = threading.Lock()
        self._end = time.monotonic() + settings.longest_s
        self.instances = 0
        self.bytes = 0
        self.interrupt: Callable[[], object] = lambda: None

    def take(self, size: int, instances: int = 1) -> None:
        """Count what came: bytes, of one instance or several."""
        with self._lock:
            self.instances += instances
            self.bytes += size

    def check_count(self, instances: int) -> None:
        """Refuse what is announced to be too much before any of it is fetched.

        Raises
        ------
        Failed
        """
        most = self._settings.max_instances
        if instances > most:
            raise Failed(f"{instances} instances are to be fetched, at most {most} are", final=True)

    def check(self, arriving: int = 0) -> None:
        """Say whether to go on.

        Parameters
        ----------
        arriving : int
            Bytes of an instance that is not yet counted.

        Raises
        ------
        Failed
            The budget is spent, or the node stops.
        """
        if self._stopping.is_set():
            raise Failed("the node stopped")
        self.check_count(self.instances)
        if self.bytes + arriving > self._settings.max_mb * 2**20:
            raise Failed(f"more than {self._settings.max_mb} MB", final=True)
        if time.monotonic() > self._end:
            raise Failed(f"not done after {self._settings.longest_s:g} s")


class Arrivals:
    """Counts what comes by associations of its own, as C-MOVE makes a source send."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._awaited: dict[str, Budget] = {}

    @contextmanager
    def counted(self, series_instance_uid: str, budget: Budget) -> Iterator[None]:
        """Count what arrives of a series meanwhile."""
        with self._lock:
            self._awaited[series_instance_uid] = budget
        try:
            yield
        finally:
            with self._lock:
                self._awaited.pop(series_instance_uid, None)

    def notify(self, series_instance_uid: str, size: int, instances: int = 1) -> None:
        """Say how many bytes of a series were stored, in how many instances. Returns at once."""
        with self._lock:
            budget = self._awaited.get(series_instance_uid)
        if budget is not None:
            budget.take(size, instances)
