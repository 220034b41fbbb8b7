"""What the node tells people and their programs: log, parts, alerts, audit."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import (
    AnyHttpUrl,
    Field,
)
from pydantic import model_validator as validates_whole

from dicomnode.credentials import credential_path
from dicomnode.settings.section import Port, Section
from dicomnode.tls.settings import PeerTLS


class LogSettings(Section):
    """How events are written to standard error."""

    format: Literal["text", "json"] = "text"


class PartsSettings(Section):
    """What a part that runs in a process of its own answers by HTTP, at `[web] host`."""

    receiver_port: Port | None = None
    """Health and metrics of the receiver; no port, no service."""
    worker_port: Port | None = None


def read_secret(path: Path) -> str:
    """Read a secret from a file; a relative one lies with systemd's credentials.

    Raises
    ------
    OSError
        If it cannot be read.
    """
    return credential_path(path).read_text(encoding="utf-8").strip()


class EmailSettings(Section):
    """The mail server that messages to administrators go by."""

    host: str = Field(min_length=1)
    port: Port = 587
    security: Literal["starttls", "tls", "none"] = "starttls"
    username: str | None = None
    password_file: Path | None = None
    """Read when it is used; a relative one lies with systemd's credentials."""
    sender: str = Field(min_length=3)
    to: tuple[str, ...] = Field(min_length=1)
    ca_file: Path | None = None
    timeout_s: float = Field(10, gt=0)

    @validates_whole(mode="after")
    def _keep_the_secret(self) -> EmailSettings:
        if (self.username is None) != (self.password_file is None):
            raise ValueError("username and password_file are given both or not at all")
        here = self.host in ("localhost", "127.0.0.1", "::1")
        if self.username is not None and self.security == "none" and not here:
            raise ValueError("a password would go to another machine without TLS")
        return self

    @property
    def password(self) -> str:
        """As the file says now. Raises OSError."""
        return read_secret(self.password_file)


class WebhookSettings(Section):
    """A server that messages to administrators are posted to, as JSON."""

    url: AnyHttpUrl
    token_file: Path | None = None
    """Read when it is used, and sent as ``Authorization: Bearer``."""
    ca_file: Path | None = None
    timeout_s: float = Field(10, gt=0)

    @property
    def token(self) -> str:
        """As the file says now. Raises OSError."""
        return read_secret(self.token_file)


class AlertSettings(Section):
    """What administrators are told of, and how."""

    every_s: float = Field(60, gt=0)
    interval_h: float = Field(4, gt=0)
    away_minutes: float = Field(15, ge=0)
    free_mb: float = Field(2048, ge=0)
    email: EmailSettings | None = None
    webhook: WebhookSettings | None = None


class CollectorSettings(Section):
    """The server that audit messages are sent to by syslog (PS3.15 A.6 and A.7)."""

    host: str = Field(min_length=1)
    port: Port = 6514
    transport: Literal["tls", "tcp", "udp"] = "tls"
    tls: PeerTLS | None = None
    """Whom to trust, and who the node is; what is not set here is as in ``[tls]``."""
    timeout_s: float = Field(10, gt=0)

    @validates_whole(mode="after")
    def _can_be_asked(self) -> CollectorSettings:
        if self.transport == "tls" and (self.tls is None or self.tls.ca_file is None):
            raise ValueError(
                'transport = "tls" needs tls with a ca_file, there or in [tls]: nothing says '
                "whose certificate is trusted"
            )
        if self.transport != "tls" and self.tls is not None:
            raise ValueError(f"found tls, and transport = {self.transport!r}, which has none")
        return self


class AuditSettings(Section):
    """Who did what to which study: the journal in the store, and where it is sent."""

    enabled: bool = True
    source_id: str = ""
    """AuditSourceID; the node's AE title and host name unless set."""
    site_id: str = ""
    """AuditEnterpriseSiteID; none unless set."""
    patient_ids: bool = False
    """Whether messages name patients by their ID, and queries are told as they were asked."""
    segment_mb: float = Field(64, gt=0)
    """A file that has grown to so much is followed by another one."""
    keep_days: float = Field(0, ge=0)
    """Files of the journal go after so many days; 0: never."""
    late_minutes: float = Field(60, gt=0)
    """Administrators are told where nothing could be written, or sent, for so long."""
    collector: CollectorSettings | None = None
