"""Give instances, metadata, frames and bulk data (WADO-RS, PS3.18 10.4)."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence

import pydicom
from starlette.requests import Request
from starlette.responses import Response

from dicomnode.results.transcode import to_explicit_le
from dicomnode.web.dicomweb.addresses import Addresses
from dicomnode.web.dicomweb.gate import Gate
from dicomnode.web.dicomweb.holdings import Held, Holdings
from dicomnode.web.dicomweb.json_model import addressed, bulk_value
from dicomnode.web.dicomweb.media_types import (
    DICOM,
    DICOM_JSON,
    JSON,
    OCTETS,
    Choice,
    Offer,
    choose,
    frame_offers,
    instance_offers,
)
from dicomnode.web.dicomweb.multipart_out import Part, message, new_boundary, related
from dicomnode.web.dicomweb.problem import ALWAYS, Problem, not_found, quoted
from dicomnode.web.dicomweb.stored_object import StoredObject

_MOST_CONVERTED = 256 * 2**20
"""Bytes of an object that is written in another transfer syntax, in memory."""

_MOST_FRAMES = 10_000


class Retrieving:
    """Answers that read objects.

    Parameters
    ----------
    holdings : Holdings
    addresses : Addresses
    gate : Gate
        Gives what is sent piece by piece.
    """

    def __init__(self, holdings: Holdings, addresses: Addresses, gate: Gate) -> None:
        self._holdings = holdings
        self._addresses = addresses
        self._gate = gate

    def instances(self, request: Request, found: Sequence[Held], one: bool) -> Response:
        """Objects of a study or series, or a single one.

        Raises
        ------
        Problem
        """
        # All are looked at before the answer begins: each goes in its own transfer syntax.
        choices = [self._instance_choice(request, held, one) for held in found]
        chosen = choices[0]
        if not chosen.multipart:
            part = self._instance(request, found[0], chosen)
            return self._gate.stream(iter(part.pieces), part.media_type)

        def parts() -> Iterator[Part]:
            for held, choice in zip(found, choices, strict=True):
                yield self._instance(request, held, choice)

        boundary = new_boundary()
        return self._gate.stream(message(parts(), boundary), related(DICOM, boundary))

    def _instance_choice(self, request: Request, held: Held, one: bool) -> Choice:
        offers = instance_offers(self._holdings.described(held).stored.syntax)
        return choose(request, offers, multipart=True, single=one)

    def _instance(self, request: Request, held: Held, chosen: Choice) -> Part:
        stored = self._holdings.described(held).stored
        media = f"{DICOM}; transfer-syntax={chosen.offer.syntax}"
        location = self._addresses.of(request, held.study, held.series, held.instance)
        if chosen.offer.stored:
            return Part(media, stored.bytes_from(0, stored.size), location)
        return Part(media, (_converted(stored),), location)

    def metadata(self, request: Request, found: Sequence[Held]) -> Response:
        """What headers say (PS3.18 10.4.1.1.2)."""
        media = choose(request, (Offer(DICOM_JSON), Offer(JSON))).offer.media
        service = self._addresses.service(request)
        # The first says whether they can be read before the answer has begun.
        self._holdings.described(found[0]).text()

        def pieces() -> Iterator[bytes]:
            begin = b"["
            for held in found:
                try:
                    text = self._holdings.described(held).text()
                except Problem:
                    continue  # deleted meanwhile, or in no form that JSON has
                address = (
                    f"{service}/studies/{held.study}/series/{held.series}/instances/{held.instance}"
                )
                yield begin + addressed(text, address)
                begin = b","
            yield b"]" if begin == b"," else b"[]"

        return self._gate.stream(pieces(), media)

    def frames(self, request: Request, held: Held, numbers: Sequence[int]) -> Response:
        """Frames of an image, by numbers from 1."""
        stored = self._image(held)
        wrong = next((number for number in numbers if not 1 <= number <= stored.frames), None)
        if wrong is not None:
            raise Problem(404, f"found no frame {wrong}, the instance has {stored.frames}")
        offers = frame_offers(stored.syntax)
        chosen = choose(request, offers, multipart=True, single=len(numbers) == 1)
        offer = chosen.offer
        media = f"{offer.media}; transfer-syntax={offer.syntax}"

        def content(number: int) -> bytes:
            if offer.stored:
                return stored.frame(number - 1)
            return stored.uncompressed(number - 1)

        if not chosen.multipart:
            return Response(content(numbers[0]), media_type=media, headers=ALWAYS)
        address = self._addresses.of(request, held.study, held.series, held.instance)
        boundary = new_boundary()
        parts = (
            Part(media, (content(number),), f"{address}/frames/{number}") for number in numbers
        )
        if len(numbers) > 1:
            return self._gate.stream(message(parts, boundary), related(offer.media, boundary))
        body = b"".join(message(parts, boundary))
        return Response(body, media_type=related(offer.media, boundary), headers=ALWAYS)

    def bulk_data(self, request: Request, held: Held, path: str) -> Response:
        """A value of an instance, by tags and numbers of items."""
        stored = self._holdings.described(held).stored
        pixels = stored.pixels
        address = self._addresses.of(request, held.study, held.series, held.instance)
        location = f"{address}/bulkdata/{path}"
        if pixels is not None and path.upper() == f"{pixels.tag:08X}":
            if pixels.encapsulated:
                return self._all_frames(request, held, location)
            chosen = choose(request, (Offer(OCTETS),), multipart=True)
            pieces = stored.bytes_from(stored.data_set + pixels.value, pixels.length)
        else:
            chosen = choose(request, (Offer(OCTETS),), multipart=True)
            value = bulk_value(stored.header(), path)
            if value is None:
                raise not_found("the bulk data")
            pieces = iter((value,))
        if not chosen.multipart:
            return self._gate.stream(pieces, OCTETS)
        boundary = new_boundary()
        parts = (Part(OCTETS, pieces, location),)
        return self._gate.stream(message(parts, boundary), related(OCTETS, boundary))

    def _all_frames(self, request: Request, held: Held, location: str) -> Response:
        """Pixel data in fragments: each frame is a part (PS3.18 8.7.3.3)."""
        stored = self._image(held)
        chosen = choose(request, frame_offers(stored.syntax), multipart=True, single=False)
        media = f"{chosen.offer.media}; transfer-syntax={chosen.offer.syntax}"
        if chosen.offer.stored:
            contents = stored.stored_frames()
        else:
            contents = (stored.uncompressed(index) for index in range(stored.frames))
        boundary = new_boundary()
        parts = (Part(media, (content,), location) for content in contents)
        return self._gate.stream(message(parts, boundary), related(chosen.offer.media, boundary))

    def _image(self, held: Held) -> StoredObject:
        stored = self._holdings.described(held).stored
        if not stored.is_image:
            raise Problem(404, "the instance has no frames")
        return stored


def frame_numbers(text: str) -> tuple[int, ...]:
    """Numbers from 1, with commas between (PS3.18 10.4.1.1.4).

    Raises
    ------
    Problem
        400.
    """
    parts = text.split(",")
    good = all(part.isascii() and part.isdigit() and len(part) <= 9 for part in parts)
    if not good or len(parts) > _MOST_FRAMES or 0 in map(int, parts):
        raise Problem(
            400, f"found {quoted(text)}, expected up to {_MOST_FRAMES} numbers of frames from 1"
        )
    return tuple(map(int, parts))


def _converted(stored: StoredObject) -> bytes:
    """The object in Explicit VR Little Endian."""
    decoded = stored.frame_bits // 8 * stored.frames
    if max(stored.size, decoded) > _MOST_CONVERTED:
        raise Problem(
            406,
            f"an object of {max(stored.size, decoded)} bytes is sent as it is stored only: "
            f'Accept: multipart/related; type="{DICOM}"; transfer-syntax={stored.syntax}',
        )
    buffer = io.BytesIO()
    try:
        converted = to_explicit_le(pydicom.dcmread(stored.path))
        converted.save_as(buffer, enforce_file_format=True)
    except OSError:
        raise not_found("the instance") from None
    except Exception:  # decoders raise many types
        raise Problem(406, "the object cannot be decoded; it can be had as stored") from None
    return buffer.getvalue()
