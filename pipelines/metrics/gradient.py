"""Gradient error: are edges of the reference as steep in the prediction?"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from pipelines.metrics.pair import alphas

SIGMA = 1.4
"""Standard deviation of the Gaussian, in voxels."""

HALF_SIZE = int(np.ceil(SIGMA * np.sqrt(-2 * np.log(np.sqrt(2 * np.pi) * SIGMA * 0.01))))
"""Taps on each side of the middle one (4): where the Gaussian has fallen to a hundredth."""


def _unit_taps() -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Gaussian and its first derivative, each of Euclidean norm one."""
    t = np.arange(-HALF_SIZE, HALF_SIZE + 1, dtype=np.float64)
    smooth = np.exp(-(t**2) / (2 * SIGMA**2))
    slope = t * smooth
    return smooth / np.linalg.norm(smooth), slope / np.linalg.norm(slope)


def gradient_magnitude(alpha: npt.NDArray) -> npt.NDArray[np.float64]:
    """Length of the gradient by Gaussian derivatives, replicated at the border.

    Each kernel, one derivative times a Gaussian along every other axis, has Frobenius norm one:
    the product of its factors' norms, so that each factor is normalised by itself.
    """
    smooth, slope = _unit_taps()
    total = np.zeros(alpha.shape)
    for along in range(alpha.ndim):
        part = alpha.astype(np.float64)
        for axis in range(alpha.ndim):
            taps = slope if axis == along else smooth
            part = ndimage.correlate1d(part, taps, axis, mode="nearest")
        total += part**2
    return np.sqrt(total)


def gradient_error(a: npt.ArrayLike, g: npt.ArrayLike) -> float:
    """Gradient error (Grad): sum over voxels of (|grad a| - |grad g|)^2.

    After Rhemann et al., A perceptually motivated online benchmark for image matting, CVPR 2009,
    and Wang et al., 3D Matting. Alpha is taken as it is, without stretching its range.

    Parameters
    ----------
    a, g : array_like, same shape
        Prediction and reference. Axes of length one are left out: one slice counts as an image.

    Returns
    -------
    float
        Distances count in voxels, whatever the spacing. In three dimensions these kernels have
        another norm than in two, and papers do not print theirs: compare values of this function
        with each other only.

    Raises
    ------
    ValueError
        If shapes differ or values are not finite.
    """
    a, g = alphas(a, g)
    return float(((gradient_magnitude(a) - gradient_magnitude(g)) ** 2).sum())
