"""What the node tells the service manager that started it, by sd_notify(3) of systemd.

Sent are datagrams of lines ``NAME=value``. Without a socket in the environment nothing is sent, and
a manager that does not listen stops nothing.
"""

from __future__ import annotations

import contextlib
import os
import queue
import signal
import socket
import time
from collections.abc import Callable
from typing import Self

_STATUS_EVERY_S = 60.0
_PATIENCE_S = 0.5


class ServiceManager:
    """Tells of readiness, reloads, the end, and that the node is alive.

    Parameters
    ----------
    address : str, optional
        Path of the socket; one that begins with ``@`` is in the abstract name space. Without it
        nothing is told.
    watchdog_s : float, optional
        Seconds after which the manager ends a service that has not said that it is alive.
    """

    def __init__(self, address: str | None = None, watchdog_s: float | None = None) -> None:
        self._address = "\0" + address[1:] if address and address[0] == "@" else address
        self._watchdog_s = watchdog_s

    @classmethod
    def from_environment(cls) -> Self:
        """Take what the manager has set out of the environment, so that no child tells it anything.

        The watchdog is another process's where ``WATCHDOG_PID`` says so.
        """
        address = os.environ.pop("NOTIFY_SOCKET", None)
        microseconds = os.environ.pop("WATCHDOG_USEC", None)
        process = os.environ.pop("WATCHDOG_PID", None)
        watchdog_s = None
        if microseconds and microseconds.isdigit() and process in (None, str(os.getpid())):
            watchdog_s = int(microseconds) / 1e6 or None
        return cls(address, watchdog_s)

    @property
    def every_s(self) -> float | None:
        """How often `beat` is to be called; None: never."""
        if not self._address:
            return None
        # Thrice a time-out, for to look whether the node is alive may itself take some seconds.
        return min(_STATUS_EVERY_S, (self._watchdog_s or _STATUS_EVERY_S * 3) / 3)

    def ready(self, status: str) -> None:
        """The service does its work: at its start, and again after a reload."""
        self._tell("READY=1", f"STATUS={status}")

    def reloading(self) -> None:
        """The configuration is being read again."""
        now = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
        self._tell("RELOADING=1", f"MONOTONIC_USEC={now}")

    def stopping(self) -> None:
        """The service ends itself in order."""
        self._tell("STOPPING=1", "STATUS=stopping")

    def beat(self, unwell: str | None, status: str) -> None:
        """Say that the service is alive, or say what it lacks and let the manager restart it.

        Parameters
        ----------
        unwell : str or None
            What a restart would mend.
        status : str
            One line for people, without patient data.
        """
        if unwell is not None:
            self._tell(f"STATUS={unwell}")
        elif self._watchdog_s:
            self._tell("WATCHDOG=1", f"STATUS={status}")
        else:
            self._tell(f"STATUS={status}")

    def _tell(self, *lines: str) -> None:
        if not self._address:
            return
        # One line is one assignment.
        message = "\n".join(line.replace("\n", " ") for line in lines)
        with (
            contextlib.suppress(OSError),
            socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as told,
        ):
            told.settimeout(_PATIENCE_S)  # a manager that hangs holds up no stop
            told.connect(self._address)
            told.sendall(message.encode())


def attend(
    manager: ServiceManager,
    asked: queue.SimpleQueue[signal.Signals],
    reload: Callable[[], object],
    unwell: Callable[[], str | None],
    status: Callable[[], str],
) -> None:
    """Do what signals ask of a service that has started, until one asks for its end.

    Parameters
    ----------
    manager : ServiceManager
    asked : queue of signal.Signals
        SIGHUP asks for a reload, any other for the end.
    reload : callable
    unwell : callable
        Gives what a restart would mend, None where nothing is.
    status : callable
        Gives one line for people.
    """
    manager.ready(status())
    while True:
        manager.beat(unwell(), status())
        try:
            found = asked.get(timeout=manager.every_s)
        except queue.Empty:
            continue
        if found is not signal.SIGHUP:
            manager.stopping()
            return
        manager.reloading()
        reload()
        manager.ready(status())
