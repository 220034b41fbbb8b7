"""3D closed-form matting without a stored matrix.

The matting Laplacian L of a volume (Levin, Lischinski, Weiss: A closed-form solution to natural
image matting, TPAMI 2008; in 3D: Wang et al., 3D Matting, eq. 3 to 16) is a sum over windows w of
27 voxels. With one intensity channel I, window mean m and variance v, its product with a vector p
is, for each voxel i,

    (L p)_i = sum over windows w that hold i of  p_i - mean_w(p) - a_w (I_i - m_w),
    a_w = cov_w(I, p) / (v_w + epsilon / |w|),

so that two passes of box sums give L p, and no matrix is needed. Known voxels are eliminated: the
equations of the unknown voxels are solved with the known ones on the right-hand side, by conjugate
gradients with the diagonal as preconditioner.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from pipelines.errors import TrimapError, UnknownParameterError, UnusableVolumeError
from pipelines.soft_mask import BACKGROUND, FOREGROUND, UNKNOWN

Array = npt.NDArray[np.float64]


def _window_sum(a: Array, size: tuple[int, ...]) -> Array:
    """Sums over all windows that lie wholly inside `a`; one value a window."""
    for axis, n in enumerate(size):
        a = np.moveaxis(a, axis, 0)
        length = len(a) - n + 1
        total = a[:length]
        for k in range(1, n):
            total = total + a[k : k + length]
        a = np.moveaxis(total, 0, axis)
    return a


def _voxel_sum(a: Array, size: tuple[int, ...]) -> Array:
    """Transpose of `_window_sum`: for each voxel the sum over the windows that hold it."""
    return _window_sum(np.pad(a, [(n - 1, n - 1) for n in size]), size)


class MattingLaplacian:
    """The matting Laplacian of one volume as an operator.

    Parameters
    ----------
    image : ndarray of float64
        One intensity channel, best scaled to about [0, 1], since epsilon is relative to it.
    epsilon : float
        Regulariser of the window variance (divided by the number of voxels in a window).

    Notes
    -----
    An axis of length 1 or 2 takes windows of that length: one slice gives 3x3 windows.
    """

    def __init__(self, image: Array, epsilon: float) -> None:
        self.size = tuple(min(3, n) for n in image.shape)
        self.count = int(np.prod(self.size))
        # Centred, so that covariances do not cancel: cov = E[Ip] - E[I]E[p].
        self.image = image - image.mean()
        self.mean = _window_sum(self.image, self.size) / self.count
        variance = _window_sum(self.image**2, self.size) / self.count - self.mean**2
        self.precision = 1 / (np.maximum(variance, 0) + epsilon / self.count)
        windows = np.ones(self.mean.shape)
        self.windows = _voxel_sum(windows, self.size)

    def product(self, p: Array) -> Array:
        """L p, same shape as p."""
        mean_p = _window_sum(p, self.size)
        mean_p /= self.count
        slope = _window_sum(self.image * p, self.size)
        slope /= self.count
        slope -= self.mean * mean_p
        slope *= self.precision
        mean_p -= self.mean * slope
        result = self.windows * p
        result -= _voxel_sum(mean_p, self.size)
        result -= self.image * _voxel_sum(slope, self.size)
        return result

    def diagonal(self) -> Array:
        """The diagonal of L, same shape as the image."""
        # sum over windows of 1 - (1 + (I - m)^2 / (v + eps)) / n, with the square expanded.
        constant = _voxel_sum(1 + self.mean**2 * self.precision, self.size)
        linear = _voxel_sum(self.mean * self.precision, self.size)
        square = _voxel_sum(self.precision, self.size)
        correction = constant - 2 * self.image * linear + self.image**2 * square
        return self.windows - correction / self.count


def _validate(
    image: npt.NDArray, trimap: npt.NDArray, spacing: tuple[float, ...], epsilon: float
) -> None:
    if image.ndim not in (2, 3):
        raise UnusableVolumeError(f"found an image of {image.ndim} axes, expected 2 or 3")
    if image.shape != trimap.shape:
        raise TrimapError(f"found a trimap of shape {trimap.shape}, expected {image.shape}")
    if len(spacing) != image.ndim or not all(np.isfinite(s) and s > 0 for s in spacing):
        raise UnusableVolumeError(f"found spacing {spacing}, expected {image.ndim} lengths in mm")
    if not np.isfinite(image).all():
        raise UnusableVolumeError("found intensities that are not finite")
    values = set(np.unique(trimap).tolist()) - {BACKGROUND, UNKNOWN, FOREGROUND}
    if values:
        raise TrimapError(f"found trimap values {sorted(values)}, expected 0, 1 and 2 only")
    if not (np.isfinite(epsilon) and epsilon > 0):
        raise UnknownParameterError(f"epsilon: found {epsilon}, expected a positive number")


def closed_form(
    image: npt.NDArray,
    trimap: npt.NDArray[np.uint8],
    spacing: tuple[float, ...],
    *,
    epsilon: float = 1e-7,
    window: tuple[float, float] = (-1000.0, 400.0),
    tolerance: float = 1e-5,
    max_iterations: int = 1000,
) -> npt.NDArray[np.float32]:
    """Closed-form alpha matte of a 2D or 3D image.

    Parameters
    ----------
    image : ndarray, any real dtype, 2D or 3D
        Intensities in HU.
    trimap : ndarray of uint8, same shape
        0 background, 1 unknown, 2 foreground.
    spacing : tuple of float
        Voxel size in mm, one for each axis. Part of every method's face; closed-form windows count
        voxels, so that this method only checks it.
    epsilon : float
        Regulariser of the window variance, for intensities scaled to [0, 1].
    window : tuple of float
        HU that become 0 and 1; what lies outside is clipped (also padding such as -3024).
    tolerance : float
        Conjugate gradients stop when the residual falls to this part of the right-hand side.
        Computed in float64; at 1e-5 alpha differs from the exact solution by less than 1e-3.
    max_iterations : int
        At most so many products with the Laplacian; where they do not suffice, alpha is less exact
        than `tolerance` says. A nodule's band takes 10 to 30.

    Returns
    -------
    ndarray of float32, same shape
        Alpha in [0, 1]; known voxels hold 0 or 1 exactly.

    Raises
    ------
    UnusableVolumeError
        If the image has not 2 or 3 axes, or holds values that are not finite.
    TrimapError
        If shapes differ, values other than 0, 1, 2 occur, or unknown voxels come without any
        background or without any foreground.
    UnknownParameterError
        If epsilon, window, tolerance or max_iterations make no sense.
    """
    image, trimap = np.asarray(image), np.asarray(trimap)
    _validate(image, trimap, spacing, epsilon)
    low, high = window
    if not (np.isfinite(low) and np.isfinite(high) and low < high):
        raise UnknownParameterError(f"window: found {window}, expected (low, high) in HU")
    if not (0 < tolerance < 1 and max_iterations >= 1):
        raise UnknownParameterError(
            f"found tolerance {tolerance} and max_iterations {max_iterations}, "
            "expected a number in (0, 1) and at least 1"
        )
    alpha = (trimap == FOREGROUND).astype(np.float32)
    unknown = trimap == UNKNOWN
    if not unknown.any():
        return alpha
    if not (trimap == FOREGROUND).any():
        raise TrimapError("found unknown voxels but no foreground, expected both")
    if not (trimap == BACKGROUND).any():
        raise TrimapError("found unknown voxels but no background, expected both")

    # Windows that hold an unknown voxel reach two voxels beyond it, no further.
    (box,) = ndimage.find_objects(unknown.astype(np.uint8))
    box = tuple(
        slice(max(s.start - 2, 0), min(s.stop + 2, n))
        for s, n in zip(box, image.shape, strict=True)
    )
    unknown = unknown[box]
    scaled = np.clip((image[box].astype(np.float64) - low) / (high - low), 0, 1)
    laplacian = MattingLaplacian(scaled, epsilon)
    known = (trimap[box] == FOREGROUND).astype(np.float64)
    solution = _solve(laplacian, unknown, known, tolerance, max_iterations)
    alpha[box][unknown] = np.clip(solution, 0, 1)
    return alpha


def _solve(
    laplacian: MattingLaplacian,
    unknown: npt.NDArray[np.bool_],
    known: Array,
    tolerance: float,
    max_iterations: int,
) -> Array:
    """Jacobi-preconditioned conjugate gradients on the unknown voxels, started from 0.5."""
    full = np.zeros(unknown.shape)

    def product(p: Array) -> Array:
        full[unknown] = p
        return laplacian.product(full)[unknown]

    rhs = -laplacian.product(known)[unknown]
    # A voxel in windows of one voxel only has no equation: it keeps the starting value.
    diagonal = laplacian.diagonal()[unknown]
    inverse = np.where(diagonal > 1e-12, 1 / np.maximum(diagonal, 1e-12), 0)
    x = np.full(rhs.shape, 0.5)
    residual = rhs - product(x)
    z = inverse * residual
    direction = z.copy()
    rho = float(residual @ z)
    goal = tolerance * max(float(np.linalg.norm(rhs)), np.finfo(float).tiny)
    for _ in range(max_iterations):
        if np.linalg.norm(residual) <= goal:
            break
        image = product(direction)
        curvature = float(direction @ image)
        if curvature <= 0:  # reached only at rounding level: L is positive semi-definite
            break
        step = rho / curvature
        x += step * direction
        residual -= step * image
        z = inverse * residual
        rho, previous = float(residual @ z), rho
        direction *= rho / previous
        direction += z
    return x
