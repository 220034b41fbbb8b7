"""What files say, read once and kept for a while."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from dicomnode.web.dicomweb.attributes import ON_CARDS
from dicomnode.web.dicomweb.bounded_cache import BoundedCache
from dicomnode.web.dicomweb.json_model import encoded, to_json, with_pixels
from dicomnode.web.dicomweb.problem import not_found
from dicomnode.web.dicomweb.stored_object import StoredObject, read_stored

_MOST_OBJECTS = 20_000
_MOST_BYTES = 96 * 2**20
_MOST_CARD_BYTES = 32 * 2**20

Texts = BoundedCache[bytes]


class Described:
    """One file.

    Attributes
    ----------
    stored : StoredObject
    """

    def __init__(
        self, stored: StoredObject, version: tuple[Any, ...], texts: Texts, cards: Texts
    ) -> None:
        self.stored = stored
        self._version = version
        self._texts = texts
        self._cards = cards

    def text(self) -> bytes:
        """Its header as DICOM JSON (PS3.18 F), with marks where addresses of bulk data go."""

        def make() -> bytes:
            model = to_json(self.stored.header())
            if self.stored.pixels is not None:
                model = with_pixels(model, self.stored.pixels.tag, self.stored.pixel_vr)
            return encoded(model)

        return self._texts.get(self._version, make)

    def model(self) -> dict[str, Any]:
        """The same, decoded."""
        return json.loads(self.text())

    def some(self, tags: frozenset[int] | None) -> dict[str, Any]:
        """Some attributes, or all of them (None); more may be given than were asked for."""
        if tags is None:
            return self.model()
        if tags <= ON_CARDS:
            card = self._cards.get(
                self._version, lambda: encoded(to_json(self.stored.header(), ON_CARDS))
            )
            return json.loads(card)
        return to_json(self.stored.header(), tags)

    def uids(self, *tags: str) -> tuple[str, ...]:
        """UIDs that studies or series are found by, each or ""."""
        says = self.some(ON_CARDS)
        return tuple((says.get(tag, {}).get("Value") or [""])[0] for tag in tags)


class Descriptions:
    """What files say. Safe to use from several threads; memory is bounded."""

    def __init__(self) -> None:
        self._objects: BoundedCache[StoredObject] = BoundedCache(_MOST_OBJECTS)
        self._texts: Texts = BoundedCache(_MOST_BYTES, len)
        self._cards: Texts = BoundedCache(_MOST_CARD_BYTES, len)

    def of(self, path: Path) -> Described:
        """Look at a file.

        Raises
        ------
        Problem
            404 where it is gone, 406 where it is damaged.
        """
        try:
            found = os.stat(path)
        except OSError:
            raise not_found("the instance") from None
        version = (str(path), found.st_ino, found.st_mtime_ns, found.st_size)
        stored = self._objects.get(version, lambda: read_stored(path))
        return Described(stored, version, self._texts, self._cards)
