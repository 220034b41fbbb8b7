"""Who is called: destinations, sources, and who is told of commitments."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import (
    AnyHttpUrl,
    Discriminator,
    Field,
    Tag,
    field_validator,
)

from dicomnode.routing.wildcard import Patterns, fits
from dicomnode.settings.section import AETitle, Port, RungName, RungOptions, Section
from dicomnode.tls.settings import PeerTLS


class _Patience(Section):
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


class CommitmentSettings(Section):
    """The node as a Storage Commitment SCP (PS3.4 Annex J) for what it received."""

    serve: bool = True
    peers: tuple[DicomPeer, ...] = ()
    """Who is told on an association of its own; destinations and sources are known already."""
    max_instances: int = Field(20000, ge=1)
    keep_days: float = Field(90, ge=0)
    """How long requests are kept that were answered; 0: always."""


class DicomWeb(Section):
    """A DICOMweb origin server (PS3.18 10)."""

    url: AnyHttpUrl
    headers: dict[str, str] = Field(default_factory=dict, repr=False)
    """Sent with each request, such as ``Authorization``."""
    token_file: Path | None = None
    """Read for each request, and sent as ``Authorization: Bearer``; as of a webhook."""
    ca_file: Path | None = None
    """Certificates that the server's must be signed by, in place of the usual authorities'."""


class _Destination(Section):
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
    deliver: Literal["all", "accepted"] = "all"
    """``accepted``: results of a lesion go only once a reader has accepted its soft mask."""
    verdicts: bool = False
    """Whether it is told, by a structured report, what readers say of results that it gets."""
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


class _Source(Section):
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


KINDS = ("c-move", "c-get", "dicomweb", "c-store", "stow-rs", "folder")
