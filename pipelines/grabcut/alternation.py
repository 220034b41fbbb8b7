"""The alternation that gives GrabCut its name: mixtures of the mask, a cut by them, and again."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from pipelines.compiled import compiled
from pipelines.grabcut.component import nearest_component
from pipelines.grabcut.cut import GridLinks
from pipelines.grabcut.mixture import BINS, Mixture, bins

_SHELL = (1.1, 2.2)
"""Elliptic radii between which the background's mixture is taken."""

_MIXTURE_CLIP = 2.0


def alternate(
    image: npt.NDArray[np.float32],
    radius: npt.NDArray[np.float32],
    links: GridLinks,
    log_odds: npt.NDArray[np.float32],
    mask: npt.NDArray[np.bool_],
    mixture_weight: float,
    rounds: int,
) -> npt.NDArray[np.bool_]:
    """Refine a mask by mixtures of its HU and cuts in turn, until nothing changes.

    Parameters
    ----------
    image : ndarray of float32, axes (slice, row, column)
        HU.
    radius : ndarray of float32, same shape
        Elliptic radius of each voxel.
    links : GridLinks
        Of the image.
    log_odds : ndarray of float32, same shape
        Unary term beside the mixtures.
    mask : ndarray of bool, same shape
        The first guess; some voxel set.
    mixture_weight : float
        Weight of the mixtures' log-likelihood ratio; with 0 there is one cut.
    rounds : int
        At most so many cuts.

    Returns
    -------
    ndarray of bool, same shape
        One component, never empty.
    """
    mask = nearest_component(mask, radius)
    if not mixture_weight:
        rounds = 1
    numbers = bins(image) if mixture_weight else None
    for _ in range(rounds):
        weighed = log_odds
        if mixture_weight:
            inside, around = _histograms(numbers, radius, mask)
            if around.any():
                ratio = Mixture.fit(inside, 2).log_density() - Mixture.fit(around, 3).log_density()
                ratio = np.clip(ratio, -_MIXTURE_CLIP, _MIXTURE_CLIP) * np.float32(mixture_weight)
                weighed = log_odds + ratio[numbers]
        cut, _ = links.minimum_cut(weighed)
        if not cut.any():
            break
        cut = nearest_component(cut, radius)
        if (cut == mask).all():
            break
        mask = cut
    return mask


@compiled
def _histograms(numbers, radius, mask):
    """Of the mask, and of the rest of the shell; where that is empty, of all that is not mask."""
    inside = np.zeros(BINS, np.int64)
    shell = np.zeros(BINS, np.int64)
    outside = np.zeros(BINS, np.int64)
    low, high = np.float32(_SHELL[0]), np.float32(_SHELL[1])
    count = 0
    for i in range(mask.shape[0]):
        for j in range(mask.shape[1]):
            for k in range(mask.shape[2]):
                if mask[i, j, k]:
                    inside[numbers[i, j, k]] += 1
                    continue
                outside[numbers[i, j, k]] += 1
                if low < radius[i, j, k] < high:
                    shell[numbers[i, j, k]] += 1
                    count += 1
    return inside, shell if count else outside
