"""Conjugate gradients for matting systems that are given as a product."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pipelines.compiled import compiled
from pipelines.errors import NotConvergedWarning, UnknownParameterError

Array = npt.NDArray[np.floating]
Correction = Callable[[Array], Array]
"""From a residual to an approximate solution for it."""


@dataclass(frozen=True)
class Convergence:
    """How conjugate gradients ended: products used, norm of the residual, norm wanted."""

    iterations: int
    residual: float
    goal: float

    @property
    def reached(self) -> bool:
        """Whether the residual is as small as was asked for."""
        return self.residual <= self.goal

    def warn(self) -> None:
        """Give a `NotConvergedWarning` where it is not."""
        if not self.reached:
            warnings.warn(
                "alpha is less exact than asked for: found a residual of "
                f"{self.residual:.1e} after {self.iterations} iterations, expected {self.goal:.1e}",
                NotConvergedWarning,
                stacklevel=3,
            )


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


def jacobi(diagonal: Array) -> Correction:
    """Division by the diagonal; an unknown without an equation keeps its first guess."""
    inverse = np.divide(1.0, diagonal, out=np.zeros_like(diagonal), where=diagonal > 1e-12)
    return lambda residual: inverse * residual


def conjugate_gradients(
    product: Callable[[Array], Array],
    load: Array,
    start: Array,
    correction: Correction,
    *,
    tolerance: float,
    max_iterations: int,
) -> tuple[Array, Convergence]:
    """Solve a symmetric positive semi-definite system.

    Parameters
    ----------
    product : callable
        Gives the matrix times a vector of shape (n,).
    load, start : ndarray, shape (n,)
        Right-hand side and first guess, of the dtype to compute in.
    correction : callable
        The preconditioner, such as `jacobi` gives.
    tolerance : float
        Stop when the residual's norm falls to this part of the right-hand side's, or of the first
        residual's where the right-hand side is 0.
    max_iterations : int
        At most so many products after the first.

    Returns
    -------
    ndarray, Convergence
        The answer, and how it was reached.
    """
    x = start.copy()
    residual = load - product(x)
    direction = correction(residual)
    rho = float(residual @ direction)
    norm, iterations = float(np.linalg.norm(residual)), 0
    goal = tolerance * (float(np.linalg.norm(load)) or norm)
    while norm > goal and iterations < max_iterations:
        image = product(direction)
        iterations += 1
        curvature = float(direction @ image)
        if not curvature > 0:  # only at rounding level: the matrix is positive semi-definite
            break
        norm = _step(x, residual, direction, image, x.dtype.type(rho / curvature))
        corrected = correction(residual)
        rho, previous = float(residual @ corrected), rho
        _turn(direction, corrected, x.dtype.type(rho / previous))
    return x, Convergence(iterations, norm, goal)


@compiled
def _step(x, residual, direction, image, step):
    """Take a step; the norm of the residual that is left."""
    square = 0.0
    for i in range(len(x)):
        x[i] += step * direction[i]
        left = residual[i] - step * image[i]
        residual[i] = left
        square += left * left
    return np.sqrt(square)


@compiled
def _turn(direction, corrected, part):
    for i in range(len(direction)):
        direction[i] = corrected[i] + part * direction[i]
