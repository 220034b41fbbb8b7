"""Native 3D GrabCut on HU from a RECIST mark.

GrabCut (Rother, Kolmogorov, Blake, SIGGRAPH 2004) alternates between two intensity mixtures and a
minimum cut. Here the mixtures are one-dimensional, the mark's shape and the physical mix of lung
and lesion take part in the unary term (`opinion`), and links are measured in mm.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from pipelines.grabcut.cut import minimum_cut
from pipelines.grabcut.ellipsoid import RecistEllipsoid
from pipelines.grabcut.mixture import Mixture
from pipelines.grabcut.opinion import Levels, opinion

_LIMITS, _LIMIT_MM = (1.25, 1.4), 10.0
"""Nothing is lesion beyond the ellipsoid and so many mm, within these elliptic radii."""

_SMOOTH_SIZE_MM = 5.0
"""Lesions of a larger radius get a smoother outline in proportion, as readers draw it: the outline
keeps its shape under scaling."""

_NOISE_HU = 40.0
_MIXTURE_CLIP = 2.0
_MOST_NODES = 120_000


@dataclass(frozen=True, eq=False)
class Cut:
    """What GrabCut found.

    Attributes
    ----------
    mask : ndarray of bool
        One component, the one closest to the mark's centre; never empty.
    levels : Levels
        HU of lung and lesion around the mark.
    found : bool
        False where no voxel was likelier lesion than not, and the mark's own core stands in.
    """

    mask: npt.NDArray[np.bool_]
    levels: Levels
    found: bool


def _core(radius: npt.NDArray[np.float32]) -> npt.NDArray[np.bool_]:
    """The inner half of the ellipsoid, at least the voxel at its centre."""
    return radius <= max(0.5, float(radius.min()))


def _component(
    mask: npt.NDArray[np.bool_], radius: npt.NDArray[np.float32]
) -> npt.NDArray[np.bool_]:
    """The 6-connected component that comes closest to the centre."""
    labels, _ = ndimage.label(mask)
    return labels == labels.flat[int(np.argmin(np.where(mask, radius, np.inf)))]


def _blocks(a: npt.NDArray, factors: tuple[int, ...]) -> npt.NDArray:
    """Means over blocks; the last block of an axis repeats the edge."""
    a = np.pad(a, [(0, -n % f) for n, f in zip(a.shape, factors, strict=True)], mode="edge").astype(
        np.float32
    )
    for axis, f in enumerate(factors):
        shape = (*a.shape[:axis], a.shape[axis] // f, f, *a.shape[axis + 1 :])
        a = a.reshape(shape).mean(axis=axis + 1)
    return a


def _unblock(mask: npt.NDArray[np.bool_], factors: tuple[int, ...], shape: tuple[int, ...]):
    """A mask on blocks, interpolated linearly on the fine grid and cut at one half."""
    points = np.meshgrid(
        *[(np.arange(n) + 0.5) / f - 0.5 for n, f in zip(shape, factors, strict=True)],
        indexing="ij",
    )
    fine = ndimage.map_coordinates(mask.astype(np.float32), points, order=1, mode="nearest")
    return fine >= 0.5


def _factors(count: int, spacing: tuple[float, float, float]) -> tuple[int, int, int]:
    """Block sizes that bring `count` voxels below the limit, finest axes first."""
    factors = [1, 1, 1]
    while count / np.prod(factors) > _MOST_NODES:
        sizes = [s * f for s, f in zip(spacing, factors, strict=True)]
        finest = min(sizes)
        for axis in range(3):
            if sizes[axis] < 1.3 * finest:
                factors[axis] += 1
    return tuple(factors)


def grabcut(
    image: npt.NDArray,
    spacing: tuple[float, float, float],
    ellipsoid: RecistEllipsoid,
    offset: tuple[int, int, int] = (0, 0, 0),
    *,
    smoothness_mm: float = 0.2,
    mixture_weight: float = 0.2,
    rounds: int = 3,
) -> Cut:
    """Segment one lesion.

    Parameters
    ----------
    image : ndarray, axes (slice, row, column)
        HU of a crop that holds the mark and its surroundings, finite.
    spacing : tuple of float
        Voxel size in mm.
    ellipsoid : RecistEllipsoid
        The mark's shape, in mm along the axes of the volume that the crop was taken from.
    offset : tuple of int
        Index of the crop's first voxel in that volume.
    smoothness_mm : float
        Cost of the outline of a lesion of up to 5 mm radius, more for larger ones; 0 decides voxel
        by voxel.
    mixture_weight : float
        Weight of the mixtures' log-likelihood ratio beside the prior.
    rounds : int
        At most so many cuts.

    Returns
    -------
    Cut
    """
    radius = ellipsoid.radius(image.shape, spacing, offset)
    centre = ellipsoid.centre / np.asarray(spacing) - np.asarray(offset)
    levels = Levels.measure(image, radius)
    prior = opinion(image, spacing, radius, centre, ellipsoid.size_mm)
    limit = float(np.clip(1 + _LIMIT_MM / ellipsoid.size_mm, *_LIMITS))
    allowed = radius < limit
    fine_shape = image.shape
    factors = _factors(int(allowed.sum()), spacing)
    if max(factors) > 1:
        image, radius, prior = (_blocks(a, factors) for a in (image, radius, prior))
        allowed = radius < limit
        spacing = tuple(s * f for s, f in zip(spacing, factors, strict=True))

    smoothness_mm *= max(1.0, ellipsoid.size_mm / _SMOOTH_SIZE_MM)
    mask = allowed & (prior > 0)
    found = bool(mask.any())
    if not found:
        mask = _core(radius)
    for _ in range(rounds):
        log_odds = prior
        if mixture_weight:
            log_odds = prior + mixture_weight * _likelihood_ratio(image, mask, radius)
        cut = minimum_cut(log_odds, image, spacing, allowed, smoothness_mm, _NOISE_HU)
        if not cut.any():
            break
        cut = _component(cut, radius)
        if (cut == mask).all():
            break
        mask = cut
    mask = _component(mask, radius)
    if max(factors) > 1:
        mask = _unblock(mask, factors, fine_shape)
    return Cut(mask=mask, levels=levels, found=found)


def _likelihood_ratio(
    image: npt.NDArray, mask: npt.NDArray[np.bool_], radius: npt.NDArray[np.float32]
) -> npt.NDArray[np.float32]:
    """Log ratio of the lesion's to the background's density of HU, clipped."""
    around = (radius > 1.1) & (radius < 2.2) & ~mask
    if not around.any():
        around = ~mask
    if not around.any():
        return np.zeros(image.shape, np.float32)
    lesion = Mixture.fit(image[mask], components=2)
    background = Mixture.fit(image[around], components=3)
    ratio = lesion.log_density(image) - background.log_density(image)
    return np.clip(ratio, -_MIXTURE_CLIP, _MIXTURE_CLIP)
