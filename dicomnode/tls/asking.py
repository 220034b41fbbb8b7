"""TLS on an association that the node asks for, and why it did not come about."""

from __future__ import annotations

import ssl

from dicomnode.tls.contexts import client_context
from dicomnode.tls.faults import words_of
from dicomnode.tls.settings import PeerTLS


class AskingTLS:
    """TLS of one association.

    The files are read each time, so that a renewed certificate needs no reload.

    Parameters
    ----------
    settings : PeerTLS
    host : str
        That is called.

    Raises
    ------
    TLSFilesError
    """

    def __init__(self, settings: PeerTLS, host: str) -> None:
        self.fault: str | None = None
        """What broke the handshake, or the connection right after it."""
        context = client_context(settings)
        context.sslsocket_class = self._noting_socket()
        self.arguments = (context, settings.server_name or host)
        """As pynetdicom takes them."""

    def _noting_socket(self) -> type[ssl.SSLSocket]:
        """A socket that notes its faults: pynetdicom tells of none."""
        asking = self

        class NotingSocket(ssl.SSLSocket):
            def do_handshake(self, block: bool = False) -> None:
                try:
                    super().do_handshake(block)
                except OSError as error:
                    asking.fault = words_of(error)
                    raise

            def recv(self, buflen: int = 1024, flags: int = 0) -> bytes:
                # With TLS 1.3 a peer says only after the handshake that it does not take the
                # node's certificate.
                try:
                    return super().recv(buflen, flags)
                except ssl.SSLError as error:
                    asking.fault = words_of(error)
                    raise

        return NotingSocket
