"""HTTP connections to one source, which another thread can end at once."""

from __future__ import annotations

import contextlib
import socket
import threading
import weakref
from collections.abc import Iterator
from typing import Any

import requests
from dicomweb_client.web import DICOMwebClient
from requests.adapters import HTTPAdapter
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from dicomnode.faults import describe_fault
from dicomnode.retrieve.multipart import NotMultipart
from dicomnode.retrieve.source import Failed
from dicomnode.settings import DicomWebSource

_MAX_REDIRECTS = 3

_MENDABLE = (404, 408, 409, 425, 429)
"""Client errors that may pass: what is not there yet may come."""


class HttpSession:
    """A session with the settings of one source.

    Parameters
    ----------
    source : DicomWebSource

    Attributes
    ----------
    url : str
        Of the DICOMweb service, without a slash at its end.
    timeout : tuple of (float, float)
        Seconds for the connection, and for each wait for an answer.
    requests : requests.Session
    client : DICOMwebClient
        Over the same session.
    """

    def __init__(self, source: DicomWebSource) -> None:
        self.url = str(source.url).rstrip("/")
        self.timeout = (source.connect_timeout_s, source.response_timeout_s)
        self.requests = requests.Session()
        self.requests.max_redirects = _MAX_REDIRECTS
        # The configuration says all: no proxy and no password of whoever started the node.
        self.requests.trust_env = False
        self.requests.headers.update(source.headers)
        if source.ca_file is not None:
            self.requests.verify = str(source.ca_file)
        self._sockets = _Sockets()
        for scheme in ("http://", "https://"):
            self.requests.mount(scheme, _Adapter(self._sockets))
        self.client = DICOMwebClient(self.url, session=self.requests, timeout=self.timeout)
        # What failed is repeated by the retriever, later, and seen in its row.
        self.client.set_http_retry_params(retry=False)

    def interrupt(self) -> None:
        """End what waits for the source, from any thread; what is asked later fails at once."""
        self._sockets.cut()

    def close(self) -> None:
        """Close the connections; none may be in use."""
        self.requests.close()


class _Sockets:
    """The sockets of open connections."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._open: weakref.WeakSet[socket.socket] = weakref.WeakSet()
        self._is_cut = False

    def opened(self, connection: socket.socket) -> None:
        with self._lock:
            self._open.add(connection)
            if self._is_cut:
                _shut(connection)

    def cut(self) -> None:
        with self._lock:
            self._is_cut = True
            for connection in self._open:
                _shut(connection)


def _shut(connection: socket.socket) -> None:
    """Wake whoever reads; closing the socket would not."""
    with contextlib.suppress(OSError):  # it has ended by itself
        # Below TLS: its own end would be a message, which a hung server may not take.
        socket.socket.shutdown(connection, socket.SHUT_RDWR)


class _Adapter(HTTPAdapter):
    """Connects as requests does, and notes the sockets."""

    def __init__(self, sockets: _Sockets) -> None:
        self._sockets = sockets
        super().__init__()

    def init_poolmanager(self, *args: Any, **values: Any) -> None:
        super().init_poolmanager(*args, **values)
        self.poolmanager.pool_classes_by_scheme = {
            "http": _noting(HTTPConnectionPool, self._sockets),
            "https": _noting(HTTPSConnectionPool, self._sockets),
        }


def _noting(pool: type[HTTPConnectionPool], sockets: _Sockets) -> type[HTTPConnectionPool]:
    """A pool whose connections are noted from the moment that a request can be sent."""

    class Connection(pool.ConnectionCls):
        def connect(self) -> None:
            super().connect()
            sockets.opened(self.sock)

    return type(f"Noting{pool.__name__}", (pool,), {"ConnectionCls": Connection})


@contextlib.contextmanager
def as_failed() -> Iterator[None]:
    """Tell what went wrong between the node and the server in the retriever's terms."""
    try:
        yield
    except Failed:
        raise
    except requests.HTTPError as error:
        code = error.response.status_code
        final = 400 <= code < 500 and code not in _MENDABLE
        raise Failed(f"HTTP {code} {error.response.reason}", code, final=final) from None
    except requests.exceptions.SSLError:
        raise Failed("the server's certificate was not accepted, or it speaks no TLS") from None
    except requests.ConnectTimeout:
        raise Failed("the server could not be reached in time") from None
    except requests.Timeout:
        raise Failed("the server did not answer in time") from None
    except (requests.ConnectionError, requests.exceptions.ChunkedEncodingError):
        raise Failed("the server could not be reached, or closed the connection") from None
    except requests.TooManyRedirects:
        raise Failed(f"more than {_MAX_REDIRECTS} redirections", final=True) from None
    except NotMultipart as error:
        raise Failed(f"what the source sent cannot be read: {error}") from None
    except (requests.RequestException, ValueError) as error:
        raise Failed(f"the answer cannot be used: {describe_fault(error)}") from None
