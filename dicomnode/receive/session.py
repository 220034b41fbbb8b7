"""A port that is listened on, and a connection with the thread that serves it."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading

from dicomnode.receive.callers import Admitted
from dicomnode.receive.upper_layer import ConnectionEnded


class Session:
    """One connection and its thread."""

    def __init__(self, connection: socket.socket) -> None:
        self.socket = connection
        self.thread: threading.Thread | None = None
        self.admitted: Admitted | None = None
        self._lock = threading.Lock()
        self._busy = False
        self._stopping = False

    def secure(self, context: ssl.SSLContext, timeout_s: float) -> None:
        """Make TLS of it. Raises OSError."""
        with self._lock:
            # Whoever ends the session must find the socket that has the connection.
            self.socket = context.wrap_socket(
                self.socket, server_side=True, do_handshake_on_connect=False
            )
            if self._stopping:
                raise ConnectionAbortedError
        # A bound for the handshake as a whole, however slowly the peer sends.
        self.socket.settimeout(timeout_s)
        self.socket.do_handshake()

    def busy(self, busy: bool) -> None:
        """Note that a request begins or is answered. Raises ConnectionEnded at a stop."""
        with self._lock:
            self._busy = busy
            if self._stopping and not busy:
                raise ConnectionEnded("the node stops")

    def stop_when_idle(self) -> None:
        """End it now, or once its request is answered."""
        with self._lock:
            self._stopping = True
            if not self._busy:
                self._end(socket.SHUT_RD)

    def end(self) -> None:
        """End it now."""
        with self._lock:
            self._end(socket.SHUT_RDWR)

    @property
    def stopping(self) -> bool:
        """Whether the node has asked it to end."""
        return self._stopping

    def _end(self, how: int) -> None:
        # Wakes the thread that is blocked in recv(); closing the socket would not.
        with contextlib.suppress(OSError):
            # Below TLS: its own end would be a message, which a hung peer may not take.
            socket.socket.shutdown(self.socket, how)


class Listener:
    """A port and the thread that accepts there."""

    def __init__(self, host: str, port: int, secured: bool) -> None:
        self.secured = secured
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self.socket = socket.create_server((host, port), family=family, backlog=128)
        self.port: int = self.socket.getsockname()[1]
        self.thread: threading.Thread | None = None

    def close(self) -> None:
        """Accept no more, and wait for the thread."""
        # Wakes accept(); a mere close() would leave it blocked.
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)
        if self.thread is not None:
            self.thread.join()
        self.socket.close()
