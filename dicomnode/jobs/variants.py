"""Which objects are to be made for the destinations of a lesion."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any, Literal

from sqlalchemy.orm import Session

from dicomnode.deliver.capabilities import accepts
from dicomnode.deliver.ladder_choice import choose
from dicomnode.results.ladder import LADDER, Rung
from dicomnode.results.series_numbers import SeriesNumbers
from dicomnode.settings import Destination, PublishSettings


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
    omit_empty_frames : bool
    destinations : tuple of str
    """

    rung: str
    series_number: int
    omit_empty_frames: bool
    destinations: tuple[str, ...]

    def settings(self) -> Any:
        """What the rung's function takes."""
        kind = LADDER[self.rung].settings
        given = {
            "omit_empty_frames": self.omit_empty_frames,
            "series_numbers": SeriesNumbers(self.series_number),
        }
        known = {field.name for field in fields(kind)}
        return kind(**{name: value for name, value in given.items() if name in known})


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

    def variants(
        self, session: Session, destinations: Sequence[str], of: Literal["lesion", "series"]
    ) -> tuple[Variant, ...]:
        """Objects of a lesion, or of all lesions of a series, for the destinations.

        A destination that is configured no longer gets the fractional SEG, which waits for it. So
        does nobody where there are no destinations: it is made and kept.
        """
        if not destinations and of == "lesion":
            omit = self._publish.omit_empty_frames
            return (Variant("fractional-seg", self._publish.series_number, omit, ()),)
        wanted: dict[tuple[str, bool], list[str]] = {}
        for name in destinations:
            for rung, omit in self._wanted(session, name):
                if LADDER[rung].of == of:
                    wanted.setdefault((rung, omit), []).append(name)
        return tuple(
            Variant(rung, self._publish.series_number, omit, tuple(names))
            for (rung, omit), names in wanted.items()
        )

    def _wanted(self, session: Session, name: str) -> list[tuple[str, bool]]:
        destination = self._destinations.get(name)
        omit = self._publish.omit_empty_frames
        if destination is None:
            return [("fractional-seg", omit)]  # see _has_empty_frames: it has some
        if destination.omit_empty_frames is not None:
            omit = destination.omit_empty_frames

        def known(sop_class_uid: str) -> tuple[bool | None, str]:
            acceptance = accepts(session, destination, sop_class_uid)
            return acceptance.answer, acceptance.why

        return [
            # What makes no difference to an object must not make two of it.
            (choice.rung.name, omit and _has_empty_frames(choice.rung))
            for choice in choose(destination, known)
            if choice.made
        ]


def _has_empty_frames(rung: Rung) -> bool:
    return any(field.name == "omit_empty_frames" for field in fields(rung.settings))
