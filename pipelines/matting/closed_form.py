"""Closed-form matting in 2D and 3D.

Levin, Lischinski, Weiss: A closed-form solution to natural image matting, TPAMI 2008; in 3D Wang et
al., 3D Matting, eq. 3 to 27. Alpha is a linear function of intensity in every small window,
``alpha = a I + b``, with a ridge of ``epsilon`` on a; the sum over all windows of what is left is
least at the answer. Known voxels are eliminated; `window_laplacian` has the operator.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from pipelines.errors import UnknownParameterError
from pipelines.matting.linear_windows import solve_windows
from pipelines.matting.problem import DEFAULT_WINDOW


def closed_form(
    image: npt.NDArray,
    trimap: npt.NDArray[np.uint8],
    spacing: tuple[float, ...],
    *,
    window: tuple[float, float] = DEFAULT_WINDOW,
    foreground: npt.NDArray[np.float32] | None = None,
    epsilon: float = 1e-7,
    size: int = 3,
    prior: npt.NDArray[np.float32] | None = None,
    prior_weight: npt.NDArray[np.float32] | None = None,
    dtype: npt.DTypeLike = np.float32,
    tolerance: float = 1e-5,
    max_iterations: int = 2000,
) -> npt.NDArray[np.float32]:
    """Closed-form alpha matte of a 2D or 3D image.

    Parameters
    ----------
    image : ndarray, any real dtype, 2D or 3D
        Intensities in HU.
    trimap : ndarray of uint8, same shape
        0 background, 1 unknown, 2 foreground.
    spacing : tuple of float
        Voxel size in mm, one for each axis. Part of every method's face; windows count voxels, so
        that this method only checks it.
    window : tuple of float
        HU that become 0 and 1; what lies outside is clipped (also padding such as -3024).
    foreground : ndarray of float32, same shape, optional
        Alpha of the foreground voxels; 1 where it is not given.
    epsilon : float
        Ridge on the slope of each window's model, for intensities scaled to [0, 1].
    size : int
        3 for windows of three voxels along each axis, as published; 2 for all windows of two, which
        follow thin edges more closely.
    prior, prior_weight : ndarray of float32, same shape, optional
        Both or none: adds the sum of ``prior_weight * (alpha - prior)**2`` over unknown voxels to
        the energy. A voxel lies in 27 windows, each of which adds about 1 to its weight.
    dtype : float32 or float64
        What to compute in.
    tolerance : float
        Conjugate gradients stop when the residual falls to this part of the right-hand side. At
        1e-5 alpha differs from the exact answer by less than 3e-4 on bands around lesions, with
        windows of two voxels by less than 5e-4.
    max_iterations : int
        At most so many products with the Laplacian; a `NotConvergedWarning` says when they did not
        suffice. A lesion's band takes 10 to 60.

    Returns
    -------
    ndarray of float32, same shape
        Alpha in [0, 1]; known voxels keep their alpha exactly.

    Raises
    ------
    UnusableVolumeError
        If the image has not 2 or 3 axes, or holds values that are not finite.
    TrimapError
        If shapes differ, values other than 0, 1, 2 occur, or unknown voxels come without any
        background or without any foreground.
    UnknownParameterError
        If a parameter makes no sense.
    """
    if not (np.isfinite(epsilon) and epsilon > 0):
        raise UnknownParameterError(f"epsilon: found {epsilon}, expected a positive number")
    return solve_windows(
        image,
        trimap,
        spacing,
        window=window,
        foreground=foreground,
        ridge=epsilon,
        learning=False,
        size=size,
        prior=prior,
        prior_weight=prior_weight,
        dtype=dtype,
        tolerance=tolerance,
        max_iterations=max_iterations,
    )
