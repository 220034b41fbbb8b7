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


def choose(
    destination: Destination, accepts: Callable[[str], tuple[bool | None, str]]
) -> tuple[Choice, ...]:
    """Choose for one destination, in the order of the ladder.

    What the destination is known to refuse is not made. What is not known is made: a refusal then
    says so, and nothing is kept from a peer because it was not asked.

    Parameters
    ----------
    destination : Destination
    accepts : callable
        Of a SOP class UID: whether the destination takes it, None where that is not known, and how
        it is known.
    """
    automatic = destination.results == "auto"
    named = AUTOMATIC if automatic else destination.results
    choices = []
    for rung in LADDER.values():
        if rung.name not in named:
            continue
        answer, how = accepts(str(rung.sop_class_uid))
        told = "is one of those that suit most" if automatic else "is configured"
        choices.append(Choice(rung, answer is not False, f"{rung.name} {told}; {how}"))
    return tuple(choices)
