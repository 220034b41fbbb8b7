"""What is taken, from whom, and where it is kept."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Literal

from pydantic import (
    Field,
    IPvAnyNetwork,
    field_validator,
)
from sqlalchemy import create_engine, make_url
from sqlalchemy.exc import SQLAlchemyError

from dicomnode.routing.wildcard import Patterns
from dicomnode.settings.section import AETitle, Port, Section
from dicomnode.store.states import StudyState


class StoreSettings(Section):
    """Where the node keeps files and state."""

    path: Path = Path("/var/lib/dicomnode")
    database_url: str = ""
    reserve_mb: int = Field(512, ge=0)

    @field_validator("database_url")
    @classmethod
    def _can_be_opened(cls, url: str) -> str:
        try:
            backend = create_engine(url).dialect.name if url else "sqlite"
        except (SQLAlchemyError, ImportError) as error:  # their texts quote the URL, and a password
            raise ValueError(f"not a usable database URL ({type(error).__name__})") from None
        if backend not in ("sqlite", "postgresql"):
            raise ValueError(f"found a database of {backend}, expected SQLite or PostgreSQL")
        return url

    @property
    def url(self) -> str:
        """The database's URL; SQLite beside the files unless another is set."""
        return self.database_url or f"sqlite:///{self.path / 'node.sqlite'}"

    @cached_property
    def places(self) -> tuple[Path, ...]:
        """Folders that the node writes to: the store, and that of an SQLite database elsewhere."""
        url = make_url(self.url)
        file = url.database if url.get_backend_name() == "sqlite" else None
        if not file or file == ":memory:":
            return (self.path,)
        return tuple({self.path, Path(file).absolute().parent})

    @property
    def copies(self) -> Path:
        """Folder of the copies of the database that upgrades make."""
        return self.path / "upgrades"

    @property
    def audit(self) -> Path:
        """Folder of the journal of audit messages."""
        return self.path / "audit"


class PressureSettings(Section):
    """From when on CT images, and then all objects, are held back; see `[store]` reserve_mb."""

    marks_only_mb: int = Field(1024, ge=0)
    release_mb: int = Field(128, ge=0)
    marks_only_backlog: int = Field(50000, ge=1)
    nothing_backlog: int = Field(100000, ge=1)


class ListenSettings(Section):
    """The Storage, Verification and Storage Commitment SCP."""

    ae_title: AETitle = "DICOMNODE"
    more_ae_titles: tuple[AETitle, ...] = ()
    host: str = "0.0.0.0"
    port: Port = 11112
    calling_ae_titles: tuple[AETitle, ...] = ()
    require_called_ae_title: bool = True
    known_callers_only: bool = False
    """Whether only those are let in whom a table of ``[[callers]]`` fits."""
    max_associations: int = Field(20, ge=1)
    max_pdu: int = Field(131072, ge=4096, le=2**24)
    network_timeout_s: float = Field(60, gt=0)
    max_object_mb: int = Field(4096, ge=1)


class CallerSettings(Section):
    """Who calls the node, and how much of it it may take; see `dicomnode.receive.callers`."""

    name: str = Field(min_length=1)
    ae_titles: Patterns = ("*",)
    addresses: tuple[IPvAnyNetwork, ...] = ()
    """Addresses or networks that it calls from; any unless set."""
    certificates: Patterns = ()
    """Names in its certificate, or ``sha256:`` and its fingerprint; any, or none, unless set."""
    tls: bool = False
    allow: bool = True
    max_associations: int | None = Field(None, ge=1)
    associations_per_minute: int | None = Field(None, ge=1)
    max_pdu: int | None = Field(None, ge=4096, le=2**24)
    max_object_mb: int | None = Field(None, ge=1)
    mb_per_s: float | None = Field(None, gt=0)


class CollectSettings(Section):
    """When a lesion's slices count as complete."""

    quiet_period_s: float = Field(30, gt=0)
    seg_wait_s: float = Field(300, gt=0)
    patience_h: float = Field(168, gt=0)


class RetrieveSettings(Section):
    """When images that marks wait for are fetched, and how much of them."""

    grace_s: float = Field(30, ge=0)
    concurrent: int = Field(2, ge=1, le=64)
    max_instances: int = Field(5000, ge=1)
    max_mb: int = Field(8192, ge=1)
    longest_s: float = Field(3600, gt=0)


class RetentionSettings(Section):
    """What the node may delete of studies that are finished; nothing unless it is said here."""

    delivered_days: float = Field(0, ge=0)
    """Every destination has all results; 0, here and below: never."""
    unsent_days: float = Field(0, ge=0)
    refused_days: float = Field(0, ge=0)
    unmarked_days: float = Field(0, ge=0)
    failed_days: float = Field(0, ge=0)
    max_gb: float = Field(0, ge=0)
    """Of what was received and made; 0: no limit."""
    over_limit: tuple[Literal["delivered", "unsent", "refused", "unmarked", "failed"], ...] = (
        "delivered",
    )
    """States in which studies go before their days are over, where more than `max_gb` is kept."""
    at_least_h: float = Field(24, ge=0)
    """No study goes sooner, whatever is kept."""
    every_h: float = Field(1, gt=0)

    @property
    def deletes(self) -> bool:
        """Whether anything is ever deleted."""
        return bool((self.max_gb and self.over_limit) or any(map(self.days, StudyState)))

    def days(self, state: StudyState) -> float:
        """Days after which a study in a state goes; 0: never."""
        return 0.0 if state is StudyState.BUSY else getattr(self, f"{state.value}_days")
