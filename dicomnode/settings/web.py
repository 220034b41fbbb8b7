"""The web service: where it listens, and who is let in."""

from __future__ import annotations

import re
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, AnyHttpUrl, Field, field_validator
from pydantic import model_validator as validates_whole

from dicomnode.settings.section import Port, Section
from dicomnode.settings.telling import read_secret
from dicomnode.tls.settings import TLSIdentity, TLSSettings

RoleName = Literal["viewer", "operator", "administrator"]
"""What somebody may do; each may all that those before it may."""

_FIELD_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]*")
_HOST_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:]+\]")


def _as_network(found: str) -> str:
    ip_network(found)  # A ValueError of its own says what is wrong.
    return found


def _as_field_name(found: str) -> str:
    if not _FIELD_NAME.fullmatch(found):
        raise ValueError(f"found {found!r}, expected the name of an HTTP header")
    return found


def _as_host_name(found: str) -> str:
    if not _HOST_NAME.fullmatch(found):
        raise ValueError(f"found {found!r}, expected a host name or address without a port")
    return found.lower()


Network = Annotated[str, AfterValidator(_as_network)]
"""An address, or a network such as "10.1.0.0/16"."""
HeaderName = Annotated[str, AfterValidator(_as_field_name)]
HostName = Annotated[str, AfterValidator(_as_host_name)]


class ProxySettings(Section):
    """A proxy that signs people in, such as oauth2-proxy or Apache with mod_auth_openidc."""

    addresses: tuple[Network, ...] = ()
    """Whose word is taken; who comes by ``[web] socket`` is always one."""
    secret_file: Path | None = None
    """What the proxy shows, so that no other program of its machine can pose as it."""
    secret_header: HeaderName = "X-Dicomnode-Proxy-Secret"
    user_header: HeaderName = "X-Forwarded-User"
    groups_header: HeaderName = "X-Forwarded-Groups"
    viewer: tuple[str, ...] = ()
    """Groups of this role."""
    operator: tuple[str, ...] = ()
    administrator: tuple[str, ...] = ()
    sign_out_url: str | None = Field(None, pattern=r"^(/[^/\\]|https://)")

    @validates_whole(mode="after")
    def _can_be_told_from_others(self) -> ProxySettings:
        if self.addresses and self.secret_file is None:
            raise ValueError(
                "addresses needs secret_file: every program on the proxy's machine has its address"
            )
        if not (self.viewer or self.operator or self.administrator):
            raise ValueError("no group has a role: nobody would be let in")
        names = [n.lower() for n in (self.secret_header, self.user_header, self.groups_header)]
        if len(set(names)) < 3:
            raise ValueError("secret_header, user_header and groups_header are three headers")
        return self

    @property
    def networks(self) -> tuple[IPv4Network | IPv6Network, ...]:
        """`addresses` as networks."""
        return tuple(ip_network(found) for found in self.addresses)

    @property
    def secret(self) -> str | None:
        """As the file says now; None where none is asked for.

        Raises
        ------
        OSError
        """
        return None if self.secret_file is None else read_secret(self.secret_file)

    def role_of(self, groups: tuple[str, ...]) -> RoleName | None:
        """The highest role that one of the groups has; None where none has one."""
        roles: tuple[RoleName, ...] = ("administrator", "operator", "viewer")
        return next((role for role in roles if {*getattr(self, role)} & {*groups}), None)


class WebSettings(Section):
    """Pages, DICOMweb, health and metrics by HTTP; no port and no socket, no service."""

    host: str = "127.0.0.1"
    port: Port | None = None
    socket: Path | None = None
    """A Unix socket for a proxy, in place of the port."""
    names: tuple[HostName, ...] = ()
    """How the service is called, beside its address: other names in Host are refused."""
    tls: TLSIdentity | None = None
    plain_http: bool = False
    """Whether other machines may ask without TLS."""
    tokens_file: Path | None = None
    """Hashes of tokens, as ``dicomnode token`` writes them; in the store's folder unless set."""
    loopback_role: Literal["none"] | RoleName = "none"
    """Of whoever asks from this machine and says nothing."""
    watchers: tuple[Network, ...] = ("127.0.0.0/8", "::1")
    """Who may ask for health and metrics without signing in."""
    session_hours: float = Field(10, gt=0, le=168)
    """How long a sign-in lasts."""
    idle_minutes: float = Field(60, gt=0)
    """How long it lasts while nothing is asked for."""
    max_upload_mb: int = Field(2048, gt=0)
    """Of one STOW-RS request."""
    max_connections: int = Field(200, gt=0)
    dicomweb: bool = False
    """Whether viewers may search, retrieve and store by DICOMweb."""
    dicomweb_url: AnyHttpUrl | None = None
    """How viewers reach it, where a proxy does not pass on what they say in Host."""
    proxy: ProxySettings | None = None

    @field_validator("host")
    @classmethod
    def _is_an_address(cls, host: str) -> str:
        try:
            ip_address(host)
        except ValueError:
            raise ValueError(
                f"found {host!r}, expected an address such as '127.0.0.1' or '::1'"
            ) from None
        return host

    @validates_whole(mode="after")
    def _is_kept_from_others(self) -> WebSettings:
        if self.port is not None and self.socket is not None:
            raise ValueError("port and socket: the service listens on one of them")
        if self.tls is not None and self.tls.certificate_file is None:
            raise ValueError("[web.tls] needs certificate_file and its key")
        if self.socket is not None and self.tls is not None:
            raise ValueError("socket with [web.tls]: the proxy in front of it has the certificate")
        if self.socket is not None and self.proxy is None:
            raise ValueError("socket needs [web.proxy], which says whom its groups let in")
        alone = self.port is None or self.loopback
        if not alone and self.tls is None and not self.plain_http:
            raise ValueError(
                f"found host {self.host!r}, by which other machines would send tokens in the "
                "clear; expected a loopback address behind a proxy, [web.tls], or plain_http = true"
            )
        return self

    @property
    def loopback(self) -> bool:
        """Whether only this machine can ask."""
        return ip_address(self.host).is_loopback

    @property
    def served(self) -> bool:
        """Whether there is a service at all."""
        return self.port is not None or self.socket is not None

    @property
    def server_tls(self) -> TLSSettings | None:
        """As for associations, except that no browser is asked for a certificate."""
        if self.tls is None:
            return None
        return TLSSettings(**self.tls.model_dump(), port=self.port, clients="none")

    @property
    def hosts(self) -> frozenset[str]:
        """What Host may name, in lower case and without a port."""
        own = f"[{self.host}]" if ":" in self.host else self.host
        return frozenset({"localhost", "127.0.0.1", "[::1]", own.lower(), *self.names})
