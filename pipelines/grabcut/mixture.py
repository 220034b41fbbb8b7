"""One-dimensional Gaussian mixtures of HU, fitted on a histogram."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

_BIN_HU = 10.0
_LOW, _HIGH = -1100.0, 500.0
_LEAST_SIGMA = 25.0
"""HU; about the noise of a chest CT, so that no component shrinks onto a few voxels."""


@dataclass(frozen=True, eq=False)
class Mixture:
    """Weights, means (HU) and standard deviations (HU) of the components."""

    weights: npt.NDArray[np.float64]
    means: npt.NDArray[np.float64]
    sigmas: npt.NDArray[np.float64]

    @classmethod
    def fit(cls, values: npt.NDArray, components: int, rounds: int = 15) -> Mixture:
        """Expectation maximisation from equal quantiles, on bins of 10 HU: always the same result.

        Parameters
        ----------
        values : ndarray, shape (n,), n > 0
            HU; clipped to [-1100, 500].
        components : int
            Number of Gaussians.
        """
        values = np.clip(np.asarray(values, dtype=np.float64), _LOW, _HIGH)
        edges = np.arange(_LOW, _HIGH + _BIN_HU, _BIN_HU)
        counts, _ = np.histogram(values, edges)
        x = (edges[:-1] + edges[1:]) / 2
        means = np.quantile(values, (np.arange(components) + 0.5) / components)
        sigmas = np.full(components, max(float(values.std()) / components, _LEAST_SIGMA))
        weights = np.full(components, 1 / components)
        for _ in range(rounds):
            density = cls(weights, means, sigmas)._components(x) + 1e-12
            share = counts * density / density.sum(axis=0)
            mass = share.sum(axis=1) + 1e-9
            weights = mass / mass.sum()
            means = (share @ x) / mass
            spread = (share * (x - means[:, None]) ** 2).sum(axis=1) / mass
            sigmas = np.maximum(np.sqrt(spread), _LEAST_SIGMA)
        return cls(weights, means, sigmas)

    def _components(self, x: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        t = (x - self.means[:, None]) / self.sigmas[:, None]
        return (self.weights / self.sigmas)[:, None] * np.exp(-0.5 * t * t) / np.sqrt(2 * np.pi)

    def log_density(self, values: npt.NDArray) -> npt.NDArray[np.float32]:
        """Log of the density at each value (per HU), by a table of 10 HU steps."""
        x = np.arange(_LOW, _HIGH + _BIN_HU, _BIN_HU)
        table = np.log(self._components(x).sum(axis=0) + 1e-7)
        return np.interp(values, x, table).astype(np.float32)
