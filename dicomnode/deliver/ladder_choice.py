"""Which rungs of the ladder a destination gets, and why."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from dicomnode.results.ladder import LADDER, Rung
from dicomnode.settings import Destination

AUTOMATIC = ("fractional-seg", "band-seg", "report", "iso-contours")
"""What a destination gets that is told ``results = "auto"``: the record, and one object each for
viewers that show labels, measurements or graphics. Large ones, those that few ask for, and the key
object, which shows nothing itself, are left to the administrator."""

DRAWN = ("band-seg", "iso-contours")
"""Of these, what a clinical viewer draws on the CT."""

PICTURES = "secondary-capture"
"""What is left where a destination takes neither. Elsewhere it would add a picture for each slice
of each lesion to what is drawn on the CT already."""


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
    says so, and nothing is kept from a peer because it was not asked. Of "auto", one that is known
    to refuse all that is drawn on the CT gets pictures.

    Parameters
    ----------
    destination : Destination
    accepts : callable
    """
    told = _told(destination, accepts)
    automatic = destination.results == "auto"
    left_out = "is not one of those that suit most" if automatic else "is not configured"
    choices = []
    for rung in LADDER.values():
        answer, how = accepts(str(rung.sop_class_uid))
        made = rung.name in told and answer is not False
        why = f"{rung.name} {told.get(rung.name, left_out)}; {how}"
        choices.append(Choice(rung, made, why))
    return tuple(choices)


def choose(destination: Destination, accepts: Known) -> tuple[Choice, ...]:
    """Choose of the rungs that a destination is to get; see `ladder`."""
    told = _told(destination, accepts)
    return tuple(choice for choice in ladder(destination, accepts) if choice.rung.name in told)


def _told(destination: Destination, accepts: Known) -> dict[str, str]:
    """Names of the rungs that a destination is to get, each with the reason."""
    if destination.results != "auto":
        return dict.fromkeys(destination.results, "is configured")
    told = dict.fromkeys(AUTOMATIC, "is one of those that suit most")
    if all(accepts(str(LADDER[name].sop_class_uid))[0] is False for name in DRAWN):
        told[PICTURES] = "is for destinations that take nothing that is drawn on the CT"
    return told
