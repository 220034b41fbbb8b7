"""A service's thread: it sleeps until it is woken, works, and sleeps again."""

from __future__ import annotations

import threading
from collections.abc import Callable


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
    def stopping(self) -> bool:
        """Whether a pass that takes long should end early."""
        return self._stopping.is_set()

    def start(self) -> None:
        """Start asleep."""
        self._thread.start()

    def wake(self) -> None:
        """Ask for a pass. Returns at once."""
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
