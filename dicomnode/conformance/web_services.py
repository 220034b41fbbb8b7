"""DICOMweb as the node serves it, out of the routes and rules that it serves it by."""

from __future__ import annotations

from starlette.routing import Route

from dicomnode.conformance.syntax_names import short_name
from dicomnode.conformance.table import Table
from dicomnode.receive.sop_classes import LOSSLESS, UNCOMPRESSED
from dicomnode.store.database import Database
from dicomnode.web.dicomweb import PATH, routes
from dicomnode.web.dicomweb.attributes import COUNTED, TOLD, Level, name_of
from dicomnode.web.dicomweb.media_types import Offer, frame_offers
from dicomnode.web.dicomweb.search_request import MOST_MATCHES

_NAMES = {Level.STUDY: "Study", Level.SERIES: "Series", Level.INSTANCE: "Instance"}
_SERVICES = {
    "metadata": ("Retrieve, metadata", "`application/dicom+json`, `application/json`"),
    "rendered": ("Retrieve, rendered", "`image/jpeg`, `image/png`"),
    "thumbnail": ("Retrieve, thumbnail", "`image/jpeg`, `image/png`"),
    "{path:path}": ("Retrieve, bulk data", "`application/octet-stream`, in one or several parts"),
    "{frames}": ("Retrieve, frames", "by transfer syntax, see below"),
}
_SEARCH = ("Search", "`application/dicom+json`, `application/json`")
_INSTANCES = ("Retrieve, instances", "`application/dicom`, in parts; one instance also alone")


def resources() -> Table:
    """Resources and methods, by the routes."""
    rows = []
    for route in routes(Database("sqlite://"), lambda look: None):
        assert isinstance(route, Route)
        path = route.path.removeprefix(PATH)
        last = path.rsplit("/", 1)[-1]
        if last in ("studies", "series", "instances"):
            service, media = _SEARCH
        else:
            service, media = _SERVICES.get(last, _INSTANCES)
        shown = path.replace("{path:path}", "{tags}")
        rows.append((f"`{shown}`", "GET", service, media))
        if "POST" in route.methods:
            rows.append((f"`{shown}`", "POST", "Store", "`application/dicom`, in parts or one"))
    return Table("web-resources", ("Resource", "Method", "Transaction", "Media types"), tuple(rows))


def search_keys() -> Table:
    """Attributes that are matched and told, by level."""
    rows = []
    for level in Level:
        read = ", ".join(sorted(map(name_of, TOLD[level])))
        counted = ", ".join(sorted(map(name_of, COUNTED[level]))) or "none"
        rows.append((_NAMES[level], read, counted, str(MOST_MATCHES[level])))
    columns = ("Level", "Of the objects", "Counted", "Matches in an answer, at most")
    return Table("web-search-keys", columns, tuple(rows))


def frame_types() -> Table:
    """What frames are sent as, by the transfer syntax of the stored object."""
    rows = []
    for syntax in UNCOMPRESSED + LOSSLESS:
        offers = [_told(offer) for offer in frame_offers(syntax)]
        rows.append((short_name(syntax), ", ".join(offers)))
    return Table("web-frames", ("Stored as", "Frames are sent as"), tuple(rows))


def _told(offer: Offer) -> str:
    return f"`{offer.media}`" + ("" if offer.stored else " (decoded)")
