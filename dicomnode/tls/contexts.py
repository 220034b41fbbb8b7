"""Contexts of TLS that speak nothing weaker than BCP 195 allows."""

from __future__ import annotations

import ssl
from pathlib import Path

from dicomnode.credentials import credential_path, how_to_give
from dicomnode.tls.settings import PeerTLS, TLSIdentity, TLSSettings

_CIPHERS = "ECDHE+AESGCM:@SECLEVEL=2"
"""Suites of TLS 1.2 (RFC 9325 4.2): forward secrecy and AES-GCM, with certificates of RSA or ECDSA.
Security level 2 of OpenSSL refuses keys of less than 112 bits (RSA: 2048, RFC 9325 4.5).
The suites of TLS 1.3 are all as strong."""


class TLSFilesError(OSError):
    """A certificate, key or authority cannot be used; the text names the file and the reason."""


def server_context(settings: TLSSettings) -> ssl.SSLContext:
    """Make the context of the receiver.

    BCP 195 (RFC 8996 and 9325), as the BCP 195 RFC 8996, 9325 TLS Secure Transport Connection
    Profile of PS3.15 Annex B asks for: TLS 1.2 and 1.3, nothing before; no renegotiation, no
    compression.

    Raises
    ------
    TLSFilesError
    """
    context = _context(ssl.PROTOCOL_TLS_SERVER)
    context.options |= ssl.OP_CIPHER_SERVER_PREFERENCE
    # Nothing is resumed: each peer shows its certificate anew, to the authorities of now.
    context.num_tickets = 0
    context.options |= ssl.OP_NO_TICKET
    # An end without close_notify is an end: what DICOM has not released or answered counts as cut
    # off anyhow. Else OpenSSL could send no A-ABORT after it.
    context.options |= getattr(ssl, "OP_IGNORE_UNEXPECTED_EOF", 0)
    _load_own(context, settings)
    if settings.clients != "none":
        _load_authorities(context, settings)
        required = settings.clients == "required"
        context.verify_mode = ssl.CERT_REQUIRED if required else ssl.CERT_OPTIONAL
    return context


def client_context(settings: PeerTLS) -> ssl.SSLContext:
    """Make the context of an association that the node asks for, by the same profile.

    The peer must show a certificate. The node shows its own where it has one and is asked for it.

    Raises
    ------
    TLSFilesError
    """
    context = _context(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = settings.check_name
    context.verify_mode = ssl.CERT_REQUIRED
    _load_authorities(context, settings)
    if settings.certificate_file is not None:
        _load_own(context, settings)
    return context


def _context(protocol: int) -> ssl.SSLContext:
    context = ssl.SSLContext(protocol)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(_CIPHERS)
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION
    return context


def _load_own(context: ssl.SSLContext, identity: TLSIdentity) -> None:
    certificate = credential_path(_given(identity.certificate_file, "certificate_file"))
    key = certificate if identity.key_file is None else credential_path(identity.key_file)

    asked = []

    def password() -> str:
        asked.append(True)
        # Without this, OpenSSL would ask whoever sits at the terminal.
        if identity.key_password_file is None:
            raise TLSFilesError(f"{key}: the key is encrypted, and there is no key_password_file")
        path = credential_path(identity.key_password_file)
        try:
            return path.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise TLSFilesError(_unread(path, error)) from None

    for path in (certificate, key):
        _readable(path)
    try:
        context.load_cert_chain(certificate, key, password)
    except TLSFilesError:
        raise
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            raise TLSFilesError(f"{key}: not the key of the certificate {certificate}") from None
        if asked:
            raise TLSFilesError(f"{key}: key_password_file does not open it") from None
        reason = error.reason or "no certificate and key in PEM"
        raise TLSFilesError(f"{certificate}, {key}: cannot be used ({reason})") from None
    except OSError as error:
        raise TLSFilesError(_unread(certificate, error)) from None


def _load_authorities(context: ssl.SSLContext, identity: TLSIdentity) -> None:
    path = credential_path(_given(identity.ca_file, "ca_file"))
    _readable(path)
    try:
        context.load_verify_locations(path)
    except ssl.SSLError as error:
        reason = error.reason or "no certificates in PEM"
        raise TLSFilesError(f"{path}: cannot be used ({reason})") from None
    except OSError as error:
        raise TLSFilesError(_unread(path, error)) from None
    if identity.crl_file is not None:
        _load_lists(context, credential_path(identity.crl_file))


def _load_lists(context: ssl.SSLContext, path: Path) -> None:
    _readable(path)
    try:
        context.load_verify_locations(path)
    except ssl.SSLError as error:
        reason = error.reason or "no revocation lists in PEM"
        raise TLSFilesError(f"{path}: cannot be used ({reason})") from None
    if not context.cert_store_stats()["crl"]:
        raise TLSFilesError(f"{path}: holds certificates, expected revocation lists in PEM")
    # The peer's own certificate; authorities between it and ca_file publish at a slower pace.
    context.verify_flags |= ssl.VERIFY_CRL_CHECK_LEAF


def _given(path: Path | None, name: str) -> Path:
    if path is None:
        raise TLSFilesError(f"TLS without {name}")
    return path


def _readable(path: Path) -> None:
    # OpenSSL does not say which of two files it cannot open.
    try:
        path.open("rb").close()
    except OSError as error:
        raise TLSFilesError(_unread(path, error)) from None


def _unread(path: Path, error: Exception) -> str:
    why = getattr(error, "strerror", None) or type(error).__name__
    how = how_to_give(path) if isinstance(error, FileNotFoundError) else ""
    return f"{path}: cannot be read ({why}){how}"
