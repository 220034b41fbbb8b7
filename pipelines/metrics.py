"""How well a soft mask agrees with a reference. `a` is the prediction, `g` the reference."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt


def _same_shape(a: npt.ArrayLike, g: npt.ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    a, g = np.asarray(a), np.asarray(g)
    if a.shape != g.shape:
        raise ValueError(f"found shapes {a.shape} and {g.shape}, expected equal shapes")
    return a, g


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
    a, g = _same_shape(a, g)
    if a.dtype != bool or g.dtype != bool:
        raise ValueError(f"found {a.dtype} and {g.dtype}, expected two boolean masks")
    total = int(a.sum()) + int(g.sum())
    return 2 * int((a & g).sum()) / total if total else 1.0


def sad(a: npt.ArrayLike, g: npt.ArrayLike) -> float:
    """Sum of absolute differences of two soft masks, in voxels."""
    a, g = _same_shape(a, g)
    return float(np.abs(a.astype(np.float64) - g).sum())


def mse(a: npt.ArrayLike, g: npt.ArrayLike) -> float:
    """Mean squared difference of two soft masks over all voxels given."""
    a, g = _same_shape(a, g)
    if a.size == 0:
        raise ValueError("found no voxel, expected at least one")
    return float(((a.astype(np.float64) - g) ** 2).mean())


def volume_error(a: npt.ArrayLike, g: npt.ArrayLike) -> float:
    """Signed relative error of the soft volume: (sum a - sum g) / sum g.

    Raises
    ------
    ValueError
        If shapes differ or the reference is empty.
    """
    a, g = _same_shape(a, g)
    truth = float(g.sum(dtype=np.float64))
    if truth <= 0:
        raise ValueError("the reference is empty, a relative volume error needs some volume")
    return (float(a.sum(dtype=np.float64)) - truth) / truth
