"""What a certificate of the node's own says, and whether others could take it.

The certificate is shown in a handshake in memory, to a peer that trusts it: this needs no network,
and shows what a peer would meet.
"""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from typing import Any

from dicomnode.credentials import credential_path
from dicomnode.tls.contexts import TLSFilesError, client_context, server_context
from dicomnode.tls.settings import PeerTLS, TLSIdentity, TLSSettings

_PARTIAL_CHAIN = 0x80000
_NO_CHECK_TIME = 0x200000
"""X509_V_FLAG_PARTIAL_CHAIN and X509_V_FLAG_NO_CHECK_TIME of OpenSSL."""


@dataclass(frozen=True)
class OwnCertificate:
    """What others see.

    Attributes
    ----------
    not_before, not_after : float
        When it is valid, in seconds since 1970.
    names : tuple of str
        DNS names and addresses that it is for.
    """

    not_before: float
    not_after: float
    names: tuple[str, ...]


class NotTaken(Exception):
    """No peer can take the certificate for what it is shown for; the text says why."""


def read_own(settings: TLSSettings | PeerTLS) -> OwnCertificate:
    """Show the node's certificate as it would be shown to peers, and say what they see.

    Parameters
    ----------
    settings : TLSSettings or PeerTLS
        The receiver's is shown as a server's, a peer's as a client's.

    Raises
    ------
    TLSFilesError
        A file cannot be used.
    NotTaken
        It is for something else, or too weak. Its time is not looked at.
    """
    if settings.certificate_file is None:
        raise TLSFilesError("TLS without certificate_file")
    trusted = str(credential_path(settings.certificate_file))
    is_server = isinstance(settings, TLSSettings)
    if is_server:
        shows = server_context(settings)
        shows.verify_mode = ssl.CERT_NONE
        looks = client_context(PeerTLS(ca_file=trusted, check_name=False))
    else:
        shows = client_context(settings)
        shows.check_hostname = False
        shows.verify_mode = ssl.CERT_NONE
        # It shows the same certificate, at which nobody looks.
        looks = server_context(
            TLSSettings(**settings.model_dump(include={*TLSIdentity.model_fields} - {"crl_file"}))
        )
        looks.load_verify_locations(trusted)
        looks.verify_mode = ssl.CERT_REQUIRED
    looks.verify_flags |= _PARTIAL_CHAIN | _NO_CHECK_TIME
    try:
        seen = _shown(shows, looks, is_server)
    except ssl.SSLCertVerificationError as error:
        raise NotTaken(error.verify_message) from None
    except ssl.SSLError as error:
        raise NotTaken((error.reason or "no handshake").lower().replace("_", " ")) from None
    return OwnCertificate(
        ssl.cert_time_to_seconds(seen["notBefore"]),
        ssl.cert_time_to_seconds(seen["notAfter"]),
        tuple(name for _, name in seen.get("subjectAltName", ())),
    )


def authorities_end(identity: TLSIdentity) -> float | None:
    """When the first of the authorities that are trusted ends; None where none says so.

    Raises
    ------
    TLSFilesError
    """
    context = client_context(PeerTLS(ca_file=identity.ca_file, check_name=False))
    ends = [ssl.cert_time_to_seconds(found["notAfter"]) for found in context.get_ca_certs()]
    return min(ends, default=None)


def _shown(shows: ssl.SSLContext, looks: ssl.SSLContext, shows_as_server: bool) -> dict[str, Any]:
    """What `looks` sees of the certificate that `shows` has, after a handshake in memory."""
    there, back = ssl.MemoryBIO(), ssl.MemoryBIO()
    server, client = (shows, looks) if shows_as_server else (looks, shows)
    serving = server.wrap_bio(there, back, server_side=True)
    asking = client.wrap_bio(back, there)
    open_ends = [asking, serving]
    while open_ends:
        moved = there.pending + back.pending
        for end in tuple(open_ends):
            try:
                end.do_handshake()
            except ssl.SSLWantReadError:
                continue
            open_ends.remove(end)
        if open_ends and not (there.pending or back.pending or moved):
            raise ssl.SSLError("the handshake does not go on")
    return (asking if shows_as_server else serving).getpeercert() or {}
