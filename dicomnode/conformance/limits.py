"""What is configured: associations, time-outs, maxima, and who the node talks to."""

from __future__ import annotations

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from dicomnode.association import MAX_PDU
from dicomnode.conformance.table import Table, yes
from dicomnode.receive.commitment import MAX_INFORMATION
from dicomnode.retrieve.probe import address_of as source_address
from dicomnode.routing.rules import Rule
from dicomnode.settings import (
    CallerSettings,
    Destination,
    DicomDestination,
    DicomPeer,
    DicomSource,
    DicomWebSource,
    FolderDestination,
    NodeSettings,
    Source,
    StowDestination,
)
from dicomnode.version import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME, VERSION

_SECRET = ("database_url", "headers")
"""May hold a password; only whether they are set is said."""

_LIMITS = {"ge": "≥ {}", "gt": "> {}", "le": "≤ {}", "lt": "< {}"}


def identification() -> Table:
    """Who the node says that it is. The rows with a version change with each release."""
    rows = (
        ("Implementation Class UID", f"`{IMPLEMENTATION_CLASS_UID}`"),
        ("Implementation Version Name", f"`{IMPLEMENTATION_VERSION_NAME}`"),
        ("Software version", f"`{VERSION}`"),
    )
    return Table("identification", ("What", "Value"), rows)


def associations(settings: NodeSettings) -> Table:
    """Association parameters (Annex N, general association parameters)."""
    listen = settings.listen
    let_in = ", ".join(listen.calling_ae_titles) or "any"
    rows = (
        ("Application Context", "1.2.840.10008.3.1.1.1", "1.2.840.10008.3.1.1.1"),
        (
            "AE title",
            ", ".join((listen.ae_title, *listen.more_ae_titles)),
            "the first of these, unless set for a peer"
            if listen.more_ae_titles
            else "the same, unless set for a peer",
        ),
        ("Port", str(listen.port), "any free one"),
        ("Calling AE titles that are let in", let_in, "not applicable"),
        ("Only callers of `[[callers]]`", yes(listen.known_callers_only), "not applicable"),
        ("Called AE title is checked", yes(listen.require_called_ae_title), "not applicable"),
        ("Longest PDU received, bytes", str(listen.max_pdu), str(MAX_PDU)),
        ("Longest PDU sent", "what the peer says", "what the peer says"),
        (
            "Associations at a time",
            str(listen.max_associations),
            "two for each destination, one for each retrieval, one for commitment reports and one "
            "for probes",
        ),
        ("Asynchronous operations", "Not supported", "Not supported"),
        ("User identity negotiation", "Not supported", "Not supported"),
        ("Extended negotiation", "Not supported", "Not supported"),
        ("Time-out, no data, seconds", f"{listen.network_timeout_s:g}", "set for each peer"),
        ("Largest data set, MB", str(listen.max_object_mb), "set for retrievals"),
        (
            "Largest commitment request or report, MB",
            f"{MAX_INFORMATION / 2**20:g}",
            "not limited",
        ),
    )
    return Table("associations", ("Parameter", "As acceptor", "As initiator"), rows)


def parameters(settings: NodeSettings | None = None) -> Table:
    """All parameters outside destinations, sources and rules; with their values here if given."""
    rows = []
    for section, field in NodeSettings.model_fields.items():
        default = field.get_default(call_default_factory=True)
        if isinstance(default, BaseModel):
            for name, inner in type(default).model_fields.items():
                here = getattr(getattr(settings, section), name) if settings else None
                rows.append(_parameter(f"[{section}] {name}", name, inner, here, settings))
        elif not isinstance(default, tuple):
            here = getattr(settings, section) if settings else None
            rows.append(_parameter(section, section, field, here, settings))
    columns = ("Parameter", "Default", "Allowed")
    return Table("parameters", (*columns, "Here") if settings else columns, tuple(rows))


def peer_parameters() -> Table:
    """What can be set for a destination, a source, a caller or a rule."""
    rows = []
    kinds = {
        "destination, C-STORE": DicomDestination,
        "destination, STOW-RS": StowDestination,
        "destination, folder": FolderDestination,
        "source, C-MOVE or C-GET": DicomSource,
        "source, DICOMweb": DicomWebSource,
        "caller": CallerSettings,
        "rule": Rule,
    }
    for kind, model in kinds.items():
        for name, field in model.model_fields.items():
            if name != "kind":
                rows.append((kind, *_parameter(name, name, field, None, None)))
    return Table("peer-parameters", ("Of a", "Parameter", "Default", "Allowed"), tuple(rows))


def peers(settings: NodeSettings) -> Table:
    """Whom this node is configured to talk to. Secrets of addresses are left out."""
    rows = [_destination(one) for one in settings.destinations]
    rows += [_source(one) for one in settings.sources]
    rows += [
        ("commitment peer", peer.ae_title, _dicom_address(peer), "is told of commitments")
        for peer in settings.commitment.peers
    ]
    empty = "None are configured in the defaults."
    return Table("peers", ("Role", "Name", "Address", "What"), tuple(rows), empty)


def _destination(one: Destination) -> tuple[str, str, str, str]:
    results = one.results if isinstance(one.results, str) else ", ".join(one.results)
    only = ", once a reader has accepted them" if one.deliver == "accepted" else ""
    what = f"gets {results}{only}; verify {one.verify}"
    if one.verdicts:
        what += "; is told of readers' verdicts"
    if isinstance(one, DicomDestination):
        what += f"; storage commitment {'asked for' if one.commit else 'not asked for'}"
        return ("destination, C-STORE", one.name, _dicom_address(one), what)
    if isinstance(one, StowDestination):
        return ("destination, STOW-RS", one.name, _web_address(one), what)
    return ("destination, folder", one.name, str(one.path), what)


def _source(one: Source) -> tuple[str, str, str, str]:
    kind = {"c-move": "C-MOVE", "c-get": "C-GET", "dicomweb": "DICOMweb"}[one.kind]
    return (f"source, {kind}", one.name, source_address(one), "is asked for images of marks")


def _dicom_address(peer: DicomPeer) -> str:
    return f"{peer.ae_title}@{peer.host}:{peer.port}" + (" with TLS" if peer.tls else "")


def _web_address(server: StowDestination) -> str:
    # Without a name, a password or a query that it may hold.
    url = server.url
    return f"{url.scheme}://{url.host}:{url.port}{url.path or ''}"


def _parameter(
    label: str, name: str, field: FieldInfo, here: object, settings: NodeSettings | None
) -> tuple[str, ...]:
    default = "required" if field.is_required() else _said(name, field.default)
    if field.default_factory is not None:
        mapping = field.default_factory is dict
        default = "none" if mapping else "depends on the machine"
    row = (f"`{label}`", default, _allowed(field))
    return (*row, _said(name, here)) if settings is not None else row


def _said(name: str, value: object) -> str:
    if name in _SECRET:
        return "set" if value else "not set"
    if value is None or value is PydanticUndefined:
        return "not set"
    if isinstance(value, bool):
        return str(value).lower()  # as TOML has it
    if isinstance(value, (tuple, list)):
        return ", ".join(_said(name, one) for one in value) or "none"
    if isinstance(value, DicomPeer):
        return value.ae_title
    if isinstance(value, BaseModel):
        said = ((key, _said(key, one)) for key, one in value if one is not None)
        return ", ".join(f"{key}: {text}" for key, text in said) or "none"
    return str(value) or "not set"


def _allowed(field: FieldInfo) -> str:
    limits = [
        text.format(getattr(limit, key))
        for limit in field.metadata
        for key, text in _LIMITS.items()
        if getattr(limit, key, None) is not None
    ]
    choices = getattr(field.annotation, "__args__", ())
    if choices and all(isinstance(choice, str) for choice in choices):
        return ", ".join(choices)
    if limits:
        return ", ".join(limits)
    return "true, false" if field.annotation is bool else "any"
