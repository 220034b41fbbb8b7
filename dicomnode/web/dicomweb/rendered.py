"""Give pictures of studies, series, instances and frames (PS3.18 10.4.1.1.3 and 10.4.1.1.5)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from starlette.requests import Request
from starlette.responses import Response

from dicomnode.web.dicomweb.gate import Gate
from dicomnode.web.dicomweb.holdings import Held, Holdings
from dicomnode.web.dicomweb.media_types import JPEG, PNG, Offer, choose
from dicomnode.web.dicomweb.multipart_out import Part, message, new_boundary, related
from dicomnode.web.dicomweb.problem import ALWAYS, Problem
from dicomnode.web.dicomweb.rendering import Shown, Viewport, encoded, picture, read_shown
from dicomnode.web.dicomweb.stored_object import StoredObject

_OFFERS = (Offer(JPEG), Offer(PNG))
_THUMBNAIL = 256
_MOST_PICTURES = 2000
_TRIED = 50


class Rendered:
    """Answers that are pictures.

    Parameters
    ----------
    holdings : Holdings
    gate : Gate
    """

    def __init__(self, holdings: Holdings, gate: Gate) -> None:
        self._holdings = holdings
        self._gate = gate

    def frame(self, request: Request, held: Held, number: int | None) -> Response:
        """One frame; of an instance the one in the middle."""
        media = choose(request, _OFFERS).offer.media
        shown = read_shown(request.query_params)
        stored = self._image(held)
        index = stored.frames // 2 if number is None else number - 1
        return _answer(picture(stored, index, shown), media, shown)

    def several(self, request: Request, found: Sequence[Held]) -> Response:
        """All images of a study or series, each by its middle frame."""
        media = choose(request, _OFFERS, multipart=True, single=False).offer.media
        shown = read_shown(request.query_params)
        images = [held for held in found if self._is_image(held)]
        if not images:
            raise Problem(404, "there is no image in it")
        if len(images) > _MOST_PICTURES:
            raise Problem(413, f"{len(images)} pictures, {_MOST_PICTURES} at most; ask by series")

        def parts() -> Iterator[Part]:
            for held in images:
                try:
                    stored = self._image(held)
                    content = encoded(
                        picture(stored, stored.frames // 2, shown), media, shown.quality
                    )
                except Problem:
                    continue  # one that cannot be drawn costs no other
                yield Part(media, (content,))

        boundary = new_boundary()
        return self._gate.stream(message(parts(), boundary), related(media, boundary))

    def thumbnail(
        self, request: Request, found: Sequence[Held], number: int | None = None
    ) -> Response:
        """A small picture that stands for a study, series, instance or frame."""
        media = choose(request, _OFFERS).offer.media
        shown = read_shown(request.query_params)
        viewport = shown.viewport or Viewport(_THUMBNAIL, _THUMBNAIL)
        shown = Shown(shown.window, viewport, shown.quality)
        # From the middle outward: what is not an image has no picture.
        middle = len(found) // 2
        order = sorted(range(len(found)), key=lambda place: abs(place - middle))
        for held in (found[place] for place in order[:_TRIED]):
            if self._is_image(held):
                stored = self._image(held)
                index = stored.frames // 2 if number is None else number - 1
                return _answer(picture(stored, index, shown), media, shown)
        raise Problem(404, "there is no image in it")

    def _is_image(self, held: Held) -> bool:
        try:
            return self._holdings.described(held).stored.is_image
        except Problem:
            return False

    def _image(self, held: Held) -> StoredObject:
        stored = self._holdings.described(held).stored
        if not stored.is_image:
            raise Problem(406, "the instance is no image and is not drawn")
        return stored


def _answer(image, media: str, shown: Shown) -> Response:
    return Response(encoded(image, media, shown.quality), media_type=media, headers=ALWAYS)
