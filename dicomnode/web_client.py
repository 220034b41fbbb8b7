"""HTTP connections to DICOMweb servers, each with a time-out and nothing of the caller's shell."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import requests
from dicomweb_client.web import DICOMwebClient
from requests.adapters import HTTPAdapter
from requests.auth import AuthBase
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from dicomnode.open_sockets import OpenSockets
from dicomnode.settings import DicomWeb, read_secret

_MAX_REDIRECTS = 3


@contextmanager
def web_client(
    server: DicomWeb,
    connect_timeout_s: float,
    response_timeout_s: float,
    sockets: OpenSockets | None = None,
) -> Iterator[tuple[DICOMwebClient, requests.Session]]:
    """Open connections to a server, which are kept until the end of the context.

    Nothing is repeated here: what failed is repeated later, and seen in its row.

    Parameters
    ----------
    server : DicomWeb
    connect_timeout_s, response_timeout_s : float
    sockets : OpenSockets, optional
        Told of each connection, so that another thread can end it.
    """
    with requests.Session() as session:
        session.max_redirects = _MAX_REDIRECTS
        # The configuration says all: no proxy and no password of whoever started the node.
        session.trust_env = False
        session.headers.update(server.headers)
        if server.token_file is not None:
            session.auth = _Bearer(server.token_file)
        if server.ca_file is not None:
            session.verify = str(server.ca_file)
        if sockets is not None:
            for scheme in ("http://", "https://"):
                session.mount(scheme, _Adapter(sockets))
        client = DICOMwebClient(
            str(server.url).rstrip("/"),
            session=session,
            timeout=(connect_timeout_s, response_timeout_s),
        )
        client.set_http_retry_params(retry=False)
        yield client, session


class SecretUnreadable(requests.RequestException):
    """The file of a secret cannot be read; nothing was sent."""


class _Bearer(AuthBase):
    """Sends a token as its file says it now (RFC 6750 2.1); not to whom a server points to."""

    def __init__(self, token_file: Path) -> None:
        self._token_file = token_file

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        try:
            token = read_secret(self._token_file)
        except (OSError, UnicodeDecodeError) as error:
            raise SecretUnreadable(type(error).__name__) from None
        request.headers["Authorization"] = f"Bearer {token}"
        return request


class _Adapter(HTTPAdapter):
    """Connects as requests does, and notes the sockets."""

    def __init__(self, sockets: OpenSockets) -> None:
        self._sockets = sockets
        super().__init__()

    def init_poolmanager(self, *args: Any, **values: Any) -> None:
        super().init_poolmanager(*args, **values)
        self.poolmanager.pool_classes_by_scheme = {
            "http": _noting(HTTPConnectionPool, self._sockets),
            "https": _noting(HTTPSConnectionPool, self._sockets),
        }


def _noting(pool: type[HTTPConnectionPool], sockets: OpenSockets) -> type[HTTPConnectionPool]:
    """A pool whose connections are noted from the moment that a request can be sent."""

    class Connection(pool.ConnectionCls):
        def connect(self) -> None:
            super().connect()
            sockets.opened(self.sock)

    return type(f"Noting{pool.__name__}", (pool,), {"ConnectionCls": Connection})


def words_of(error: requests.RequestException) -> str:
    """Say what went wrong between the node and a server; the server's text is left out."""
    if isinstance(error, SecretUnreadable):
        return f"the token_file cannot be read ({error})"
    if isinstance(error, requests.HTTPError) and error.response is not None:
        return f"HTTP {error.response.status_code} {error.response.reason}"
    if isinstance(error, requests.exceptions.SSLError):
        return "the server's certificate was not accepted, or it speaks no TLS"
    if isinstance(error, requests.ConnectTimeout):
        return "the server could not be reached in time"
    if isinstance(error, requests.Timeout):
        return "the server did not answer in time"
    if isinstance(error, requests.TooManyRedirects):
        return f"more than {_MAX_REDIRECTS} redirections"
    if isinstance(error, (requests.ConnectionError, requests.exceptions.ChunkedEncodingError)):
        return "the server could not be reached, or closed the connection"
    return f"the answer cannot be used ({type(error).__name__})"
