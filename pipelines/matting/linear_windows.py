"""From a trimap to alpha with linear models in windows: what closed form and its kin share."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from pipelines.errors import UnknownParameterError
from pipelines.matting.conjugate_gradients import check_stopping, conjugate_gradients
from pipelines.matting.multigrid import preconditioner, worth_it
from pipelines.matting.problem import MattingProblem
from pipelines.matting.window_laplacian import WindowLaplacian


def check_windows(
    dtype: npt.DTypeLike, size: int, tolerance: float, max_iterations: int
) -> np.dtype:
    """The dtype to compute in.

    Raises
    ------
    UnknownParameterError
        If it is not float32 or float64, windows are not of 2 or 3 voxels, or the rule of stopping
        makes no sense.
    """
    dtype = np.dtype(dtype)
    if dtype not in (np.float32, np.float64):
        raise UnknownParameterError(f"dtype: found {dtype}, expected float32 or float64")
    if size not in (2, 3):
        raise UnknownParameterError(f"size: found {size}, expected windows of 2 or 3 voxels")
    check_stopping(tolerance, max_iterations)
    return dtype


def solve_windows(
    image: npt.NDArray,
    trimap: npt.NDArray[np.uint8],
    spacing: tuple[float, ...],
    *,
    window: tuple[float, float],
    foreground: npt.NDArray[np.float32] | None,
    ridge: float,
    learning: bool,
    size: int,
    prior: npt.NDArray[np.float32] | None = None,
    prior_weight: npt.NDArray[np.float32] | None = None,
    dtype: npt.DTypeLike,
    tolerance: float,
    max_iterations: int,
) -> npt.NDArray[np.float32]:
    """Alpha of `closed_form` or, where `learning`, of `learning_based`; see there."""
    dtype = check_windows(dtype, size, tolerance, max_iterations)
    problem = MattingProblem.read(image, trimap, spacing, window=window, foreground=foreground)
    prior, prior_weight = problem.prior(prior, prior_weight)
    if not problem.count:
        return problem.alpha
    laplacian = WindowLaplacian.build(
        problem,
        ridge=ridge,
        learning=learning,
        size=size,
        dtype=dtype,
        prior=prior,
        prior_weight=prior_weight,
    )
    if worth_it(problem.unknown, problem.count):
        at = laplacian.chunks.positions
        values, ended = conjugate_gradients(
            laplacian.product,
            laplacian.load[at],
            laplacian.first_guess()[at],
            preconditioner(
                problem.guide(), problem.unknown, size, ridge=ridge, weight=prior_weight
            ),
            tolerance=tolerance,
            max_iterations=max_iterations,
        )
        ended.warn()
        return problem.fill(values)
    values, ended = laplacian.solve(tolerance=tolerance, max_iterations=max_iterations)
    ended.warn()
    # The kernels know three axes; a 2D image is one slice.
    out = problem.alpha[problem.box].reshape((1,) * (3 - problem.image.ndim) + problem.trimap.shape)
    laplacian.chunks.scatter(values, out)
    return problem.alpha
