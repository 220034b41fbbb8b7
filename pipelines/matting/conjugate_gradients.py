"""Conjugate gradients for matting systems that are given as a product."""

from __future__ import annotations

import warnings
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from pipelines.errors import NotConvergedWarning, UnknownParameterError

Array = npt.NDArray[np.float64]


def check_stopping(tolerance: float, max_iterations: int) -> None:
    """Refuse a rule of stopping that makes no sense.

    Raises
    ------
    UnknownParameterError
        If tolerance is not in (0, 1) or max_iterations below 1.
    """
    if not (0 < tolerance < 1 and max_iterations >= 1):
        raise UnknownParameterError(
            f"found tolerance {tolerance} and max_iterations {max_iterations}, "
            "expected a number in (0, 1) and at least 1"
        )


def conjugate_gradients(
    product: Callable[[Array], Array],
    diagonal: Array,
    load: Array,
    start: Array,
    *,
    tolerance: float,
    max_iterations: int,
) -> Array:
    """Solve a symmetric positive semi-definite system, preconditioned with its diagonal.

    Parameters
    ----------
    product : callable
        Gives the matrix times a vector of float64 of shape (n,).
    diagonal, load, start : ndarray of float64, shape (n,)
        Diagonal of the matrix, right-hand side and first guess.
    tolerance : float
        Stop when the residual's norm falls to this part of the right-hand side's.
    max_iterations : int
        At most so many products; a `NotConvergedWarning` says when they did not suffice.

    Returns
    -------
    ndarray of float64, shape (n,)
        An unknown without an equation keeps its first guess.
    """
    inverse = np.divide(1.0, diagonal, out=np.zeros_like(diagonal), where=diagonal > 1e-12)
    x = start.astype(np.float64)
    residual = load - product(x)
    goal = tolerance * max(float(np.linalg.norm(load)), np.finfo(float).tiny)
    direction = np.zeros_like(x)
    rho = 1.0
    for iteration in range(max_iterations + 1):
        norm = float(np.linalg.norm(residual))
        if norm <= goal:
            return x
        scaled = inverse * residual
        rho, previous = float(residual @ scaled), rho
        direction *= rho / previous if iteration else 0.0
        direction += scaled
        image = product(direction)
        curvature = float(direction @ image)
        if curvature <= 0:  # At rounding level only: the matrix is positive semi-definite.
            return x
        step = rho / curvature
        x += step * direction
        residual -= step * image
    warnings.warn(
        f"alpha is less exact than asked for: found a residual of {norm:.1e} after "
        f"{max_iterations} iterations, expected {goal:.1e}",
        NotConvergedWarning,
        stacklevel=3,
    )
    return x
