"""Why a handshake failed, in OpenSSL's own words: nothing of what the peer sent is repeated."""

from __future__ import annotations

import ssl

_KINDS = {
    "PEER_DID_NOT_RETURN_A_CERTIFICATE": "no-certificate",
    "UNSUPPORTED_PROTOCOL": "version",
    "VERSION_TOO_LOW": "version",
    "TLSV1_ALERT_PROTOCOL_VERSION": "version",
    "NO_SHARED_CIPHER": "cipher",
    "SSLV3_ALERT_HANDSHAKE_FAILURE": "cipher",
    "WRONG_VERSION_NUMBER": "no-tls",
    "HTTP_REQUEST": "no-tls",
    "HTTPS_PROXY_REQUEST": "no-tls",
    "UNKNOWN_PROTOCOL": "no-tls",
    "PACKET_LENGTH_TOO_LONG": "no-tls",
    "RECORD_LAYER_FAILURE": "no-tls",
    "BAD_RECORD_TYPE": "no-tls",
    "UNEXPECTED_MESSAGE": "no-tls",
}

FAULT_KINDS = (
    "certificate",
    "no-certificate",
    "version",
    "cipher",
    "no-tls",
    "time-out",
    "closed",
    "refused-by-peer",
    "other",
)
"""All that `kind_of` gives."""


def kind_of(error: OSError) -> str:
    """Name what went wrong, one of `FAULT_KINDS`."""
    if isinstance(error, TimeoutError):
        return "time-out"
    if isinstance(error, ssl.SSLCertVerificationError):
        return "certificate"
    if isinstance(error, (ssl.SSLEOFError, ssl.SSLZeroReturnError, ConnectionError)):
        return "closed"
    reason = getattr(error, "reason", None) or ""
    if reason in _KINDS:
        return _KINDS[reason]
    return "refused-by-peer" if "ALERT" in reason else "other"


def words_of(error: OSError) -> str:
    """Say it in a few words."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"certificate not accepted: {error.verify_message}"
    if isinstance(error, TimeoutError):
        return "no handshake in time"
    if kind_of(error) == "closed":
        return "the peer closed the connection"
    reason = getattr(error, "reason", None) or error.strerror or type(error).__name__
    return str(reason).lower().replace("_", " ")
