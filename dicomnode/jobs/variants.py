"""Which objects are to be made for the destinations of a lesion."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, fields
from typing import Any, Literal

from sqlalchemy.orm import Session

from dicomnode.deliver.capabilities import accepts
from dicomnode.deliver.ladder_choice import choose
from dicomnode.results.ladder import LADDER
from dicomnode.results.series_numbers import SeriesNumbers
from dicomnode.settings import Destination, PublishSettings

_RECORD = "fractional-seg"
_Options = tuple[tuple[str, Hashable], ...]


@dataclass(frozen=True)
class Variant:
    """One object to make, and who gets it.

    Destinations that want the same kind with the same options share one object.

    Attributes
    ----------
    rung : str
        Name in `LADDER`.
    series_number : int
        First of the hundred that result series get.
    options : tuple of (str, object)
        Fields of the rung's settings that are not as by default, by name.
    destinations : tuple of str
    """

    rung: str
    series_number: int
    options: tuple[tuple[str, Hashable], ...]
    destinations: tuple[str, ...]

    def settings(self) -> Any:
        """What the rung's function takes."""
        numbers = SeriesNumbers(self.series_number)
        return LADDER[self.rung].settings(series_numbers=numbers, **dict(self.options))


class Ladders:
    """What each destination gets.

    Parameters
    ----------
    destinations : sequence of Destination
    publish : PublishSettings
    """

    def __init__(self, destinations: Sequence[Destination], publish: PublishSettings) -> None:
        self._destinations = {destination.name: destination for destination in destinations}
        self._publish = publish

    @property
    def gather_s(self) -> float:
        """How long objects of a series wait for more of its lesions, in seconds."""
        return self._publish.gather_s

    @property
    def only_accepted(self) -> frozenset[str]:
        """Names of the destinations that get only what a reader accepted."""
        return frozenset(
            name for name, one in self._destinations.items() if one.deliver == "accepted"
        )

    def variants(
        self,
        session: Session,
        destinations: Sequence[str],
        of: Literal["lesion", "series"],
        wanted_results: Sequence[str] | None = None,
    ) -> tuple[Variant, ...]:
        """Objects of a lesion, or of all lesions of a series, for the destinations.

        A destination that is configured no longer gets the fractional SEG, which waits for it. So
        does nobody where there are no destinations: it is made and kept. `wanted_results` takes
        the place of the results that the destinations say.
        """
        if not destinations and of == "lesion":
            return (Variant(_RECORD, self._publish.series_number, self._options(_RECORD), ()),)
        wanted: dict[tuple[str, _Options], list[str]] = {}
        for name in destinations:
            for rung, options in self._wanted(session, name, wanted_results):
                if LADDER[rung].of == of:
                    wanted.setdefault((rung, options), []).append(name)
        return tuple(
            Variant(rung, self._publish.series_number, options, tuple(names))
            for (rung, options), names in wanted.items()
        )

    def _wanted(
        self, session: Session, name: str, results: Sequence[str] | None
    ) -> list[tuple[str, _Options]]:
        destination = self._destinations.get(name)
        if destination is None:
            return [(_RECORD, self._options(_RECORD))]
        if results is not None:
            destination = destination.model_copy(update={"results": tuple(results)})

        def known(sop_class_uid: str) -> tuple[bool | None, str]:
            acceptance = accepts(session, destination, sop_class_uid)
            return acceptance.answer, acceptance.why

        return [
            (choice.rung.name, self._options(choice.rung.name, destination))
            for choice in choose(destination, known)
            if choice.made
        ]

    def _options(self, rung: str, destination: Destination | None = None) -> _Options:
        """What a rung is told, less what it does not know, and what it does by itself.

        What makes no difference to an object must not make two of it.
        """
        told: dict[str, Hashable] = {"omit_empty_frames": self._publish.omit_empty_frames}
        if destination is not None:
            told["references"] = destination.references
            if destination.omit_empty_frames is not None:
                told["omit_empty_frames"] = destination.omit_empty_frames
            told |= destination.options.get(rung, {})
        default = LADDER[rung].settings()
        return tuple(
            (field.name, told[field.name])
            for field in fields(default)
            if field.name in told and told[field.name] != getattr(default, field.name)
        )
