"""Do several sampled masks spread as several reference masks do?"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from pipelines.metrics.overlap import iou
from pipelines.metrics.pair import masks

Mask = npt.NDArray[np.bool_]


def masks_of_alpha(
    alpha: npt.NDArray, count: int = 8, low: float = 0.2, high: float = 0.7
) -> tuple[Mask, ...]:
    """Binary masks that stand for a soft one: alpha at thresholds spread over its range.

    Parameters
    ----------
    alpha : ndarray
        A soft mask.
    count : int
        Number of masks, at least one.
    low, high : float
        First and last threshold, as parts of the way from the least to the greatest alpha.

    Raises
    ------
    ValueError
        If there is no voxel or the parameters make no sense.
    """
    alpha = np.asarray(alpha)
    if alpha.size == 0:
        raise ValueError("found no voxel, expected at least one")
    if count < 1 or not low <= high:
        raise ValueError(f"found {count} thresholds from {low} to {high}, expected some, ascending")
    least, reach = float(alpha.min()), float(alpha.max()) - float(alpha.min())
    return tuple(alpha >= least + part * reach for part in np.linspace(low, high, count))


def _mean_distance(first: Sequence[Mask], second: Sequence[Mask]) -> float:
    return float(np.mean([1 - iou(one, other) for one in first for other in second]))


def _check(samples: Sequence[Mask], references: Sequence[Mask]) -> None:
    if not (len(samples) and len(references)):
        raise ValueError(
            f"found {len(samples)} samples and {len(references)} references, expected some of both"
        )


def generalised_energy_distance(samples: Sequence[Mask], references: Sequence[Mask]) -> float:
    """Squared generalised energy distance (GED) of two sets of masks.

    2 E[d(S, Y)] - E[d(S, S')] - E[d(Y, Y')] with d = 1 - IoU, two empty masks having IoU 1, and
    with each mask also paired with itself. After Kohl et al., A probabilistic U-Net, NeurIPS 2018.

    Parameters
    ----------
    samples, references : sequence of ndarray of bool, all of one shape
        Predicted masks S and reference masks Y; of a soft reference, `masks_of_alpha`.

    Raises
    ------
    ValueError
        If a set is empty, shapes differ or a mask is not boolean.
    """
    _check(samples, references)
    return (
        2 * _mean_distance(samples, references)
        - _mean_distance(samples, samples)
        - _mean_distance(references, references)
    )


def best_dice(samples: Sequence[Mask], references: Sequence[Mask]) -> float:
    """Mean over samples of the best Dice with any reference, one added above and below.

    Each Dice is (2 TP + 1) / (2 TP + FP + FN + 1), the smoothed form that is reported together
    with the energy distance of soft references.

    Raises
    ------
    ValueError
        If a set is empty, shapes differ or a mask is not boolean.
    """
    _check(samples, references)

    def smoothed(one: Mask, other: Mask) -> float:
        a, g = masks(one, other)
        sizes = np.count_nonzero(a) + np.count_nonzero(g)
        return (2 * np.count_nonzero(a & g) + 1) / (sizes + 1)

    return float(np.mean([max(smoothed(s, y) for y in references) for s in samples]))
