"""What a node can be told of TLS: who it is, whom it trusts, and where it listens."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator


class TLSIdentity(BaseModel):
    """Who the node is, and which certificates it trusts.

    A relative path is the name of a credential of systemd (``LoadCredential=``).
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    certificate_file: Path | None = None
    """PEM: the node's own certificate, then those between it and its authority."""
    key_file: Path | None = None
    """PEM: its key; in `certificate_file` unless set."""
    key_password_file: Path | None = None
    ca_file: Path | None = None
    """PEM: certificates that a peer's must be signed by."""
    crl_file: Path | None = None
    """PEM: lists of what those authorities revoked (RFC 5280 5). Without it none is looked at. With
    it, a certificate is refused that is on its authority's list, or whose authority has no valid
    list there."""

    @model_validator(mode="after")
    def _key_has_a_certificate(self) -> TLSIdentity:
        if self.certificate_file is None and (self.key_file or self.key_password_file):
            raise ValueError("a key without certificate_file")
        if self.crl_file is not None and self.ca_file is None:
            raise ValueError("crl_file without ca_file, whose lists it would hold")
        return self


class PeerTLS(TLSIdentity):
    """TLS to one peer; what is not set here is as in ``[tls]``."""

    check_name: bool = True
    """Whether the peer's certificate must name the host that is called."""
    server_name: str | None = Field(None, min_length=1)
    """The name that it must have in place of that."""


class TLSSettings(TLSIdentity):
    """TLS of the receiver, and what peers with TLS are asked with unless they say otherwise."""

    port: int | None = Field(None, ge=0, le=65535)
    """Where associations with TLS are taken; none are unless set."""
    only: bool = False
    """Whether none is taken without TLS: ``[listen] port`` is not opened."""
    clients: Literal["required", "optional", "none"] = "required"
    """Whether a peer must show a certificate that `ca_file` signed, may, or is not asked."""
    handshake_timeout_s: float = Field(10, gt=0)

    @model_validator(mode="after")
    def _can_listen(self) -> TLSSettings:
        if self.port is None:
            if self.only:
                raise ValueError("only = true needs a port, or the node takes no association")
            return self
        if self.certificate_file is None:
            raise ValueError("port needs certificate_file and its key")
        if self.clients != "none" and self.ca_file is None:
            raise ValueError(
                f'clients = "{self.clients}" needs ca_file, which signs what peers show'
            )
        return self


def with_shared_identity(shared: Any, peer: Any) -> Any:
    """Give a peer's ``tls`` what it leaves out of ``[tls]``.

    Parameters
    ----------
    shared : object
        The table ``[tls]``, as it was read, or `TLSSettings`.
    peer : object
        A table of a destination, source or commitment peer; anything but a table with a table
        ``tls`` is given back as it is.
    """
    if not (isinstance(peer, dict) and isinstance(own := peer.get("tls"), dict)):
        return peer
    if isinstance(shared, BaseModel):
        shared = shared.model_dump()
    if not isinstance(shared, dict):
        return peer
    common = {name: shared[name] for name in TLSIdentity.model_fields if name in shared}
    if own.get("certificate_file") is not None:  # a key belongs to its certificate
        common = {n: value for n, value in common.items() if n in ("ca_file", "crl_file")}
    if own.get("ca_file") is not None:  # lists belong to their authorities
        common.pop("crl_file", None)
    return {**peer, "tls": {**common, **own}}
