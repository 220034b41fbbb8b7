"""The whole of the settings."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import (
    Field,
)
from pydantic import model_validator as validates_whole
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from dicomnode.routing.rules import Rule
from dicomnode.settings.agreement import AGREEMENTS
from dicomnode.settings.peers import (
    CommitmentSettings,
    Destination,
    DicomPeer,
    Source,
)
from dicomnode.settings.receiving import (
    CallerSettings,
    CollectSettings,
    ListenSettings,
    PressureSettings,
    RetentionSettings,
    RetrieveSettings,
    StoreSettings,
)
from dicomnode.settings.section import RungName
from dicomnode.settings.telling import AlertSettings, AuditSettings, LogSettings, PartsSettings
from dicomnode.settings.web import WebSettings
from dicomnode.settings.working import (
    CircuitSettings,
    ConfirmSettings,
    NetworkSettings,
    ProbeSettings,
    PublishSettings,
    RetrySettings,
    SegmentSettings,
)
from dicomnode.tls.settings import TLSSettings, with_shared_identity

OF_KINDS = ("sources", "destinations")


class NodeSettings(BaseSettings):
    """Everything that a node can be told."""

    model_config = SettingsConfigDict(
        env_prefix="DICOMNODE_",
        env_nested_delimiter="__",
        extra="forbid",
        frozen=True,
        allow_inf_nan=False,
    )

    store: StoreSettings = StoreSettings()
    listen: ListenSettings = ListenSettings()
    tls: TLSSettings = TLSSettings()
    pressure: PressureSettings = PressureSettings()
    collect: CollectSettings = CollectSettings()
    segment: SegmentSettings = SegmentSettings()
    networks: NetworkSettings = NetworkSettings()
    publish: PublishSettings = PublishSettings()
    retrieve: RetrieveSettings = RetrieveSettings()
    retry: RetrySettings = RetrySettings()
    circuit: CircuitSettings = CircuitSettings()
    confirm: ConfirmSettings = ConfirmSettings()
    commitment: CommitmentSettings = CommitmentSettings()
    probe: ProbeSettings = ProbeSettings()
    retention: RetentionSettings = RetentionSettings()
    log: LogSettings = LogSettings()
    web: WebSettings = WebSettings()
    parts: PartsSettings = PartsSettings()
    alerts: AlertSettings = AlertSettings()
    audit: AuditSettings = AuditSettings()
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    callers: tuple[CallerSettings, ...] = ()
    destinations: tuple[Destination, ...] = ()
    sources: tuple[Source, ...] = ()
    rules: tuple[Rule, ...] = ()
    profiles: dict[str, tuple[RungName, ...]] = Field(default_factory=dict)
    """Results by the name that rules call them by."""

    @validates_whole(mode="before")
    @classmethod
    def _peers_share_the_identity(cls, given: Any) -> Any:
        """What a peer's ``tls`` leaves out is as in ``[tls]``."""
        if not isinstance(given, dict):
            return given
        shared = given.get("tls", {})

        def told(peers: Any) -> Any:
            if not isinstance(peers, list | tuple):
                return peers
            return [with_shared_identity(shared, peer) for peer in peers]

        found = {name: told(given[name]) for name in OF_KINDS if name in given}
        commitment = given.get("commitment")
        if isinstance(commitment, dict) and "peers" in commitment:
            found["commitment"] = {**commitment, "peers": told(commitment["peers"])}
        audit = given.get("audit")
        if isinstance(audit, dict) and "collector" in audit:
            collector = with_shared_identity(shared, audit["collector"])
            found["audit"] = {**audit, "collector": collector}
        return {**given, **found}

    @validates_whole(mode="after")
    def _parts_agree(self) -> NodeSettings:
        for agreement in AGREEMENTS:
            agreement(self)
        return self

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Let the environment win over what the file says."""
        return env_settings, init_settings

    @property
    def routes(self) -> tuple[Rule, ...]:
        """The rules, each with the results of its profile in the place of the profile's name."""
        return tuple(
            rule
            if rule.profile is None
            else rule.model_copy(update={"results": self.profiles[rule.profile], "profile": None})
            for rule in self.rules
        )

    @property
    def peers(self) -> tuple[DicomPeer, ...]:
        """All who can be called by an AE title that they call the node by."""
        known = (*self.commitment.peers, *self.destinations, *self.sources)
        return tuple(peer for peer in known if isinstance(peer, DicomPeer))

    def destination(self, name: str) -> Destination:
        """The destination of that name; KeyError with the known ones otherwise."""
        for destination in self.destinations:
            if destination.name == name:
                return destination
        known = ", ".join(d.name for d in self.destinations) or "none"
        raise KeyError(f"no destination is named {name!r}; known are: {known}")
