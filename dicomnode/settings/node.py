"""The whole of the settings, and what its parts must agree on."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any, Literal, get_args

from pydantic import (
    Field,
    ValidationError,
)
from pydantic import model_validator as validates_whole
from pydantic_core import InitErrorDetails, PydanticCustomError
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from dicomnode.routing.networks import network_problem
from dicomnode.routing.rules import Rule
from dicomnode.routing.wildcard import fits
from dicomnode.settings.peers import (
    KINDS,
    CommitmentSettings,
    Destination,
    DicomDestination,
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
from dicomnode.toml_lines import line_of


class SettingsError(ValueError):
    """The configuration cannot be used; the text names the file, the line and the reason."""


_OF_KINDS = ("sources", "destinations")


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

        found = {name: told(given[name]) for name in _OF_KINDS if name in given}
        commitment = given.get("commitment")
        if isinstance(commitment, dict) and "peers" in commitment:
            found["commitment"] = {**commitment, "peers": told(commitment["peers"])}
        audit = given.get("audit")
        if isinstance(audit, dict) and "collector" in audit:
            collector = with_shared_identity(shared, audit["collector"])
            found["audit"] = {**audit, "collector": collector}
        return {**given, **found}

    @validates_whole(mode="after")
    def _peers_can_be_known(self) -> NodeSettings:
        """A peer with TLS shows a certificate, which somebody that is trusted must have signed."""
        for peer in self.peers:
            if peer.tls is not None and peer.tls.ca_file is None:
                raise ValueError(
                    f"TLS to {peer.ae_title!r} needs ca_file, there or in [tls]: nothing says "
                    "whose certificates are trusted"
                )
        if self.tls.port and not self.tls.only and self.tls.port == self.listen.port:
            raise ValueError(
                f"[tls] port and [listen] port are both {self.tls.port}; with [tls] only = true "
                "nothing is taken without TLS"
            )
        return self

    @validates_whole(mode="after")
    def _callers_can_come_in(self) -> NodeSettings:
        """Nobody is asked for a certificate where none can be shown, or forgotten who must call."""
        for caller in self.callers:
            if (caller.certificates or caller.tls) and self.tls.port is None:
                raise ValueError(f"caller {caller.name!r} needs TLS, and [tls] has no port")
            if caller.certificates and self.tls.clients == "none":
                raise ValueError(
                    f"caller {caller.name!r} needs a certificate, and [tls] clients asks for none"
                )
        if not self.listen.known_callers_only:
            return self
        calling = [s.ae_title for s in self.sources if s.kind == "c-move"]
        calling += [
            d.ae_title for d in self.destinations if isinstance(d, DicomDestination) and d.commit
        ]
        for ae_title in calling:
            if not any(
                caller.allow and any(fits(ae_title, pattern) for pattern in caller.ae_titles)
                for caller in self.callers
            ):
                raise ValueError(
                    f"{ae_title!r} sends by C-MOVE or reports storage commitment, and none of "
                    "[[callers]] fits it: [listen] known_callers_only keeps it out"
                )
        return self

    @validates_whole(mode="after")
    def _names_meet(self) -> NodeSettings:
        known = [destination.name for destination in self.destinations]
        for what, names in (
            ("destination", known),
            ("source", [source.name for source in self.sources]),
            ("rule", [rule.name for rule in self.rules]),
            ("caller", [caller.name for caller in self.callers]),
        ):
            twice = sorted({name for name in names if names.count(name) > 1})
            if twice:
                raise ValueError(f"two {what}s are named {twice[0]!r}")
        for rule in self.rules:
            if not rule.destinations:
                raise ValueError(f"rule {rule.name!r} names no destination: nothing would be sent")
            for name in rule.destinations:
                if name not in known:
                    raise ValueError(
                        f"rule {rule.name!r} names the destination {name!r}; "
                        f"known are {', '.join(map(repr, known)) or 'none'}"
                    )
        return self

    @validates_whole(mode="after")
    def _profiles_are_known(self) -> NodeSettings:
        """Each says on which line its rule stands."""
        problems = []
        for number, rule in enumerate(self.rules):
            if rule.profile is not None and rule.profile not in self.profiles:
                known = ", ".join(map(repr, self.profiles)) or "none"
                field, found = "profile", rule.profile
                problem = f"no profile {found!r}; known are {known}"
            elif strange := sorted({*(rule.results or ())} - {*get_args(RungName)}):
                field, found = "results", strange[0]
                problem = f"no result {found!r}; known are {', '.join(get_args(RungName))}"
            else:
                continue
            problems.append(
                InitErrorDetails(
                    type=PydanticCustomError("profile", "{problem}", {"problem": problem}),
                    loc=("rules", number, field),
                    input=found,
                )
            )
        for name, results in self.profiles.items():
            if not results:
                problems.append(
                    InitErrorDetails(
                        type=PydanticCustomError("profile", "a profile names no result"),
                        loc=("profiles", name),
                        input=results,
                    )
                )
        if problems:
            raise ValidationError.from_exception_data(type(self).__name__, problems)
        return self

    @validates_whole(mode="after")
    def _networks_can_run(self) -> NodeSettings:
        """A network that cannot be used stops the start, and not the first study."""
        options = self.networks.options
        problems = []
        for number, rule in enumerate(self.rules):
            problem = network_problem(rule.method, options)
            if problem is not None:
                problems.append(
                    InitErrorDetails(
                        type=PydanticCustomError("network", "{problem}", {"problem": problem}),
                        loc=("rules", number, "method"),
                        input=rule.method,
                    )
                )
        if problems:
            # So that each says on which line its rule stands.
            raise ValidationError.from_exception_data(type(self).__name__, problems)
        return self

    @validates_whole(mode="after")
    def _moved_images_are_let_in(self) -> NodeSettings:
        """C-MOVE makes the source call the node, as any sender does."""
        let_in = self.listen.calling_ae_titles
        for source in self.sources:
            if let_in and source.kind == "c-move" and source.ae_title not in let_in:
                raise ValueError(
                    f"source {source.name!r} sends by C-MOVE as {source.ae_title!r}, "
                    "which [listen] calling_ae_titles does not let in"
                )
        return self

    @validates_whole(mode="after")
    def _reports_are_let_in(self) -> NodeSettings:
        """A peer may report a commitment on an association that it opens to the node."""
        let_in = self.listen.calling_ae_titles
        for destination in self.destinations:
            if (
                let_in
                and isinstance(destination, DicomDestination)
                and destination.commit
                and destination.ae_title not in let_in
            ):
                raise ValueError(
                    f"destination {destination.name!r} reports storage commitment as "
                    f"{destination.ae_title!r}, which [listen] calling_ae_titles does not let in"
                )
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

    @validates_whole(mode="after")
    def _something_is_sent(self) -> NodeSettings:
        for destination in self.destinations:
            if not destination.results:
                raise ValueError(f"destination {destination.name!r} gets no results")
        return self

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


def load_settings(path: Path) -> NodeSettings:
    """Read and validate a configuration file.

    Raises
    ------
    SettingsError
        With the file, the line and the reason of everything that is wrong.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path}: cannot be read: {error}") from None
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"{path}: {error}") from None
    try:
        return NodeSettings(**data)
    except ValidationError as error:
        problems = [_describe(problem, text) for problem in error.errors()]
        raise SettingsError("\n".join(f"{path}:{problem}" for problem in problems)) from None


def _describe(problem: Any, text: str) -> str:
    # The kind of a source or destination is no key of the file, though pydantic names it as one.
    location = tuple(
        part
        for depth, part in enumerate(problem["loc"])
        if not (depth == 2 and part in KINDS and problem["loc"][0] in _OF_KINDS) and part != "[key]"
    )
    where = ".".join(str(part) for part in location) or "settings"
    line = line_of(location, text)
    reason = problem["msg"].removeprefix("Value error, ")
    return f"{line or 1}: {where}: {reason}"
