"""Which rungs of the ladder a destination gets, and why."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from dicomnode.results.ladder import LADDER, Rung
from dicomnode.settings import Destination

AUTOMATIC = ("fractional-seg", "band-seg", "report", "iso-contours", "key-object")
"""What a destination gets that is told ``results = "auto"``: the record, and one object each for
viewers that show labels, measurements or graphics. Large ones and those that few ask for are left
to the administrator."""


@dataclass(frozen=True)
class Choice:
    """Whether one rung is made for a destination.

    Attributes
    ----------
    rung : Rung
    made : bool
    why : str
        For the administrator.
    """

    rung: Rung
    made: bool
    why: str


Known = Callable[[str], tuple[bool | None, str]]
"""Of a SOP class UID: whether the destination takes it, None where that is not known, and how it is
known."""


def ladder(destination: Destination, accepts: Known) -> tuple[Choice, ...]:
    """Choose for one destination of all rungs, in their order.

    What the destination is known to refuse is not made. What is not known is made: a refusal then
    says so, and nothing is kept from a peer because it was not asked.

    Parameters
    ----------
    destination : Destination
    accepts : callable
    """
    automatic = destination.results == "auto"
    named = AUTOMATIC if automatic else destination.results
    choices = []
    for rung in LADDER.values():
        answer, how = accepts(str(rung.sop_class_uid))
        if rung.name not in named:
            told = "is not one of those that suit most" if automatic else "is not configured"
        else:
            told = "is one of those that suit most" if automatic else "is configured"
        made = rung.name in named and answer is not False
        choices.append(Choice(rung, made, f"{rung.name} {told}; {how}"))
    return tuple(choices)


def choose(destination: Destination, accepts: Known) -> tuple[Choice, ...]:
    """Choose of the rungs that a destination is told to get; see `ladder`."""
    named = AUTOMATIC if destination.results == "auto" else destination.results
    return tuple(c for c in ladder(destination, accepts) if c.rung.name in named)
