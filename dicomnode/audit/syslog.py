"""Records as syslog messages, and the three ways that they travel (PS3.15 A.6 and A.7)."""

from __future__ import annotations

import contextlib
import fcntl
import select
import socket
import ssl
import struct
import termios
import time
from collections.abc import Sequence

from dicomnode.audit.elements import timestamp
from dicomnode.audit.record import Record
from dicomnode.open_sockets import OpenSockets
from dicomnode.settings.telling import CollectorSettings
from dicomnode.tls.contexts import TLSFilesError, client_context
from dicomnode.tls.faults import words_of
from dicomnode.version import VERSION

_PRIORITY = 85
"""Facility 10 (security), severity 5 (notice): PS3.15 A.6."""
_MESSAGE_ID = "DICOM+RFC3881"
_MOST_SEQUENCE = 2147483647
_MOST_DATAGRAM = 65507
_SETTLE_S = 0.25
"""How long a connection must stand after all that was sent is acknowledged."""


class NotTaken(Exception):
    """The collector did not take records; the text holds nothing of them."""


def syslog_message(record: Record, host: str, process: int) -> bytes:
    """Write a record as a message of RFC 5424.

    ``sequenceId`` is the record's number (RFC 5424 7.3.1), by which a collector knows a message
    that it gets a second time.

    Parameters
    ----------
    record : Record
    host : str
        The node's.
    process : int
    """
    number = (record.number - 1) % _MOST_SEQUENCE + 1
    head = (
        f"<{_PRIORITY}>1 {timestamp(record.at)} {_printable(host, 255)} dicomnode {process} "
        f'{_MESSAGE_ID} [meta sequenceId="{number}"]'
        f'[origin software="dicomnode" swVersion="{_quoted(VERSION)}"] '
    )
    declared = '<?xml version="1.0" encoding="UTF-8"?>' + record.xml
    return head.encode("ascii") + b"\xef\xbb\xbf" + declared.encode()


class Connection:
    """To the collector, by the transport of the settings.

    Parameters
    ----------
    settings : CollectorSettings
    sockets : OpenSockets
        Told of the connection, so that another thread can end it.

    Raises
    ------
    NotTaken
        There is none.
    """

    def __init__(self, settings: CollectorSettings, sockets: OpenSockets) -> None:
        self._settings = settings
        where = f"{settings.host}:{settings.port}"
        try:
            if settings.transport == "udp":
                family, kind, protocol, _, address = socket.getaddrinfo(
                    settings.host, settings.port, type=socket.SOCK_DGRAM
                )[0]
                self._socket = socket.socket(family, kind, protocol)
                self._socket.connect(address)
            else:
                self._socket = _connected(settings, sockets)
        except (OSError, UnicodeError) as error:
            raise NotTaken(f"{where}: {_said(error)}") from None

    def send(self, messages: Sequence[bytes]) -> None:
        """Send messages, and return once the other machine has them.

        Syslog has no answers. So it is waited until TCP has acknowledged every byte and the
        connection still stands a moment later: a collector that ended before it read them has
        closed it by then. By UDP nothing can be known.

        Raises
        ------
        NotTaken
            All of them are to be sent again.
        """
        try:
            if self._settings.transport == "udp":
                for message in messages:
                    self._socket.send(message[:_MOST_DATAGRAM])
                return
            # Octet counting (RFC 5425 4.3, RFC 6587 3.4.1).
            self._socket.sendall(b"".join(b"%d %b" % (len(m), m) for m in messages))
            self._wait_until_acknowledged()
        except OSError as error:
            raise NotTaken(_said(error)) from None

    def check(self) -> None:
        """See whether the connection still stands.

        Raises
        ------
        NotTaken
        """
        if self._settings.transport == "udp":
            return
        try:
            self._look()
        except OSError as error:
            raise NotTaken(_said(error)) from None

    def close(self) -> None:
        """End it, and tell the collector so."""
        with contextlib.suppress(OSError):
            if isinstance(self._socket, ssl.SSLSocket):
                self._socket.settimeout(1.0)
                self._socket.unwrap()
        self._socket.close()

    def _wait_until_acknowledged(self) -> None:
        end = time.monotonic() + self._settings.timeout_s
        while _unacknowledged(self._socket):
            if time.monotonic() > end:
                raise TimeoutError("the collector does not acknowledge")
            self._look(0.01)
        self._look(_SETTLE_S)

    def _look(self, patience_s: float = 0.0) -> None:
        """Raise ConnectionError where the peer has closed. It has nothing to say otherwise."""
        poll = select.poll()
        poll.register(self._socket, select.POLLIN)
        if not poll.poll(patience_s * 1000):
            return
        self._socket.settimeout(0.5)
        try:
            if not self._socket.recv(4096):
                raise ConnectionResetError("the collector closed the connection")
        except (ssl.SSLWantReadError, TimeoutError):  # tickets of TLS 1.3
            pass
        finally:
            self._socket.settimeout(self._settings.timeout_s)


def _connected(settings: CollectorSettings, sockets: OpenSockets) -> socket.socket:
    plain = socket.create_connection((settings.host, settings.port), settings.timeout_s)
    sockets.opened(plain)
    try:
        plain.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        if settings.transport == "tcp":
            return plain
        assert settings.tls is not None
        context = client_context(settings.tls)
        name = settings.tls.server_name or settings.host
        secured = context.wrap_socket(plain, server_hostname=name)
        sockets.opened(secured)
    except BaseException:
        plain.close()
        raise
    return secured


def _unacknowledged(connection: socket.socket) -> int:
    """Bytes that the other machine has not acknowledged yet (tcp(7), SIOCOUTQ)."""
    answer = fcntl.ioctl(connection.fileno(), termios.TIOCOUTQ, b"\0" * 4)
    return struct.unpack("i", answer)[0]


def _said(error: Exception) -> str:
    """What went wrong, in the node's own words."""
    if isinstance(error, TLSFilesError):
        return str(error)
    if isinstance(error, ssl.SSLError):
        return f"TLS: {words_of(error)}"
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, OSError):
        return error.strerror or str(error) or type(error).__name__
    return "no host name"


def _printable(text: str, longest: int) -> str:
    """As PRINTUSASCII of RFC 5424; a hyphen where nothing is left."""
    return "".join(c for c in text if "!" <= c <= "~")[:longest] or "-"


def _quoted(text: str) -> str:
    return "".join("\\" + c if c in '"\\]' else c for c in text)
