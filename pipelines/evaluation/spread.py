"""Means over nodules, and how far they may be trusted."""

from __future__ import annotations

import statistics
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np

_BOOTSTRAPS = 2000


@dataclass(frozen=True)
class Measured:
    """Values of one quantity on one case.

    Attributes
    ----------
    cluster : hashable
        What cases may have in common: the patient.
    values : tuple of float or None
        One for each repeat, None where it is not defined.
    """

    cluster: Hashable
    values: tuple[float | None, ...]


@dataclass(frozen=True)
class Cell:
    """A mean in a table.

    Attributes
    ----------
    mean : float
        Over cases, each of which counts by its mean over repeats.
    sd : float, optional
        Standard deviation of the repeats' means over cases; None for a single repeat.
    low, high : float
        95 % bootstrap interval of the mean: clusters are drawn with replacement.
    count : int
        Cases with a value.
    """

    mean: float
    sd: float | None
    low: float
    high: float
    count: int


def cell_of(measured: Sequence[Measured], factor: float = 1.0) -> Cell | None:
    """Mean, spread over repeats and interval over clusters; None where no case has a value.

    Parameters
    ----------
    measured : sequence of Measured
    factor : float
        By which everything is multiplied.
    """
    by_case = [(m.cluster, [v for v in m.values if v is not None]) for m in measured]
    known = [(cluster, factor * statistics.fmean(values)) for cluster, values in by_case if values]
    if not known:
        return None
    repeats = []
    for number in range(max(len(m.values) for m in measured)):
        of_repeat = [m.values[number] for m in measured if len(m.values) > number]
        of_repeat = [factor * v for v in of_repeat if v is not None]
        if of_repeat:
            repeats.append(statistics.fmean(of_repeat))
    low, high = interval(known)
    return Cell(
        statistics.fmean(value for _, value in known),
        statistics.stdev(repeats) if len(repeats) > 1 else None,
        low,
        high,
        len(known),
    )


def interval(values: Sequence[tuple[Hashable, float]]) -> tuple[float, float]:
    """95 % bootstrap interval of a mean of values that come in clusters.

    Parameters
    ----------
    values : sequence of (cluster, value)
        Clusters are drawn with replacement, each with all of its values; always the same draws.
    """
    numbers = {cluster: i for i, cluster in enumerate(dict.fromkeys(c for c, _ in values))}
    of = np.array([numbers[cluster] for cluster, _ in values])
    sums = np.bincount(of, weights=[value for _, value in values])
    counts = np.bincount(of)
    picks = np.random.default_rng(0).integers(len(sums), size=(_BOOTSTRAPS, len(sums)))
    means = sums[picks].sum(axis=1) / counts[picks].sum(axis=1)
    low, high = np.percentile(means, (2.5, 97.5))
    return float(low), float(high)
