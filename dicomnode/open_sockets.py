"""The sockets that a service has open, so that another thread can end what waits for a peer."""

from __future__ import annotations

import contextlib
import socket
import threading
import weakref


class OpenSockets:
    """Safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._open: weakref.WeakSet[socket.socket] = weakref.WeakSet()
        self._is_cut = False

    def opened(self, connection: socket.socket) -> None:
        """Note a socket; one that is opened after the end ends at once."""
        with self._lock:
            self._open.add(connection)
            if self._is_cut:
                self.end(connection)

    def cut(self) -> None:
        """End what waits for a peer; what is asked later fails at once."""
        with self._lock:
            self._is_cut = True
            for connection in self._open:
                self.end(connection)

    @staticmethod
    def end(connection: socket.socket) -> None:
        """Wake whoever reads from one; closing the socket would not."""
        with contextlib.suppress(OSError):  # it has ended by itself
            # Below TLS: its own end would be a message, which a hung peer may not take.
            socket.socket.shutdown(connection, socket.SHUT_RDWR)
