"""What the measurements of a voxel say about it, as log-odds of being lesion.

A voxel at the lesion's edge is a mixture of lesion and lung, so its HU, measured between the local
lung level and the level inside the mark, is close to its occupancy. Where the mark borders on
tissue as dense as itself (chest wall, mediastinum, vessels), HU says nothing, and the mark's shape
and the pleura do. Which of these holds depends on the others, so the log-odds are a quadratic form
of the features (`features.FEATURES`): each one, its square and all products of two.

It is a logistic regression of the 50 % consensus of LIDC readers, on the patients of the tuning
half in `benchmarks/lidc.py`, with phantoms and scenes of known truth beside them at a third of the
weight; `benchmarks/fit_opinion.py` fits it and writes `opinion_weights.py`. LIDC holds no mark of
more than 13 mm mean radius, and a form with products of everything is not to be trusted far
outside of its data. For larger marks a plainer regression with fourteen terms, fitted on LIDC
alone, takes over. Its weights are older than today's features and were fitted on all voxels within
1.8 times the mark's ellipsoid; `benchmarks/fit_opinion.py --plain` fits the same terms today and
prints both.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from pipelines.compiled import compiled
from pipelines.grabcut.opinion_weights import WEIGHTS

Array = npt.NDArray[np.float32]

_FORM = np.array(WEIGHTS, np.float32)

_TAKES_OVER_MM = (13.0, 20.0)
"""Mean radii of marks between which the plain regression takes over: from the largest mark that it
and the quadratic form were fitted on (`benchmarks/fit_opinion.py --plain` prints it) to half as
large again. The upper end is a choice, not a fit."""

_PLAIN_SIZE = 1.4
"""Log of the size, against 5 mm, at which the plain regression is held: the data end there."""

PLAIN = (
    *(-3.85, 6.54, -3.95, -1.29, -0.55, 7.28, -1.41, 2.01),
    *(4.51, -3.34, -6.67),
    *(1.22, -1.80, 0.43),
)
"""Constant; mix and its square; radius and its square; fine mix, its square and times the radius;
mix far outside, times fine mix and times the radius; size, times radius and times fine mix."""


def opinion(features: Array, size_mm: float) -> Array:
    """Log-odds of voxels to be lesion.

    Parameters
    ----------
    features : ndarray of float32, shape (n, len(FEATURES))
        From `features.measure`.
    size_mm : float
        Mean radius of the mark.

    Returns
    -------
    ndarray of float32, shape (n,)
        Positive where lesion is likelier than not.
    """
    low, high = np.log(_TAKES_OVER_MM)
    part = np.float32(np.clip((np.log(size_mm) - low) / (high - low), 0, 1))
    if part == 0:
        return _quadratic(np.ascontiguousarray(features), _FORM)
    if part == 1:
        return _plain(features)
    return (1 - part) * _quadratic(np.ascontiguousarray(features), _FORM) + part * _plain(features)


def _plain(features: Array) -> Array:
    """The plain regression, with the size held at where the data end."""
    return plain_terms(features, _PLAIN_SIZE) @ np.array(PLAIN, np.float32)


def plain_terms(features: Array, size: float) -> Array:
    """The plain regression's terms, on unscaled features; shape (n, terms).

    Parameters
    ----------
    features : ndarray of float32, shape (n, len(FEATURES))
        From `features.measure`.
    size : float
        Log of the mark's mean radius against 5 mm.
    """
    mix, fine, far = features[:, 0] / 2 + 0.5, features[:, 1] / 2 + 0.5, features[:, 6] / 2 + 0.4
    q = features[:, 3] / 2 + 1
    one = np.ones_like(q)
    size = np.float32(size) * one
    return np.stack(
        [
            *(one, mix, mix * mix, q, q * q),
            *(fine, fine * fine, fine * q),
            *(far, far * fine, far * q),
            *(size, size * q, size * fine),
        ],
        axis=1,
    )


def products(features: Array) -> Array:
    """The regression's terms: 1, each feature, each product of two; shape (n, terms)."""
    first, second = np.triu_indices(features.shape[1])
    return np.concatenate(
        [
            np.ones((len(features), 1), np.float32),
            features,
            features[:, first] * features[:, second],
        ],
        axis=1,
    )


@compiled
def _quadratic(features, form):
    """Constant, linear terms and the upper triangle of products, in the order of `products`."""
    n, m = features.shape
    out = np.empty(n, np.float32)
    # Voxels go through in blocks, so that the innermost loop runs over neighbours in memory.
    block = 64
    x = np.empty((m, block), np.float32)
    total = np.empty(block, np.float32)
    inner = np.empty(block, np.float32)
    for start in range(0, n, block):
        count = min(block, n - start)
        for b in range(count):
            for f in range(m):
                x[f, b] = features[start + b, f]
        total[:] = form[0]
        w = 1 + m
        for f in range(m):
            linear = form[1 + f]
            for b in range(block):
                inner[b] = linear
            for g in range(f, m):
                weight = form[w]
                w += 1
                for b in range(block):
                    inner[b] += weight * x[g, b]
            for b in range(block):
                total[b] += inner[b] * x[f, b]
        out[start : start + count] = total[:count]
    return out
