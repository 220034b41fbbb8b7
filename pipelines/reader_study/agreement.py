"""How far readers agree, beyond what chance would make them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

Counts = npt.NDArray[np.int64]

_BOOTSTRAPS = 2000


def contingency(first: npt.ArrayLike, second: npt.ArrayLike, categories: int) -> Counts:
    """How often each pair of choices came, rows of the second, columns of the first.

    Laid out as Figure 3 of Wang et al., 3D Matting (2022): the columns are clinician 1's.

    Parameters
    ----------
    first, second : array_like of int, shape (cases,)
        Categories that two readers chose for the same cases.
    categories : int

    Returns
    -------
    ndarray of int, shape (categories, categories)
    """
    matrix = np.zeros((categories, categories), np.int64)
    np.add.at(matrix, (np.asarray(second, int), np.asarray(first, int)), 1)
    return matrix


def cohen_kappa(matrix: npt.ArrayLike) -> float | None:
    """Cohen's kappa of two readers (Cohen 1960).

    Parameters
    ----------
    matrix : array_like, shape (categories, categories)
        Of `contingency`.

    Returns
    -------
    float or None
        None where there is nothing, or both always chose the same one category: chance alone would
        make them agree then, and kappa is not defined.
    """
    shares = _shares(matrix)
    if shares is None:
        return None
    observed = float(np.trace(shares))
    expected = float(shares.sum(axis=0) @ shares.sum(axis=1))
    return None if np.isclose(expected, 1) else (observed - expected) / (1 - expected)


def gwet_ac1(matrix: npt.ArrayLike) -> float | None:
    """Gwet's AC1 of two readers (Gwet 2008), which holds where nearly all choices are of one kind.

    Kappa then falls to nothing however much readers agree (Feinstein and Cicchetti 1990).

    Parameters
    ----------
    matrix : array_like, shape (categories, categories)
    """
    shares = _shares(matrix)
    if shares is None:
        return None
    mean = (shares.sum(axis=0) + shares.sum(axis=1)) / 2
    expected = float((mean * (1 - mean)).sum()) / (len(shares) - 1)
    return (float(np.trace(shares)) - expected) / (1 - expected)


def fleiss_kappa(counts: npt.ArrayLike) -> float | None:
    """Fleiss' kappa of any number of readers (Fleiss 1971).

    Parameters
    ----------
    counts : array_like of int, shape (cases, categories)
        How many readers chose each; as many readers of every case.

    Returns
    -------
    float or None
        None where there are no cases, fewer than two readers, or one category only was chosen.

    Raises
    ------
    ValueError
        If cases have different numbers of readers.
    """
    table = np.asarray(counts, float)
    if table.size == 0:
        return None
    readers = table.sum(axis=1)
    if (readers != readers[0]).any():
        raise ValueError("found cases of different numbers of readers, expected the same of all")
    if readers[0] < 2:
        return None
    n = readers[0]
    observed = float(((table**2).sum(axis=1) - n).mean() / (n * (n - 1)))
    expected = float(((table.sum(axis=0) / table.sum()) ** 2).sum())
    return None if np.isclose(expected, 1) else (observed - expected) / (1 - expected)


def bootstrap_interval(
    first: npt.ArrayLike,
    second: npt.ArrayLike,
    categories: int,
    measure: Callable[[Counts], float | None],
) -> tuple[float, float] | None:
    """95 % percentile bootstrap interval over cases of a measure of two readers.

    Parameters
    ----------
    first, second : array_like of int, shape (cases,)
    categories : int
    measure : callable
        Of a contingency matrix.

    Returns
    -------
    tuple of float, or None
        None of fewer than five cases, and where the measure is not defined for nearly all draws;
        always the same draws.
    """
    first, second = np.asarray(first, int), np.asarray(second, int)
    if len(first) < 5:
        return None
    picks = np.random.default_rng(0).integers(len(first), size=(_BOOTSTRAPS, len(first)))
    drawn = (measure(contingency(first[p], second[p], categories)) for p in picks)
    found = [value for value in drawn if value is not None]
    if len(found) < _BOOTSTRAPS * 0.9:
        return None
    low, high = np.percentile(found, (2.5, 97.5))
    return float(low), float(high)


def _shares(matrix: npt.ArrayLike) -> npt.NDArray[np.float64] | None:
    counts = np.asarray(matrix, float)
    return counts / counts.sum() if counts.sum() else None
