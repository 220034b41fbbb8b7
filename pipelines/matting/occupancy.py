"""Occupancy matting: what HU say, freed from the scanner's blur, and shape where HU say nothing.

Closed-form matting and its kin copy the image's blur into alpha, and smooth alpha linearly across
a chest wall. This method models the CT. A voxel holds lesion (a), lung, and other dense tissue (w,
chest wall or vessel): HU, between the local levels of lung and lesion, show a + w blurred.

1. `read_mix` measures the levels around each voxel, and the noise.
2. `deblur` finds a + w behind the blur, in [0, 1], with edges kept.
3. Where dense background is near, a + w is parted by shape: `prior`, the readers' mean outline or
   a cut, sharp in millimetres; without one the middle of the unknown band.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from pipelines.distance import distance_within
from pipelines.errors import UnknownParameterError
from pipelines.matting.deblurring import deblur
from pipelines.matting.mixing import read_mix
from pipelines.matting.most_psf import MOST_PSF_MM
from pipelines.matting.problem import DEFAULT_WINDOW, MattingProblem
from pipelines.soft_mask import BACKGROUND, FOREGROUND

_LOOK_MM = 4.0
"""How far around the band levels and dense background are looked for."""

_LEAST_DENSE = 8
"""Fewer voxels of dense background are noise."""

_BLEND_MM = 1.5
"""Shape takes over, over such a difference of distances, where dense background is nearer."""


def occupancy(
    image: npt.NDArray,
    trimap: npt.NDArray[np.uint8],
    spacing: tuple[float, ...],
    *,
    window: tuple[float, float] = DEFAULT_WINDOW,
    foreground: npt.NDArray[np.float32] | None = None,
    prior: npt.NDArray[np.float32] | None = None,
    psf_mm: float = 0.6,
    smoothing: float = 0.3,
    steps: int = 10,
) -> npt.NDArray[np.float32]:
    """Alpha as the exact part of each voxel that is lesion, of a 2D or 3D CT.

    Parameters
    ----------
    image : ndarray, any real dtype, axes (slice, row, column) or (row, column)
        HU.
    trimap : ndarray of uint8, same shape
        0 background, 1 unknown, 2 foreground.
    spacing : tuple of float
        Voxel size in mm, one for each axis.
    window : tuple of float
        HU outside of it are clipped (padding such as -3024).
    foreground : ndarray of float32, same shape, optional
        Alpha of the foreground voxels in [0, 1]; 1 where it is not given. The unknown ones are
        scaled by what it is nearby.
    prior : ndarray of float32, same shape, optional
        Alpha in [0, 1] as shape alone suggests it. Used where the lesion borders on tissue as dense
        as itself. Without it the border is the middle of the unknown band.
    psf_mm : float
        Standard deviation of the scanner's point spread in mm, at most 5. 0.6 suits soft tissue
        kernels; 0 leaves the blur in.
    smoothing : float
        Weight of total variation, in parts of the noise; not negative.
    steps : int
        Gradient steps of the deconvolution, at least 1. 40 reach its minimum; fewer keep a little
        of the blur, which suits noise.

    Returns
    -------
    ndarray of float32, same shape
        Alpha in [0, 1]; known voxels keep theirs exactly.

    Raises
    ------
    UnusableVolumeError
        If the image has not 2 or 3 axes, is not real, holds values that are not finite, or the
        spacing does not fit it.
    TrimapError
        If shapes differ, values other than 0, 1, 2 occur, or unknown voxels come without any
        background or without any foreground.
    UnknownParameterError
        If a parameter makes no sense.
    """
    if not (0 <= psf_mm <= MOST_PSF_MM and np.isfinite(smoothing) and smoothing >= 0):
        raise UnknownParameterError(
            f"found psf_mm {psf_mm} and smoothing {smoothing}, expected 0 to {MOST_PSF_MM} mm and "
            "a finite number from 0"
        )
    if steps < 1:
        raise UnknownParameterError(f"steps: found {steps}, expected at least 1")
    reach = max(2, int(np.ceil(_LOOK_MM / min(spacing)))) if min(spacing, default=0) > 0 else 2
    problem = MattingProblem.read(
        image, trimap, spacing, window=window, foreground=foreground, reach=reach
    )
    if prior is not None and np.shape(prior) != problem.alpha.shape:
        raise UnknownParameterError(
            f"prior: found shape {np.shape(prior)}, expected {problem.alpha.shape}"
        )
    if not problem.count:
        return problem.alpha
    if not ((problem.trimap == FOREGROUND).any() and (problem.trimap == BACKGROUND).any()):
        # What is known lies far from the band: look everywhere.
        problem = MattingProblem.read(
            image,
            trimap,
            spacing,
            window=window,
            foreground=foreground,
            reach=max(problem.alpha.shape),
        )
    if prior is not None:
        prior = np.asarray(prior, dtype=np.float32)[problem.box]
        if not (prior.min() >= 0 and prior.max() <= 1):
            raise UnknownParameterError("prior: found alpha outside of [0, 1]")
    flat = (1,) * (3 - problem.image.ndim) + problem.image.shape
    steps_mm = (np.inf,) * (3 - problem.image.ndim) + problem.spacing
    # Along an axis of one voxel there are no distances, and its length must not matter.
    least = min((s for s, n in zip(steps_mm, flat, strict=True) if n > 1), default=1.0)
    steps_mm = tuple(s if n > 1 else least for s, n in zip(steps_mm, flat, strict=True))
    hu = np.clip(problem.image, *problem.window).astype(np.float32).reshape(flat)
    marks = np.ascontiguousarray(problem.trimap).reshape(flat)
    mix = read_mix(hu, marks, steps_mm)
    start = np.clip(mix.part, 0, 1)
    start[marks == FOREGROUND] = 1
    unknown = problem.unknown.reshape(flat)
    alpha = deblur(
        mix.part,
        unknown,
        start,
        mix.noise,
        steps_mm,
        psf_mm=psf_mm,
        smoothing=smoothing,
        steps=steps,
    )
    if np.count_nonzero(mix.dense) >= _LEAST_DENSE:
        shape = None if prior is None else prior.reshape(flat)
        alpha *= _lesion_part(marks, mix.dense, steps_mm, shape)
    if foreground is not None:
        alpha *= _nearby(problem.known.reshape(flat), marks == FOREGROUND, steps_mm)
    return problem.fill(alpha[unknown])


def _nearby(
    known: npt.NDArray[np.float32], where: npt.NDArray[np.bool_], spacing: tuple[float, ...]
) -> npt.NDArray[np.float32]:
    """Mean of the foreground's alpha around each voxel; of all of it where none is near."""
    sigma = [_LOOK_MM / 4 / s for s in spacing]
    weight = ndimage.gaussian_filter(where.astype(np.float32), sigma, mode="constant")
    total = ndimage.gaussian_filter(np.where(where, known, 0), sigma, mode="constant")
    far = weight < 1e-3
    return np.where(far, known[where].mean(), total / np.where(far, 1, weight)).astype(np.float32)


def _lesion_part(
    trimap: npt.NDArray[np.uint8],
    dense: npt.NDArray[np.bool_],
    spacing: tuple[float, ...],
    prior: npt.NDArray[np.float32] | None,
) -> npt.NDArray[np.float32]:
    """Of what is dense in each voxel, the part that is lesion."""
    if prior is None:
        prior = _middle(trimap, spacing)
    return (1 - (1 - prior) * weight_of_shape(trimap, dense, spacing)).astype(np.float32)


def weight_of_shape(
    trimap: npt.NDArray[np.uint8], dense: npt.NDArray[np.bool_], spacing: tuple[float, ...]
) -> npt.NDArray[np.float32]:
    """How much shape has to say beside HU: 1 next to dense background, 0 next to thin.

    Parameters
    ----------
    trimap : ndarray of uint8, 2D or 3D
    dense : ndarray of bool, same shape
        Background as dense as lesion: `pipelines.matting.mixing.Mix.dense`.
    spacing : tuple of float
        Voxel size in mm.

    Returns
    -------
    ndarray of float32, same shape
    """
    to_dense = distance_within(dense, spacing, _LOOK_MM)
    to_thin = distance_within((trimap == BACKGROUND) & ~dense, spacing, _LOOK_MM)
    difference = np.minimum(to_thin, 2 * _LOOK_MM) - np.minimum(to_dense, 2 * _LOOK_MM)
    weight = np.clip(difference / _BLEND_MM + 0.5, 0, 1) * np.isfinite(to_dense)
    return weight.astype(np.float32)


def _middle(trimap: npt.NDArray[np.uint8], spacing: tuple[float, ...]) -> npt.NDArray[np.float32]:
    """A sharp border in the middle between foreground and background."""
    far = 3 * _LOOK_MM
    to_lesion = np.minimum(distance_within(trimap == FOREGROUND, spacing, far), far)
    to_background = np.minimum(distance_within(trimap == BACKGROUND, spacing, far), far)
    return np.clip((to_background - to_lesion) / 2 / min(spacing) + 0.5, 0, 1)
