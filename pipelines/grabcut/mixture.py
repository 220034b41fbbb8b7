"""One-dimensional Gaussian mixtures of HU, fitted on a histogram."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

_BIN_HU = 5.0
_LOW, _HIGH = -1100.0, 500.0
_COUNT = int((_HIGH - _LOW) / _BIN_HU) + 1
_PLACES = np.linspace(_LOW, _HIGH, _COUNT)
_LEAST_SIGMA = 25.0
"""HU; about the noise of a chest CT, so that no component shrinks onto a few voxels."""


def bins(hu: npt.NDArray) -> npt.NDArray[np.int32]:
    """Number of the 5 HU bin of each value, from -1100 to 500 HU; values beyond count as those."""
    places = (np.clip(hu, _LOW, _HIGH) - np.float32(_LOW)) * np.float32(1 / _BIN_HU)
    return (places + np.float32(0.5)).astype(np.int32)


@dataclass(frozen=True, eq=False)
class Mixture:
    """Weights, means (HU) and standard deviations (HU) of the components."""

    weights: npt.NDArray[np.float64]
    means: npt.NDArray[np.float64]
    sigmas: npt.NDArray[np.float64]

    @classmethod
    def fit(cls, values: npt.NDArray[np.int32], components: int, rounds: int = 15) -> Mixture:
        """Expectation maximisation from equal quantiles: always the same result.

        Parameters
        ----------
        values : ndarray of int, shape (n,), n > 0
            Numbers from `bins`.
        components : int
            Number of Gaussians.
        """
        counts = np.bincount(values, minlength=_COUNT).astype(np.float64)
        (filled,) = np.nonzero(counts)
        counts, x = counts[filled], _PLACES[filled]
        total = counts.sum()
        upto = np.cumsum(counts) / total
        means = x[np.searchsorted(upto, (np.arange(components) + 0.5) / components)]
        mean = counts @ x / total
        spread = float(np.sqrt(counts @ (x - mean) ** 2 / total))
        sigmas = np.full(components, max(spread / components, _LEAST_SIGMA))
        weights = np.full(components, 1 / components)
        for _ in range(rounds):
            density = cls(weights, means, sigmas)._components(x) + 1e-12
            share = counts * density / density.sum(axis=0)
            mass = share.sum(axis=1) + 1e-9
            weights = mass / mass.sum()
            means = (share @ x) / mass
            variance = (share * (x - means[:, None]) ** 2).sum(axis=1) / mass
            sigmas = np.maximum(np.sqrt(variance), _LEAST_SIGMA)
        return cls(weights, means, sigmas)

    def _components(self, x: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        t = (x - self.means[:, None]) / self.sigmas[:, None]
        return (self.weights / self.sigmas)[:, None] * np.exp(-0.5 * t * t) / np.sqrt(2 * np.pi)

    def log_density(self) -> npt.NDArray[np.float32]:
        """Log of the density per HU at each bin."""
        return np.log(self._components(_PLACES).sum(axis=0) + 1e-7).astype(np.float32)
