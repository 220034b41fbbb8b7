"""The web service: can the right ones sign in, and nobody else?"""

from __future__ import annotations

import os
from collections.abc import Iterator

from dicomnode.credentials import CREDENTIALS, credential_path
from dicomnode.doctor.finding import Finding, failed, passed, warned
from dicomnode.doctor.secured import mode_of
from dicomnode.settings import NodeSettings, WebSettings
from dicomnode.web.access.tokens import TokenFile, TokensError, tokens_path

_CHECK = "web"
_SHORT = 16
"""Characters; a secret of fewer can be guessed."""


def look_at_web(settings: NodeSettings) -> Iterator[Finding]:
    """Where it listens, and by what somebody gets in."""
    web = settings.web
    if not web.served:
        yield passed(_CHECK, "no web service: no port, no socket")
        return
    if web.plain_http and web.tls is None and not web.loopback:
        yield warned(
            _CHECK,
            f"other machines reach {web.host} without TLS: tokens and images go in the clear",
            "Set [web.tls], or listen on loopback behind a proxy that has a certificate.",
        )
    if web.loopback_role in ("operator", "administrator"):
        yield warned(
            _CHECK,
            f"every user and program of this machine is {web.loopback_role}, without a word",
            'Set [web] loopback_role = "none", and make tokens (`dicomnode token add`).',
        )
    file = TokenFile(tokens_path(web, settings.store.path))
    yield from _look_at_tokens(file, web)
    if web.proxy is not None:
        yield from _look_at_proxy(web)


def _look_at_tokens(file: TokenFile, web: WebSettings) -> Iterator[Finding]:
    check = f"{_CHECK} tokens"
    try:
        tokens = file.all()
    except (OSError, TokensError) as error:
        reason = error if isinstance(error, TokensError) else error.strerror
        yield failed(
            check,
            f"{file.path}: {reason}: nobody is let in by a token",
            "Run this as the node's user; if it says so then too, make tokens anew.",
        )
        return
    mode = mode_of(file.path)
    if mode is not None and mode & 0o027:
        yield warned(
            check,
            f"{file.path} can be changed by the group or read by everybody (mode {mode:04o})",
            f"chmod 600 {file.path}, with the node's user.",
        )
        return
    holding = [token for token in tokens if token.holds()]
    if holding:
        yield passed(check, f"{len(holding)} hold, {len(tokens) - len(holding)} have ended")
    elif web.proxy is None and web.loopback_role == "none":
        yield warned(
            check,
            "there is none: nobody can sign in, only health and metrics are served",
            "`dicomnode token add NAME --role viewer` makes one.",
        )
    else:
        yield passed(check, "none; people get in by the proxy or from this machine")


def _look_at_proxy(web: WebSettings) -> Iterator[Finding]:
    check = f"{_CHECK} proxy"
    path = web.proxy.secret_file
    if path is None:
        yield passed(check, f"by the socket {web.socket}, which its mode keeps from others")
        return
    if not path.is_absolute() and CREDENTIALS not in os.environ:
        yield warned(
            check,
            "its secret is a credential of systemd, which the unit alone can read",
            "See that somebody can sign in; the log says `web.proxy_secret_unread` otherwise.",
        )
        return
    where = credential_path(path)
    try:
        secret = web.proxy.secret
    except (OSError, UnicodeDecodeError) as error:
        yield failed(
            check,
            f"{where} cannot be read ({getattr(error, 'strerror', None) or 'no text'})",
            "Let the node's user read it, or give it by LoadCredential= of the unit.",
        )
        return
    if len(secret) < _SHORT:
        yield failed(
            check,
            f"the secret in {where} has {len(secret)} characters",
            "Make one that nobody guesses: `openssl rand -hex 32`. Give the proxy the same.",
        )
        return
    mode = mode_of(where)
    if mode is not None and mode & 0o007:
        yield warned(
            check,
            f"{where} can be read by everybody (mode {mode:04o}): who reads it can be anybody",
            f"chmod 640 {where}, with the node's group.",
        )
        return
    yield passed(check, "its secret can be read, and by no stranger")
