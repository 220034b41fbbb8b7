"""What a reader study comes to: the values that pages, commands and exports show."""

from __future__ import annotations

from dataclasses import dataclass

from pipelines.reader_study.proportion import Proportion


@dataclass(frozen=True)
class Preference:
    """How often a candidate was chosen; `p` against chance, adjusted over all candidates."""

    candidate: str
    chosen: Proportion
    p: float | None


@dataclass(frozen=True)
class PreferenceTable:
    """Of one reader, or of all (`reader` None)."""

    reader: str | None
    answers: int
    rows: tuple[Preference, ...]


@dataclass(frozen=True)
class ReaderPair:
    """Two readers on the cases that both answered.

    Attributes
    ----------
    first, second : str
    matrix : tuple of tuple of int
        Rows: what the second chose; columns: the first.
    agreement : Proportion
    kappa, ac1 : float or None
        Cohen's and Gwet's.
    kappa_interval : tuple of float, or None
        95 %, by bootstrap over cases.
    """

    first: str
    second: str
    matrix: tuple[tuple[int, ...], ...]
    agreement: Proportion
    kappa: float | None
    kappa_interval: tuple[float, float] | None
    ac1: float | None


@dataclass(frozen=True)
class RepeatedCases:
    """One reader on the cases that came twice."""

    reader: str
    agreement: Proportion
    kappa: float | None


@dataclass(frozen=True)
class OriginTable:
    """What candidates were taken for; of one reader, or of all (`reader` None).

    Attributes
    ----------
    reader : str or None
    matrix : tuple of tuple of int
        Rows: what they are; columns: what they were taken for; as `Origin` lists them.
    right : Proportion
    p : float or None
        Of Fisher's exact test that what they are taken for has nothing to do with what they are;
        None where all candidates are of one kind.
    """

    reader: str | None
    matrix: tuple[tuple[int, ...], ...]
    right: Proportion
    p: float | None


@dataclass(frozen=True)
class ReaderHabits:
    """Where the chosen one stood, which should not matter, and how long a reader took.

    Attributes
    ----------
    reader : str
    positions : tuple of int
        How often the candidate at each place was chosen.
    p : float or None
        Of the chi-squared test that places do not matter.
    seconds : tuple of float, or None
        Lower quartile, median and upper quartile of an answer.
    """

    reader: str
    positions: tuple[int, ...]
    p: float | None
    seconds: tuple[float, float, float] | None


@dataclass(frozen=True)
class Results:
    """All figures of a study; the first presentation of each case counts, but for `repeats`.

    Attributes
    ----------
    candidates : tuple of str
    readers : tuple of str
    cases : int
        That the study has.
    preferences : tuple of PreferenceTable
        Of all readers first.
    pairs : tuple of ReaderPair
    fleiss : float or None
        Kappa of all readers on the cases that all of them answered.
    fleiss_cases : int
    repeats : tuple of RepeatedCases
    origins : tuple of OriginTable
        Empty where that was not asked.
    habits : tuple of ReaderHabits
    """

    candidates: tuple[str, ...]
    readers: tuple[str, ...]
    cases: int
    preferences: tuple[PreferenceTable, ...]
    pairs: tuple[ReaderPair, ...]
    fleiss: float | None
    fleiss_cases: int
    repeats: tuple[RepeatedCases, ...]
    origins: tuple[OriginTable, ...]
    habits: tuple[ReaderHabits, ...]
