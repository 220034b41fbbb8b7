"""One-dimensional Gaussian mixtures of HU, fitted on a histogram."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pipelines.compiled import compiled

_BIN_HU = 5.0
_LOW, _HIGH = -1100.0, 500.0
BINS = int((_HIGH - _LOW) / _BIN_HU) + 1
"""Length of a histogram: bins of 5 HU, centred from -1100 to 500 HU."""

_PLACES = np.linspace(_LOW, _HIGH, BINS)
_LEAST_SIGMA = 25.0
"""HU; about the noise of a chest CT, so that no component shrinks onto a few voxels."""


def bins(hu: npt.NDArray) -> npt.NDArray[np.uint16]:
    """Number of each value's bin, below `BINS`; values beyond the ends count as those."""
    return _bins(np.ascontiguousarray(hu, np.float32).ravel()).reshape(np.shape(hu))


@dataclass(frozen=True, eq=False)
class Mixture:
    """Weights, means (HU) and standard deviations (HU) of the components."""

    weights: npt.NDArray[np.float64]
    means: npt.NDArray[np.float64]
    sigmas: npt.NDArray[np.float64]

    @classmethod
    def fit(cls, counts: npt.NDArray[np.int64], components: int, rounds: int = 15) -> Mixture:
        """Expectation maximisation from equal quantiles: always the same result.

        Parameters
        ----------
        counts : ndarray of int64, shape (BINS,)
            Histogram over the numbers from `bins`, not all 0.
        components : int
            Number of Gaussians.
        """
        (filled,) = np.nonzero(counts)
        counts, x = counts[filled].astype(np.float64), _PLACES[filled]
        total = counts.sum()
        upto = np.cumsum(counts) / total
        means = x[np.searchsorted(upto, (np.arange(components) + 0.5) / components)]
        mean = counts @ x / total
        spread = float(np.sqrt(counts @ (x - mean) ** 2 / total))
        sigmas = np.full(components, max(spread / components, _LEAST_SIGMA))
        weights = np.full(components, 1 / components)
        _maximise(counts, x, weights, means, sigmas, rounds)
        return cls(weights, means, sigmas)

    def log_density(self) -> npt.NDArray[np.float32]:
        """Log of the density per HU at each bin."""
        t = (_PLACES - self.means[:, None]) / self.sigmas[:, None]
        scale = self.weights / (self.sigmas * np.sqrt(2 * np.pi))
        return np.log(scale @ np.exp(-0.5 * t * t) + 1e-7).astype(np.float32)


@compiled
def _bins(hu):
    numbers = np.empty(len(hu), np.uint16)
    low, high = np.float32(_LOW), np.float32(_HIGH)
    for n in range(len(hu)):
        place = (min(max(hu[n], low), high) - low) * np.float32(1 / _BIN_HU)
        numbers[n] = np.uint16(place + np.float32(0.5))
    return numbers


@compiled
def _maximise(counts, x, weights, means, sigmas, rounds):
    """Improve a mixture in place."""
    m = len(weights)
    density = np.empty(m)
    for _ in range(rounds):
        scale = weights / (sigmas * np.sqrt(2 * np.pi))
        mass, first, second = np.zeros(m), np.zeros(m), np.zeros(m)
        for n in range(len(x)):
            total = 0.0
            for c in range(m):
                t = (x[n] - means[c]) / sigmas[c]
                density[c] = scale[c] * np.exp(-0.5 * t * t) + 1e-12
                total += density[c]
            for c in range(m):
                # Moments about the old mean: about zero they would cancel.
                share, d = counts[n] * density[c] / total, x[n] - means[c]
                mass[c] += share
                first[c] += share * d
                second[c] += share * d * d
        for c in range(m):
            shift = first[c] / (mass[c] + 1e-9)
            means[c] += shift
            variance = second[c] / (mass[c] + 1e-9) - shift * shift
            sigmas[c] = max(np.sqrt(max(variance, 0.0)), _LEAST_SIGMA)
        weights[:] = (mass + 1e-9) / (mass.sum() + m * 1e-9)
