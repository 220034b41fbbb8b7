"""Overlap of two binary masks.

With true positives TP, false positives FP and false negatives FN in voxels. Papers print them in
per cent; a soft mask is thresholded at 0.5 by convention.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from pipelines.metrics.pair import masks


def dice(a: npt.ArrayLike, g: npt.ArrayLike) -> float:
    """Dice coefficient of two binary masks: 2 TP / (2 TP + FP + FN), in [0, 1].

    Parameters
    ----------
    a, g : array_like, bool, same shape
        Prediction and reference. Threshold a soft mask first (0.5 is the convention).

    Returns
    -------
    float
        1.0 where both masks are empty.

    Raises
    ------
    ValueError
        If shapes differ or a mask is not boolean.
    """
    a, g = masks(a, g)
    total = int(np.count_nonzero(a)) + int(np.count_nonzero(g))
    return 2 * int(np.count_nonzero(a & g)) / total if total else 1.0


def iou(a: npt.ArrayLike, g: npt.ArrayLike) -> float:
    """Intersection over union of two binary masks: TP / (TP + FP + FN), 1.0 where both are empty.

    Raises
    ------
    ValueError
        If shapes differ or a mask is not boolean.
    """
    a, g = masks(a, g)
    union = int(np.count_nonzero(a | g))
    return int(np.count_nonzero(a & g)) / union if union else 1.0


def sensitivity(a: npt.ArrayLike, g: npt.ArrayLike) -> float:
    """Part of the reference that was found (SEN): TP / (TP + FN), in [0, 1].

    Returns
    -------
    float
        1.0 where both masks are empty; NaN where only the reference is, since it says nothing.

    Raises
    ------
    ValueError
        If shapes differ or a mask is not boolean.
    """
    a, g = masks(a, g)
    total = int(np.count_nonzero(g))
    if not total:
        return math.nan if a.any() else 1.0
    return int(np.count_nonzero(a & g)) / total


def ppv(a: npt.ArrayLike, g: npt.ArrayLike) -> float:
    """Part of the prediction that is right, the positive predictive value: TP / (TP + FP).

    Returns
    -------
    float
        1.0 where both masks are empty; NaN where only the prediction is.

    Raises
    ------
    ValueError
        If shapes differ or a mask is not boolean.
    """
    return sensitivity(g, a)
