"""What came of a condition: three values, and the words that say why."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Verdict(Enum):
    """Whether a condition holds, after Kleene: not known stays so unless the rest decides."""

    HOLDS = "yes"
    FAILS = "no"
    UNKNOWN = "not known"

    @property
    def opposite(self) -> Verdict:
        """Of ``not``."""
        return {Verdict.HOLDS: Verdict.FAILS, Verdict.FAILS: Verdict.HOLDS}.get(self, self)


@dataclass(frozen=True)
class Judged:
    """One condition and what came of it.

    Attributes
    ----------
    clause : str
        The condition in words.
    verdict : Verdict
    found : str
        What it was compared with, in words; empty for conditions that are made of others.
    parts : tuple of Judged
        Those others.
    """

    clause: str
    verdict: Verdict
    found: str = ""
    parts: tuple[Judged, ...] = ()

    @property
    def failing(self) -> str:
        """Why it does not hold, in one line."""
        if not self.parts:
            return f"{self.clause}: {self.found}"
        if self.clause == "all":
            failed = next(part for part in self.parts if part.verdict is Verdict.FAILS)
            return failed.failing
        if self.clause == "any":
            return "none of these holds: " + ", ".join(f"({p.failing})" for p in self.parts)
        return f"not ({self.parts[0].holding}) does not hold"

    @property
    def holding(self) -> str:
        """What holds, in one line."""
        if not self.parts:
            return f"{self.clause}: {self.found}"
        said = [f"({part.holding})" for part in self.parts]
        return f"{self.clause} of " + ", ".join(said)

    @property
    def unknown(self) -> tuple[str, ...]:
        """Clauses on what is not known, of a condition that hangs on them."""
        if self.verdict is not Verdict.UNKNOWN:
            return ()
        if not self.parts:
            return (self.clause,)
        return tuple(name for part in self.parts for name in part.unknown)


def all_of(parts: tuple[Judged, ...]) -> Judged:
    """All hold; none, and it holds."""
    verdicts = {part.verdict for part in parts}
    if Verdict.FAILS in verdicts:
        verdict = Verdict.FAILS
    else:
        verdict = Verdict.UNKNOWN if Verdict.UNKNOWN in verdicts else Verdict.HOLDS
    return Judged("all", verdict, parts=parts)


def any_of(parts: tuple[Judged, ...]) -> Judged:
    """One holds at least."""
    verdicts = {part.verdict for part in parts}
    if Verdict.HOLDS in verdicts:
        verdict = Verdict.HOLDS
    else:
        verdict = Verdict.UNKNOWN if Verdict.UNKNOWN in verdicts else Verdict.FAILS
    return Judged("any", verdict, parts=parts)


def not_of(part: Judged) -> Judged:
    """It does not hold."""
    return Judged("not", part.verdict.opposite, parts=(part,))
