"""Samples for voxels so deep in an unknown region that one side lies beyond the neighbourhood.

Chuang et al. 2001 widen the neighbourhood until it holds enough samples; here a tree finds the
nearest ones at any distance, for the few voxels that need it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.spatial import cKDTree

Array = npt.NDArray[np.float64]

_TIE = 1e-6
"""Distances that differ by less than this part are the same, however their squares were summed."""


@dataclass(frozen=True, eq=False)
class Sources:
    """Voxels that samples of one side may be taken from.

    Attributes
    ----------
    place_mm : ndarray of float64, shape (sources, axes)
        Where they lie, in mm.
    value : ndarray of float64, shape (sources,)
        Their intensity.
    opacity : ndarray of float64, shape (sources,)
        How much of each is of this side, above 0.
    density : ndarray of float64, shape (sources,)
        Alpha of the foreground there.
    """

    place_mm: Array
    value: Array
    opacity: Array
    density: Array

    @classmethod
    def none(cls) -> Sources:
        """No source at all."""
        return cls(np.empty((0, 3)), np.empty(0), np.empty(0), np.empty(0))

    def nearest(self, wanted_mm: Array, count: int, sigma_mm: float) -> Lists:
        """The `count` sources nearest to each place, and all that are as far as the last of them.

        Parameters
        ----------
        wanted_mm : ndarray of float64, shape (places, axes)
            In mm.
        count : int
            How many, or all that there are.
        sigma_mm : float
            Of the Gaussian weight, which counts from the nearest source: far ones must not vanish.
        """
        empty = np.zeros(len(wanted_mm) + 1, np.int64)
        if not len(wanted_mm) or not len(self.value):
            return empty, np.empty(0), np.empty(0), np.empty(0)
        tree = cKDTree(self.place_mm)
        ranks = [1, min(count, len(self.value))]
        first, last = tree.query(wanted_mm, k=ranks)[0].T
        found = tree.query_ball_point(wanted_mm, last * (1 + _TIE), return_sorted=True)
        lengths = np.array([len(f) for f in found])
        which = np.concatenate(found).astype(np.int64)
        owner = np.repeat(np.arange(len(wanted_mm)), lengths)
        square = ((self.place_mm[which] - wanted_mm[owner]) ** 2).sum(axis=1)
        gauss = np.exp(-(square - first[owner] ** 2) / (2 * sigma_mm**2))
        start = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        weight = self.opacity[which] ** 2 * gauss
        return start, self.value[which], weight, self.density[which]


Lists = tuple[npt.NDArray[np.int64], Array, Array, Array]
"""Where each place's samples begin, and the end; their value, weight and density."""
