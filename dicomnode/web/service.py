"""The web service: uvicorn in a thread of the node."""

from __future__ import annotations

import logging
import os
import socket
import ssl
import threading
from pathlib import Path

import uvicorn
from starlette.types import ASGIApp

from dicomnode.settings.web import WebSettings
from dicomnode.tls.in_force import ServerTLS
from dicomnode.web.connection import BoundedConnection

logger = logging.getLogger(__name__)

_GRACE_S = 2
_MOST_OF_HEADERS = 64 * 1024
"""Bytes; a cookie of a proxy's may take several thousand."""


class WebService:
    """Answers by HTTP.

    Parameters
    ----------
    settings : WebSettings
        Where it listens; port 0 takes a free one.
    application : ASGIApp

    Raises
    ------
    dicomnode.tls.contexts.TLSFilesError
        If its certificate cannot be used.
    """

    def __init__(self, settings: WebSettings, application: ASGIApp) -> None:
        self._settings = settings
        self._socket: socket.socket | None = None
        self._tls = None if settings.tls is None else ServerTLS(settings.server_tls)
        self._server = uvicorn.Server(
            uvicorn.Config(
                application,
                http=BoundedConnection,
                ws="none",
                log_config=None,
                access_log=False,
                lifespan="off",
                server_header=False,
                # What a proxy says is judged by dicomnode.web.access.arrival.
                proxy_headers=False,
                limit_concurrency=settings.max_connections,
                h11_max_incomplete_event_size=_MOST_OF_HEADERS,
                timeout_graceful_shutdown=_GRACE_S,
                ssl_context_factory=None if self._tls is None else self._context,
            )
        )
        self._thread = threading.Thread(target=self._run, name="web", daemon=True)

    @property
    def port(self) -> int | None:
        """The port that is listened on; None with a Unix socket."""
        if self._socket is None or self._settings.socket is not None:
            return self._settings.port
        return self._socket.getsockname()[1]

    def start(self) -> None:
        """Listen.

        Raises
        ------
        OSError
            If the address cannot be listened on.
        """
        settings = self._settings
        if settings.socket is not None:
            self._socket = _unix_socket(settings.socket)
        else:
            family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
            try:
                self._socket = socket.create_server((settings.host, settings.port), family=family)
            except OSError as error:
                raise OSError(
                    error.errno,
                    f"[web] cannot listen on {settings.host} port {settings.port}: {error}",
                ) from None
            # asyncio leaves Nagle's algorithm on where a socket was made without a protocol number:
            # an answer in two writes would wait 40 ms for the client's delayed acknowledgement.
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._thread.start()
        logger.info("web.started host=%s port=%s", settings.socket or settings.host, self.port)

    def stop(self) -> None:
        """Let answers that are being given end, within two seconds. Safe to repeat."""
        if self._socket is None:
            return
        self._server.should_exit = True
        self._thread.join(_GRACE_S + 3)
        self._socket.close()
        self._socket = None
        if self._settings.socket is not None:
            self._settings.socket.unlink(missing_ok=True)
        logger.info("web.stopped")

    def reload_certificate(self) -> bool:
        """Read certificate and key again; connections that are open go on with the old ones."""
        return self._tls is None or self._tls.reload()

    def _run(self) -> None:
        self._server.run(sockets=[self._socket])

    def _context(self, *_: object) -> ssl.SSLContext:
        context = self._tls.context

        def newest(connection: ssl.SSLObject, *_: object) -> None:
            connection.context = self._tls.context

        # uvicorn takes one context for its life; this puts the one of now in its place.
        context.sni_callback = newest
        return context


def _unix_socket(path: Path) -> socket.socket:
    found = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        path.unlink(missing_ok=True)
        # The owner and the group, of which the proxy is; at no moment anybody else.
        os.fchmod(found.fileno(), 0o660)
        found.bind(str(path))
        path.chmod(0o660)
        found.listen(128)
    except OSError as error:
        found.close()
        raise OSError(error.errno, f"[web] cannot listen on {path}: {error}") from None
    return found
