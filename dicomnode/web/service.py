"""The web service: uvicorn in a thread of the node."""

from __future__ import annotations

import logging
import socket
import threading

import uvicorn
from starlette.applications import Starlette

logger = logging.getLogger(__name__)

_GRACE_S = 2


class WebService:
    """Answers by HTTP.

    Parameters
    ----------
    host : str
        A loopback address.
    port : int
        0 takes a free one.
    application : Starlette
    """

    def __init__(self, host: str, port: int, application: Starlette) -> None:
        self._host = host
        self._asked_port = port
        self._socket: socket.socket | None = None
        self._server = uvicorn.Server(
            uvicorn.Config(
                application,
                log_config=None,
                access_log=False,
                lifespan="off",
                server_header=False,
                timeout_graceful_shutdown=_GRACE_S,
            )
        )
        self._thread = threading.Thread(target=self._run, name="web", daemon=True)

    @property
    def port(self) -> int:
        """The port that is listened on."""
        return self._asked_port if self._socket is None else self._socket.getsockname()[1]

    def start(self) -> None:
        """Listen.

        Raises
        ------
        OSError
            If the address cannot be listened on.
        """
        family = socket.AF_INET6 if ":" in self._host else socket.AF_INET
        try:
            self._socket = socket.create_server((self._host, self._asked_port), family=family)
        except OSError as error:
            raise OSError(
                error.errno, f"[web] cannot listen on {self._host} port {self._asked_port}: {error}"
            ) from None
        self._thread.start()
        logger.info("web.started host=%s port=%d", self._host, self.port)

    def stop(self) -> None:
        """Let answers that are being given end, within two seconds. Safe to repeat."""
        if self._socket is None:
            return
        self._server.should_exit = True
        self._thread.join(_GRACE_S + 3)
        self._socket.close()
        self._socket = None
        logger.info("web.stopped")

    def _run(self) -> None:
        self._server.run(sockets=[self._socket])
