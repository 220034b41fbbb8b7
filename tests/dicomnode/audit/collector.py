"""A syslog receiver on a real socket, with TLS or without, which can go away and come back."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
import time
from pathlib import Path


class StandInCollector:
    """Takes messages of RFC 5425 and 6587 (octet counting).

    Parameters
    ----------
    certificate : (Path, Path), optional
        With it TLS is spoken.
    clients : Path, optional
        Whose certificates must be shown.
    port : int
    """

    def __init__(
        self,
        certificate: tuple[Path, Path] | None = None,
        clients: Path | None = None,
        port: int = 0,
    ) -> None:
        self.messages: list[bytes] = []
        self.deaf = threading.Event()
        """While set, what comes lies unread in the socket."""
        self._context = None
        if certificate is not None:
            self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self._context.load_cert_chain(*certificate)
            if clients is not None:
                self._context.load_verify_locations(clients)
                self._context.verify_mode = ssl.CERT_REQUIRED
        self._socket = socket.create_server(("127.0.0.1", port))
        self.port = self._socket.getsockname()[1]
        self._open: list[socket.socket] = []
        self._serving: list[threading.Thread] = []
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Go away at once, as a machine that is switched off."""
        for one in (self._socket, *self._open):
            with contextlib.suppress(OSError):
                socket.socket.shutdown(one, socket.SHUT_RDWR)
        self.deaf.clear()
        # Each thread closes its own: OpenSSL would write its last word to whatever file has the
        # same number by then.
        for thread in (self._thread, *self._serving):
            thread.join(10)
        self._socket.close()

    def __enter__(self) -> StandInCollector:
        return self

    def __exit__(self, *exception: object) -> None:
        self.stop()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            thread = threading.Thread(target=self._serve, args=(connection,), daemon=True)
            self._serving.append(thread)
            thread.start()

    def _serve(self, connection: socket.socket) -> None:
        self._open.append(connection)
        try:
            if self._context is not None:
                connection = self._context.wrap_socket(connection, server_side=True)
                self._open.append(connection)
            waiting = b""
            while True:
                while self.deaf.is_set():
                    time.sleep(0.01)
                data = connection.recv(65536)
                if not data:
                    return
                waiting += data
                while b" " in waiting:
                    length, _, rest = waiting.partition(b" ")
                    if len(rest) < int(length):
                        break
                    self.messages.append(rest[: int(length)])
                    waiting = rest[int(length) :]
        except OSError:
            return
        finally:
            connection.close()
