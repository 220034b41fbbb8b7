"""TLS: can certificates, keys and authorities be used, by the right ones, and for how long?"""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Iterator
from pathlib import Path

from dicomnode.credentials import CREDENTIALS, credential_path
from dicomnode.doctor.finding import Finding, failed, passed, warned
from dicomnode.settings import NodeSettings
from dicomnode.tls.contexts import TLSFilesError, client_context, server_context
from dicomnode.tls.own_certificate import NotTaken, OwnCertificate, authorities_end, read_own
from dicomnode.tls.settings import PeerTLS, TLSIdentity, TLSSettings

_DAY_S = 86400
_SOON_DAYS = 30
_RENEW = "Renew it, and reload the node (`systemctl reload dicomnode`)."


def look_at_tls(settings: NodeSettings) -> Iterator[Finding]:
    """Of the receiver, of the web service, and of each peer that is called with TLS."""
    if settings.web.served and settings.web.tls is not None:
        yield from _look("TLS [web.tls]", settings.web.server_tls)
    if settings.tls.port is not None:
        yield from _look("TLS [tls]", settings.tls)
    elif all(peer.tls is None for peer in settings.peers):
        yield passed("TLS", "no association has it")
    # Peers mostly share files: each set of them is looked at once.
    seen: list[PeerTLS] = []
    for peer in settings.peers:
        if peer.tls is None:
            continue
        if not peer.tls.check_name:
            yield warned(
                f"TLS to {peer.ae_title}",
                "check_name = false: any certificate of the same authority can pose as it",
                "Let its certificate name its host, or set server_name.",
            )
        plain = peer.tls.model_copy(update={"server_name": None, "check_name": True})
        if plain not in seen:
            seen.append(plain)
            yield from _look(f"TLS to {peer.ae_title}", peer.tls)


def _look(check: str, settings: TLSSettings | PeerTLS) -> Iterator[Finding]:
    files = (getattr(settings, name) for name in TLSIdentity.model_fields)
    if CREDENTIALS not in os.environ and any(file and not file.is_absolute() for file in files):
        yield warned(
            check,
            "its files are credentials of systemd, which the unit alone can read",
            "See in the journal that the node starts; `certificate_end_seconds` is a metric.",
        )
        return
    try:
        if isinstance(settings, TLSSettings):
            server_context(settings)
        else:
            client_context(settings)
        own = None if settings.certificate_file is None else read_own(settings)
        end = None if settings.ca_file is None else authorities_end(settings)
    except TLSFilesError as error:
        yield failed(
            check,
            str(error),
            "Give the node's user files in PEM that belong together, or credentials of systemd "
            "(LoadCredential=).",
        )
        return
    except NotTaken as error:
        use = "servers" if isinstance(settings, TLSSettings) else "clients"
        yield failed(
            check,
            f"peers cannot take the certificate: {error}",
            f"Have one made that is for TLS {use} (extended key usage), with a key of RSA of 2048 "
            "bits or more, or ECDSA.",
        )
        return
    if own is not None:
        yield _validity(check, own)
        yield from _permissions(check, settings)
    else:
        yield passed(check, "the node shows no certificate; the peer's is checked")
    if end is not None and end < time.time() + _SOON_DAYS * _DAY_S:
        when = "has ended" if end < time.time() else f"ends in {_days(end)} days"
        yield warned(
            f"{check} ca_file",
            f"an authority's certificate {when}; what it signed is not accepted then",
            "Add its successor to the file, and reload the node.",
        )


def _validity(check: str, own: OwnCertificate) -> Finding:
    now = time.time()
    names = ", ".join(own.names) or "no name"
    if own.not_after < now:
        return failed(check, f"the certificate ended {-_days(own.not_after)} days ago", _RENEW)
    if own.not_before > now:
        return failed(
            check,
            f"the certificate is not valid before {_days(own.not_before)} days from now",
            "Look at the clock, or take the certificate that is valid now.",
        )
    words = f"the certificate, for {names}, is valid for {_days(own.not_after)} days"
    if own.not_after < now + _SOON_DAYS * _DAY_S:
        return warned(check, words, _RENEW)
    return passed(check, words)


def _permissions(check: str, settings: TLSSettings | PeerTLS) -> Iterator[Finding]:
    named = {
        "key_file": settings.key_file or settings.certificate_file,
        "key_password_file": settings.key_password_file,
    }
    for name, path in named.items():
        where = None if path is None else credential_path(path)
        mode = None if where is None else mode_of(where)
        if mode is not None and mode & 0o037:
            who = "everybody" if mode & 0o007 else "the group"
            yield warned(
                f"{check} {name}",
                f"{where} can be read or changed by {who} (mode {mode:04o})",
                f"chmod 640 {where}, with the node's group; or give it by LoadCredential=.",
            )


def mode_of(path: Path) -> int | None:
    """Who may do what with a file; None where that cannot be seen."""
    try:
        return stat.S_IMODE(path.stat().st_mode)
    except OSError:
        return None


def _days(moment: float) -> int:
    return int((moment - time.time()) // _DAY_S)
