"""The certificate that a peer has shown, and that an authority of the node's has signed."""

from __future__ import annotations

import hashlib
import ssl
from collections.abc import Iterable
from dataclasses import dataclass

from dicomnode.routing.wildcard import fits

FINGERPRINT = "sha256:"


@dataclass(frozen=True)
class ShownCertificate:
    """What it says.

    Attributes
    ----------
    names : tuple of str
        DNS names and addresses that it is for (subject alternative names), and its common names.
    fingerprint : str
        SHA-256 of its DER, in hexadecimal.
    """

    names: tuple[str, ...]
    fingerprint: str

    def is_one_of(self, patterns: Iterable[str]) -> bool:
        """Whether a pattern fits a name, or is ``sha256:`` with the fingerprint; colons or not."""
        for pattern in patterns:
            if pattern.lower().startswith(FINGERPRINT):
                if pattern[len(FINGERPRINT) :].replace(":", "").lower() == self.fingerprint:
                    return True
            elif any(fits(name, pattern) for name in self.names):
                return True
        return False


def shown_by(connection: ssl.SSLSocket) -> ShownCertificate | None:
    """What the peer has shown in the handshake; None where it showed none."""
    found, encoded = connection.getpeercert(), connection.getpeercert(binary_form=True)
    if not found or encoded is None:
        return None
    names = [name for kind, name in found.get("subjectAltName", ()) if kind in _NAMES]
    names += [
        value
        for relative in found.get("subject", ())
        for kind, value in relative
        if kind == "commonName"
    ]
    return ShownCertificate(tuple(names), hashlib.sha256(encoded).hexdigest())


_NAMES = ("DNS", "IP Address")
