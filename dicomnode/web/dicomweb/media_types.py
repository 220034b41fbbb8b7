"""What a client accepts, and what of it is sent (PS3.18 8.7)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from pydicom.uid import (
    JPEG2000Lossless,
    JPEGLossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    RLELossless,
)
from starlette.requests import Request

from dicomnode.receive.sop_classes import EXPLICIT_VR_LE
from dicomnode.web.dicomweb.problem import Problem, quoted

DICOM = "application/dicom"
DICOM_JSON = "application/dicom+json"
JSON = "application/json"
OCTETS = "application/octet-stream"
JPEG = "image/jpeg"
PNG = "image/png"

FRAME_TYPES = {
    JPEGLSLossless: "image/jls",
    JPEGLosslessSV1: JPEG,
    JPEGLossless: JPEG,
    JPEG2000Lossless: "image/jp2",
    RLELossless: "image/dicom-rle",
}
"""Media type of one frame in each transfer syntax that is kept (PS3.18 Table 8.7.3-5)."""

_RELATED = "multipart/related"
_ANY = "*/*"
_MOST_RANGES = 100


@dataclass(frozen=True)
class MediaRange:
    """One of the things that a client accepts.

    Attributes
    ----------
    media : str
        Of the content; of the parts where it is multipart.
    multipart : bool or None
        Whether it is to be in parts; None where either will do.
    syntax : str or None
        Transfer syntax UID, or "*" for any.
    quality : float
    """

    media: str
    multipart: bool | None
    syntax: str | None
    quality: float


@dataclass(frozen=True)
class Offer:
    """One form in which something can be had.

    Attributes
    ----------
    media : str
    syntax : str or None
        Transfer syntax UID; None where there is none.
    default : bool
        Whether it is meant where no transfer syntax is named.
    stored : bool
        Whether it is sent as it lies on disk.
    """

    media: str
    syntax: str | None = None
    default: bool = True
    stored: bool = field(default=False, compare=False)


@dataclass(frozen=True)
class Choice:
    """What is sent: an offer, in parts or not."""

    offer: Offer
    multipart: bool


def choose(
    request: Request, offers: Sequence[Offer], *, multipart: bool = False, single: bool = True
) -> Choice:
    """Choose what a client gets.

    Parameters
    ----------
    request : Request
        With a header ``Accept``, or a parameter ``accept`` (PS3.18 8.3.3.1), or neither.
    offers : sequence of Offer
        What can be had; the first is meant by ``*/*``.
    multipart, single : bool
        Whether it can be sent in parts, and as one.

    Raises
    ------
    Problem
        406 where nothing fits, 400 where the header is none.
    """
    for wanted in _ranges(request):
        # Who takes any transfer syntax is sent what lies on disk.
        order = sorted(offers, key=lambda o: not o.stored) if wanted.syntax == "*" else offers
        for offer in order:
            if not _fits(wanted, offer):
                continue
            if wanted.multipart is not False and multipart:
                return Choice(offer, True)
            if wanted.multipart is not True and single:
                return Choice(offer, False)
    forms = [f'{_RELATED}; type="{_named(offer)}' for offer in offers] if multipart else []
    forms += [_named(offer).rstrip('"') for offer in offers] if single else []
    raise Problem(406, f"nothing that Accept names can be sent; this can: {', '.join(forms)}")


def _named(offer: Offer) -> str:
    return offer.media + '"' + (f"; transfer-syntax={offer.syntax}" if offer.syntax else "")


def _fits(wanted: MediaRange, offer: Offer) -> bool:
    same = wanted.media in (offer.media, _ANY) or (
        wanted.media.endswith("/*") and offer.media.startswith(wanted.media[:-1])
    )
    # Viewers ask for octets in any transfer syntax, and mean frames as they are stored.
    as_stored = wanted.media == OCTETS and wanted.syntax is not None and offer.stored
    if not same and not as_stored:
        return False
    if wanted.syntax is None or offer.syntax is None:
        return offer.default or wanted.media == offer.media
    return wanted.syntax in ("*", offer.syntax)


def _ranges(request: Request) -> list[MediaRange]:
    """What is accepted, the most wanted first."""
    asked = request.query_params.getlist("accept") or request.headers.getlist("accept")
    text = ",".join(asked).strip() or _ANY
    items = list(_split(text, ","))
    if len(items) > _MOST_RANGES:
        raise Problem(400, f"Accept names {len(items)} media types, {_MOST_RANGES} at most")
    found = [_read(item) for item in items if item.strip()]
    if not found:
        raise Problem(400, f"Accept is {quoted(text)}, expected media types (RFC 9110 12.5.1)")
    return sorted((one for one in found if one.quality > 0), key=lambda one: -one.quality)


def _read(text: str) -> MediaRange:
    media, parameters = content_type(text)
    if media.count("/") != 1:
        raise Problem(400, f"Accept names {quoted(text.strip())}, which is no media type")
    try:
        quality = float(parameters.get("q", "1"))
    except ValueError:
        quality = -1.0
    if not 0 <= quality <= 1:
        raise Problem(400, f"Accept has the quality {quoted(parameters['q'])}, expected 0 to 1")
    syntax = parameters.get("transfer-syntax")
    if media == _RELATED:
        return MediaRange(parameters.get("type", _ANY).lower(), True, syntax, quality)
    return MediaRange(media, None if media == _ANY else False, syntax, quality)


def content_type(text: str) -> tuple[str, dict[str, str]]:
    """Split a media type from its parameters (RFC 9110 8.3.1); both in lower case but values."""
    media, *rest = _split(text, ";")
    parameters = {}
    for item in rest:
        name, _, value = item.partition("=")
        value = value.strip()
        if len(value) > 1 and value[0] == value[-1] == '"':
            value = value[1:-1]
        parameters[name.strip().lower()] = value
    return media.strip().lower(), parameters


def _split(text: str, at: str) -> Iterator[str]:
    """Cut a header at a character that stands in no quotes."""
    begin, within = 0, False
    for place, character in enumerate(text):
        if character == '"':
            within = not within
        elif character == at and not within:
            yield text[begin:place]
            begin = place + 1
    yield text[begin:]


def frame_offers(stored_syntax: str) -> tuple[Offer, ...]:
    """The forms in which frames of an instance can be had."""
    media = FRAME_TYPES.get(stored_syntax)
    if media is None:
        return (Offer(OCTETS, EXPLICIT_VR_LE, stored=True),)
    return Offer(OCTETS, EXPLICIT_VR_LE), Offer(media, stored_syntax, stored=True)


def instance_offers(stored_syntax: str) -> tuple[Offer, ...]:
    """The forms in which an instance can be had."""
    if stored_syntax == EXPLICIT_VR_LE:
        return (Offer(DICOM, EXPLICIT_VR_LE, stored=True),)
    return (
        Offer(DICOM, EXPLICIT_VR_LE),
        Offer(DICOM, stored_syntax, default=False, stored=True),
    )
