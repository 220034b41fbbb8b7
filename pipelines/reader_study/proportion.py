"""Parts of a whole, with how far they may be trusted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from scipy import stats


@dataclass(frozen=True)
class Proportion:
    """A part of a whole.

    Attributes
    ----------
    count, total : int
    share : float or None
        None of nothing.
    low, high : float or None
        95 % interval of the share.
    """

    count: int
    total: int
    share: float | None
    low: float | None
    high: float | None


def wilson(count: int, total: int) -> Proportion:
    """A proportion with Wilson's score interval (Wilson 1927), which holds at 0 and at 1, too."""
    if total == 0:
        return Proportion(0, 0, None, None, None)
    interval = stats.binomtest(count, total).proportion_ci(0.95, method="wilson")
    return Proportion(count, total, count / total, float(interval.low), float(interval.high))


def chance_p(count: int, total: int, chance: float) -> float | None:
    """Two-sided p of the exact binomial test that a share is no other than chance; None of nothing.

    Parameters
    ----------
    count, total : int
    chance : float
    """
    return float(stats.binomtest(count, total, chance).pvalue) if total else None


def even_p(counts: Sequence[int]) -> float | None:
    """P of Pearson's chi-squared test that all of several counts are to be expected equal.

    None where fewer than five are to be expected of each: the test does not hold there.
    """
    if len(counts) < 2 or sum(counts) < 5 * len(counts):
        return None
    return float(stats.chisquare(counts).pvalue)


def holm(found: Sequence[float | None]) -> list[float | None]:
    """Adjust p of several tests, so that all of them together err as seldom as one (Holm 1979)."""
    known = sorted((p, i) for i, p in enumerate(found) if p is not None)
    adjusted: list[float | None] = [None] * len(found)
    least = 0.0
    for rank, (p, index) in enumerate(known):
        least = max(least, min(1.0, (len(known) - rank) * p))
        adjusted[index] = least
    return adjusted
