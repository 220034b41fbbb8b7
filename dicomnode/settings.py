"""The node's settings: one validated tree from TOML and the environment.

Environment variables win over the file: ``DICOMNODE_LISTEN__PORT=11113`` sets ``port`` in
``[listen]``. A wrong setting stops the start with its line and the reason.
"""

from __future__ import annotations

import os
import tomllib
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from pydantic import (
    AfterValidator,
    AnyHttpUrl,
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    IPvAnyNetwork,
    StringConstraints,
    Tag,
    ValidationError,
    field_validator,
)
from pydantic import model_validator as validates_whole
from pydantic_core import InitErrorDetails, PydanticCustomError
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict
from sqlalchemy import create_engine, make_url
from sqlalchemy.exc import SQLAlchemyError

from dicomnode.credentials import credential_path
from dicomnode.routing.networks import network_problem
from dicomnode.routing.rules import Rule
from dicomnode.routing.wildcard import Patterns, fits
from dicomnode.store.states import StudyState
from dicomnode.tls.settings import PeerTLS, TLSSettings, with_shared_identity
from dicomnode.toml_lines import line_of
from pipelines.networks.options import NetworkOptions

AETitle = Annotated[
    str,
    StringConstraints(
        strip_whitespace=True, min_length=1, max_length=16, pattern=r"^[^\\\x00-\x1f]+$"
    ),
]
"""An AE title (PS3.5 6.2, AE): at most 16 characters, no backslash, no control character."""

Port = Annotated[int, Field(ge=0, le=65535)]


class SettingsError(ValueError):
    """The configuration cannot be used; the text names the file, the line and the reason."""


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


RungName = Literal[
    "fractional-seg",
    "binary-seg",
    "band-seg",
    "labelmap-seg",
    "parametric-map",
    "report",
    "ohif-report",
    "iso-contours",
    "secondary-capture",
    "rtstruct",
    "key-object",
]
"""The kinds of result objects, as `dicomnode.results.ladder.LADDER` names them."""


def _as_rungs_take_them(options: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    if not options:
        return {}
    # The rungs take a while to import; nobody should wait for them who tells them nothing.
    from dicomnode.results.rung_options import read_options

    return read_options(options)


RungOptions = Annotated[dict[RungName, dict[str, Any]], AfterValidator(_as_rungs_take_them)]
"""Fields of the settings of rungs, such as ``{"binary-seg": {"level": 0.4}}``."""


class LogSettings(_Section):
    """How events are written to standard error."""

    format: Literal["text", "json"] = "text"


class WebSettings(_Section):
    """Health and metrics by HTTP; no port, no service."""

    host: str = "127.0.0.1"
    port: Port | None = None

    @field_validator("host")
    @classmethod
    def _is_loopback(cls, host: str) -> str:
        # Nobody is asked who they are, so nobody but this machine may ask.
        try:
            loopback = ip_address(host).is_loopback
        except ValueError:
            loopback = False
        if not loopback:
            raise ValueError(
                f"found {host!r}, expected a loopback address such as '127.0.0.1' or '::1': the "
                "service asks for no password; let a proxy on this machine ask and pass on"
            )
        return host


class StoreSettings(_Section):
    """Where the node keeps files and state."""

    path: Path = Path("/var/lib/dicomnode")
    database_url: str = ""
    reserve_mb: int = Field(512, ge=0)

    @field_validator("database_url")
    @classmethod
    def _can_be_opened(cls, url: str) -> str:
        try:
            if url:
                create_engine(url)
        except (SQLAlchemyError, ImportError) as error:  # their texts quote the URL, and a password
            raise ValueError(f"not a usable database URL ({type(error).__name__})") from None
        return url

    @property
    def url(self) -> str:
        """The database's URL; SQLite beside the files unless another is set."""
        return self.database_url or f"sqlite:///{self.path / 'node.sqlite'}"

    @property
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


class PressureSettings(_Section):
    """From when on CT images, and then all objects, are held back; see `[store]` reserve_mb."""

    marks_only_mb: int = Field(1024, ge=0)
    release_mb: int = Field(128, ge=0)
    marks_only_backlog: int = Field(50000, ge=1)
    nothing_backlog: int = Field(100000, ge=1)


class ListenSettings(_Section):
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


class CallerSettings(_Section):
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


class CollectSettings(_Section):
    """When a lesion's slices count as complete."""

    quiet_period_s: float = Field(30, gt=0)
    seg_wait_s: float = Field(300, gt=0)
    patience_h: float = Field(168, gt=0)


def _physical_mb() -> int:
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2**20


class SegmentSettings(_Section):
    """The pool that computes."""

    processes: int = Field(default_factory=lambda: max(1, (os.cpu_count() or 2) // 2), ge=1)
    attempts: int = Field(2, ge=1)
    seconds: float = Field(3600, ge=0)
    """Longest time of one piece of work; 0: as long as it takes."""
    stop_s: float = Field(30, ge=0)
    """How long work may go on once the node is asked to stop; it is then begun anew at a start."""
    memory_mb: int = Field(default_factory=lambda: _physical_mb() // 2, ge=0)
    """Most memory of one worker; 0: as much as it takes."""


class NetworkSettings(_Section):
    """Where a site's own weights of networks lie, and what networks run on.

    See `pipelines.networks.options.NetworkOptions`.
    """

    weights: Path | None = None
    device: str = "auto"
    precision: Literal["auto", "fp32", "fp16", "bf16"] = "auto"
    batch: int = Field(4, ge=1)

    @field_validator("weights")
    @classmethod
    def _is_a_folder(cls, weights: Path | None) -> Path | None:
        if weights is not None and not (weights.is_absolute() and weights.is_dir()):
            raise ValueError(f"found {str(weights)!r}, expected the absolute path of a folder")
        return weights

    @validates_whole(mode="after")
    def _make_sense(self) -> NetworkSettings:
        _ = self.options
        return self

    @property
    def options(self) -> NetworkOptions:
        """As workers take them."""
        return NetworkOptions(self.weights, self.device, self.precision, self.batch)


class PublishSettings(_Section):
    """What the result objects say of themselves."""

    series_number: int = Field(7300, ge=1)
    omit_empty_frames: bool = True
    gather_s: float = Field(10, ge=0)
    """Reports of a series wait for so long after a lesion, so that several make one report."""


class RetrySettings(_Section):
    """How deliveries and retrievals are repeated: waits grow by the factor up to the longest."""

    first_wait_s: float = Field(5, gt=0)
    factor: float = Field(2, ge=1)
    longest_wait_s: float = Field(3600, gt=0)
    attempts: int = Field(180, ge=1)
    jitter: float = Field(0.25, ge=0, le=1)
    """The part by which each wait may be shorter, by chance."""


class CircuitSettings(_Section):
    """When a destination counts as away, and how often it is then asked whether it is back."""

    failures: int = Field(5, ge=1)
    first_wait_s: float = Field(15, gt=0)
    longest_wait_s: float = Field(600, gt=0)


class RetrieveSettings(_Section):
    """When images that marks wait for are fetched, and how much of them."""

    grace_s: float = Field(30, ge=0)
    concurrent: int = Field(2, ge=1, le=64)
    max_instances: int = Field(5000, ge=1)
    max_mb: int = Field(8192, ge=1)
    longest_s: float = Field(3600, gt=0)


class ConfirmSettings(_Section):
    """How results are confirmed that a destination has accepted."""

    batch_s: float = Field(2, ge=0)
    batch: int = Field(500, ge=1, le=5000)
    same_association_s: float = Field(5, ge=0)
    report_within_s: float = Field(14400, gt=0)
    after_start_s: float = Field(60, ge=0)
    requests: int = Field(6, ge=1)
    resends: int = Field(3, ge=0)
    verify_attempts: int = Field(8, ge=1)
    keep_days: float = Field(90, ge=0)
    """How long requests that are done, and deliveries of what was replaced, are kept; 0: always."""


class RetentionSettings(_Section):
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


class ProbeSettings(_Section):
    """How often destinations are asked what they accept."""

    every_h: float = Field(24, ge=0)
    """0: only by ``dicomnode probe``."""


def read_secret(path: Path) -> str:
    """Read a secret from a file; a relative one lies with systemd's credentials.

    Raises
    ------
    OSError
        If it cannot be read.
    """
    return credential_path(path).read_text(encoding="utf-8").strip()


class EmailSettings(_Section):
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


class WebhookSettings(_Section):
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


class AlertSettings(_Section):
    """What administrators are told of, and how."""

    every_s: float = Field(60, gt=0)
    interval_h: float = Field(4, gt=0)
    away_minutes: float = Field(15, ge=0)
    free_mb: float = Field(2048, ge=0)
    email: EmailSettings | None = None
    webhook: WebhookSettings | None = None


class _Patience(_Section):
    """How long a peer may take."""

    connect_timeout_s: float = Field(10, gt=0)
    response_timeout_s: float = Field(60, gt=0)


class DicomPeer(_Patience):
    """A peer that takes associations from the node."""

    ae_title: AETitle
    host: str = Field(min_length=1)
    port: Port
    calling_ae_title: AETitle | None = None
    tls: PeerTLS | None = None
    """How the association is secured; without it, it is not."""


class CommitmentSettings(_Section):
    """The node as a Storage Commitment SCP (PS3.4 Annex J) for what it received."""

    serve: bool = True
    peers: tuple[DicomPeer, ...] = ()
    """Who is told on an association of its own; destinations and sources are known already."""
    max_instances: int = Field(20000, ge=1)
    keep_days: float = Field(90, ge=0)
    """How long requests are kept that were answered; 0: always."""


class DicomWeb(_Section):
    """A DICOMweb origin server (PS3.18 10)."""

    url: AnyHttpUrl
    headers: dict[str, str] = Field(default_factory=dict, repr=False)
    """Sent with each request, such as ``Authorization``."""
    token_file: Path | None = None
    """Read for each request, and sent as ``Authorization: Bearer``; as of a webhook."""
    ca_file: Path | None = None
    """Certificates that the server's must be signed by, in place of the usual authorities'."""


class _Destination(_Section):
    """Where results go."""

    name: str = Field(min_length=1)
    transfer_syntax: Literal["jpeg-ls", "explicit-le"] = "jpeg-ls"
    """``jpeg-ls``: objects go compressed where the peer takes that; ``explicit-le``: never."""
    results: tuple[RungName, ...] | Literal["auto"] = "auto"
    """Which objects it gets; ``auto``: those of a list that suits most that it accepts."""
    omit_empty_frames: bool | None = None
    """As in ``[publish]``, for this destination alone."""
    references: Literal["ct", "all"] = "ct"
    """What segmentations, maps, pictures and structure sets name: the CT alone, or also the marks'
    objects and each other. Reports and key objects name all in any case."""
    options: RungOptions = Field(default_factory=dict)
    """What single rungs are told besides; it wins over the two above."""
    verify: Literal["none", "find", "pixels"] = "none"
    """How far a result is read back: not at all, by a query, or with its pixel data."""


class DicomDestination(_Destination, DicomPeer):
    """A peer that takes results by C-STORE."""

    kind: Literal["c-store"] = "c-store"
    commit: bool = False
    """Whether it is asked for storage commitment (PS3.4 Annex J)."""
    dicomweb: DicomWeb | None = None
    """Where pixel data is read back from; by C-GET without it."""


class StowDestination(_Destination, DicomWeb, _Patience):
    """A server that takes results by STOW-RS (PS3.18 10.5)."""

    kind: Literal["stow-rs"]


class FolderDestination(_Destination):
    """A folder that gets results as files."""

    kind: Literal["folder"]
    path: Path
    subfolders: Literal["none", "study", "series"] = "none"
    """``FOLDER/file``, ``FOLDER/<study uid>/file`` or ``FOLDER/<study uid>/<series uid>/file``."""

    @field_validator("path")
    @classmethod
    def _is_absolute(cls, path: Path) -> Path:
        if not path.is_absolute():
            raise ValueError(f"found {str(path)!r}, expected an absolute path")
        return path


def _kind_of_destination(given: object) -> str:
    """The kind that a table names; one that names none goes by C-STORE."""
    if isinstance(given, dict):
        return str(given.get("kind", "c-store"))
    return str(getattr(given, "kind", "c-store"))


Destination = Annotated[
    Annotated[DicomDestination, Tag("c-store")]
    | Annotated[StowDestination, Tag("stow-rs")]
    | Annotated[FolderDestination, Tag("folder")],
    Discriminator(
        _kind_of_destination,
        custom_error_type="kind",
        custom_error_message="the kind of a destination is 'c-store', 'stow-rs' or 'folder'",
    ),
]


class _Source(_Section):
    """Where images that a mark was drawn on can be fetched."""

    name: AETitle
    """Also the calling AE title that fetched instances are recorded under."""
    calling_ae: Patterns = ("*",)
    """Of the associations that brought the marks that this source is asked for."""

    def serves(self, calling_ae: str) -> bool:
        """Whether the source is asked for the images of a mark that came from `calling_ae`."""
        return any(fits(calling_ae, pattern) for pattern in self.calling_ae)


class DicomSource(_Source, DicomPeer):
    """A source with DIMSE query and retrieve (PS3.4 Annex C)."""

    kind: Literal["c-move", "c-get"]


class DicomWebSource(_Source, DicomWeb, _Patience):
    """A source with QIDO-RS and WADO-RS (PS3.18 10)."""

    kind: Literal["dicomweb"]


Source = Annotated[DicomSource | DicomWebSource, Field(discriminator="kind")]
_KINDS = ("c-move", "c-get", "dicomweb", "c-store", "stow-rs", "folder")
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
    alerts: AlertSettings = AlertSettings()
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
        if not (depth == 2 and part in _KINDS and problem["loc"][0] in _OF_KINDS)
        and part != "[key]"
    )
    where = ".".join(str(part) for part in location) or "settings"
    line = line_of(location, text)
    reason = problem["msg"].removeprefix("Value error, ")
    return f"{line or 1}: {where}: {reason}"
