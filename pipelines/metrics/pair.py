"""What every metric is given: two arrays of one shape."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt


def same_shape(a: npt.ArrayLike, g: npt.ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """Both as arrays.

    Raises
    ------
    ValueError
        If shapes differ.
    """
    a, g = np.asarray(a), np.asarray(g)
    if a.shape != g.shape:
        raise ValueError(f"found shapes {a.shape} and {g.shape}, expected equal shapes")
    return a, g


def masks(a: npt.ArrayLike, g: npt.ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """Both as boolean arrays.

    Raises
    ------
    ValueError
        If shapes differ or a mask is not boolean: a soft mask is thresholded by who knows where.
    """
    a, g = same_shape(a, g)
    if a.dtype != bool or g.dtype != bool:
        raise ValueError(f"found {a.dtype} and {g.dtype}, expected two boolean masks")
    return a, g


def alphas(a: npt.ArrayLike, g: npt.ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """Both as float64 without their axes of length one, so that one slice counts as an image.

    Raises
    ------
    ValueError
        If shapes differ or values are not finite.
    """
    a, g = same_shape(a, g)
    a, g = a.astype(np.float64).squeeze(), g.astype(np.float64).squeeze()
    if not (np.isfinite(a).all() and np.isfinite(g).all()):
        raise ValueError("found alpha that is not finite")
    return a, g
