"""What a reader answered, as the figures are made from it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Origin(StrEnum):
    """Where a candidate comes from."""

    PERSON = "person"
    """A reader drew it."""
    COMPUTER = "computer"
    """It was computed, such as a matte, or a consensus of readers."""


@dataclass(frozen=True)
class Reading:
    """The answer of one reader to one case that counts.

    Attributes
    ----------
    reader : str
    case : str
    repeat : bool
        Whether the reader saw the case for the second time.
    chosen : int
        Index of the candidate.
    position : int
        At which place it stood, from 0.
    seconds : float or None
        While the page showed the case, until the answer.
    judged : tuple of Origin, optional
        What the reader took each candidate for, by its index; None where that was not asked.
    """

    reader: str
    case: str
    repeat: bool
    chosen: int
    position: int
    seconds: float | None = None
    judged: tuple[Origin, ...] | None = None
