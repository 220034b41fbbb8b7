"""One line of the doctor's."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Verdict(StrEnum):
    """How it is."""

    PASS = "pass"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True)
class Finding:
    """What one look found.

    Attributes
    ----------
    check : str
        What was looked at, such as "disk space".
    verdict : Verdict
    words : str
        What was found. No patient data, no secret.
    mend : str
        What to do; empty where it passes.

    Raises
    ------
    ValueError
        If it does not pass and has no mend.
    """

    check: str
    verdict: Verdict
    words: str
    mend: str = ""

    def __post_init__(self) -> None:
        if self.verdict is not Verdict.PASS and not self.mend:
            raise ValueError(f"{self.check}: a finding that does not pass needs a mend")


def passed(check: str, words: str) -> Finding:
    """It is well."""
    return Finding(check, Verdict.PASS, words)


def warned(check: str, words: str, mend: str) -> Finding:
    """The node runs, but not as it should."""
    return Finding(check, Verdict.WARN, words, mend)


def failed(check: str, words: str, mend: str) -> Finding:
    """The node does not run, or loses what it is for."""
    return Finding(check, Verdict.FAIL, words, mend)
