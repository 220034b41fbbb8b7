"""Learning-based matting in 2D and 3D.

Zheng, Kambhamettu: Learning based digital matting, ICCV 2009; in 3D Wang et al., 3D Matting. In
every window a ridge regression F predicts each voxel's alpha from those of all its voxels, with the
features ``X = [I, 1]``: ``F = X (X^T X + ridge)^-1 X^T``. The sum of ``|alpha - F alpha|^2`` over
all windows is least at the answer. ``(1 - F)^T (1 - F)`` is the identity less a matrix of rank two,
as in closed-form matting, so that the same operator serves (`window_laplacian`); with a small ridge
the two methods give nearly the same alpha.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from pipelines.errors import UnknownParameterError
from pipelines.matting.linear_windows import solve_windows
from pipelines.matting.problem import DEFAULT_WINDOW


def learning_based(
    image: npt.NDArray,
    trimap: npt.NDArray[np.uint8],
    spacing: tuple[float, ...],
    *,
    window: tuple[float, float] = DEFAULT_WINDOW,
    foreground: npt.NDArray[np.float32] | None = None,
    ridge: float = 1e-7,
    size: int = 3,
    dtype: npt.DTypeLike = np.float32,
    tolerance: float = 1e-5,
    max_iterations: int = 2000,
) -> npt.NDArray[np.float32]:
    """Learning-based alpha matte of a 2D or 3D image, with the linear kernel.

    Parameters
    ----------
    image, trimap, spacing, window, foreground, size, dtype, tolerance, max_iterations
        As of `pipelines.matting.closed_form.closed_form`.
    ridge : float
        Weight of the model's squared numbers, for intensities scaled to [0, 1] (lambda of the
        paper).

    Returns
    -------
    ndarray of float32, same shape
        Alpha in [0, 1]; known voxels keep their alpha exactly.

    Raises
    ------
    SegmentationError
        As of `closed_form`.
    """
    if not (np.isfinite(ridge) and ridge > 0):
        raise UnknownParameterError(f"ridge: found {ridge}, expected a positive number")
    return solve_windows(
        image,
        trimap,
        spacing,
        window=window,
        foreground=foreground,
        ridge=ridge,
        learning=True,
        size=size,
        dtype=dtype,
        tolerance=tolerance,
        max_iterations=max_iterations,
    )
