"""A service's thread: it sleeps until it is woken, works, and sleeps again."""

from __future__ import annotations

import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable

from apscheduler.schedulers.base import BaseScheduler

from dicomnode.open_sockets import OpenSockets
from dicomnode.timing import call_at

_PAUSE_AFTER_FAULT_S = 5.0


class WokenThread:
    """Calls `work` after each wake; several wakes before it starts count as one.

    Parameters
    ----------
    name : str
        Of the thread.
    work : callable
        One pass.
    on_fault : callable
        Given an exception that left `work`; the thread goes on.
    pause_s : float
        Between two passes, so that a stream of wakes is worked at in batches.
    """

    def __init__(
        self,
        name: str,
        work: Callable[[], None],
        on_fault: Callable[[Exception], None],
        pause_s: float = 0.0,
    ) -> None:
        self._work = work
        self._on_fault = on_fault
        self._pause_s = pause_s
        self._wake = threading.Event()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    @property
    def name(self) -> str:
        """Of the thread."""
        return self._thread.name

    @property
    def stopping(self) -> bool:
        """Whether a pass that takes long should end early."""
        return self._stopping.is_set()

    def start(self) -> None:
        """Start asleep."""
        self._thread.start()

    def wake(self) -> None:
        """Ask for a pass. Returns at once."""
        if not self._wake.is_set():  # else the pass is still to come
            self._wake.set()

    def ask_to_stop(self) -> None:
        """Ask for the end without waiting for it."""
        self._stopping.set()
        self._wake.set()

    def stop(self) -> None:
        """Let the pass that runs end, and the thread with it."""
        self.ask_to_stop()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        while True:
            self._wake.wait()
            if self._stopping.is_set():
                return
            self._wake.clear()
            try:
                self._work()
            except Exception as error:  # whatever it is, the service goes on
                self._on_fault(error)
            self._stopping.wait(self._pause_s)


class DueThread(WokenThread):
    """A woken thread that is also woken when what it works at is due next.

    What it waits for of a peer may take `grace_s` seconds longer once it is asked to stop, and is
    then cut off: a peer that hangs holds up no stop.

    Parameters
    ----------
    name : str
        Of the thread.
    scheduler : apscheduler scheduler
        Wakes it.
    work : callable
        One pass; gives when something is due next, in seconds since 1970, None where nothing is.
    on_fault : callable
        Given an exception that left `work`, which is called again `pause_after_fault_s` later.
    pause_after_fault_s : float

    Attributes
    ----------
    sockets : OpenSockets
        To be told of every connection to a peer.
    """

    grace_s = 10.0

    def __init__(
        self,
        name: str,
        scheduler: BaseScheduler,
        work: Callable[[], float | None],
        on_fault: Callable[[Exception], None],
        pause_after_fault_s: float = _PAUSE_AFTER_FAULT_S,
    ) -> None:
        super().__init__(name, self._pass, on_fault)
        self.sockets = OpenSockets()
        self._scheduler = scheduler
        self._work_due = work
        self._pause_after_fault_s = pause_after_fault_s
        self._cut_at = float("inf")

    def ask_to_stop(self) -> None:
        """Ask for the end without waiting for it."""
        self._cut_at = min(self._cut_at, time.monotonic() + self.grace_s)
        super().ask_to_stop()

    def stop(self) -> None:
        """Let the pass that runs end, or cut it off, and the thread with it."""
        self.ask_to_stop()
        if self._thread.is_alive():
            self._thread.join(max(0.0, self._cut_at - time.monotonic()))
            self.sockets.cut()
        super().stop()

    def _pass(self) -> None:
        moment = time.time() + self._pause_after_fault_s
        try:
            moment = self._work_due()
        finally:
            if moment is not None and not self.stopping:
                call_at(self._scheduler, moment, self._thread.name, self.wake)


class DueService(ABC):
    """A service with a due thread of its own: what it does in a pass is all that it adds.

    Parameters
    ----------
    name : str
        Of the thread.
    scheduler : apscheduler scheduler
        Wakes the service when something is due.
    pause_after_fault_s : float
    """

    def __init__(
        self,
        name: str,
        scheduler: BaseScheduler,
        pause_after_fault_s: float = _PAUSE_AFTER_FAULT_S,
    ) -> None:
        self._thread = DueThread(name, scheduler, self._work, self._complain, pause_after_fault_s)

    @property
    def name(self) -> str:
        """Of its thread."""
        return self._thread.name

    def start(self) -> None:
        """Resume: do what a former life left, then what becomes due."""
        if self._begins_at_once():
            self._thread.wake()
        self._thread.start()

    def notify(self) -> None:
        """Say that something may be due. Returns at once."""
        self._thread.wake()

    def ask_to_stop(self) -> None:
        """Ask without waiting, so that several services end at the same time."""
        self._thread.ask_to_stop()

    def stop(self) -> None:
        """Let the pass that runs end, or cut off what it waits for of a peer."""
        self.ask_to_stop()
        self._thread.stop()

    def _begins_at_once(self) -> bool:
        """Whether there is a pass at the start; one that has nothing to do sleeps from then on."""
        return True

    @abstractmethod
    def _work(self) -> float | None:
        """One pass; gives when something is due next, in seconds since 1970, None where nothing."""

    @abstractmethod
    def _complain(self, error: Exception) -> None:
        """Say what broke a pass."""
