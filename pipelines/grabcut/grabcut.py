"""Native 3D GrabCut on HU from a RECIST mark.

GrabCut (Rother, Kolmogorov, Blake, SIGGRAPH 2004) alternates between two intensity mixtures and a
minimum cut. Here the mixtures are one-dimensional, what is known of each voxel's place and
surroundings takes part in the unary term (`opinion`, and `tissue` for large marks), and links are
measured in mm.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pipelines.grabcut.alternation import alternate
from pipelines.grabcut.coarse import Blocks
from pipelines.grabcut.component import nearest_component
from pipelines.grabcut.cut import GridLinks
from pipelines.grabcut.ellipsoid import RecistEllipsoid
from pipelines.grabcut.features import measure
from pipelines.grabcut.levels import Levels
from pipelines.grabcut.opinion import opinion
from pipelines.grabcut.tissue import tissue_log_odds, tissue_share

_LIMITS, _LIMIT_MM = (1.25, 1.4), 10.0
"""Nothing is lesion beyond the ellipsoid and so many mm, within these elliptic radii."""

_SMOOTH_SIZE_MM = 5.0
"""Lesions of a larger radius get a smoother outline in proportion, as readers draw it: the outline
keeps its shape under scaling."""

_CALLED_AT = 0.2
"""Added to the log-odds before the cut: Dice is best where lesion is called at odds of 2 to 3. Not
for large marks: what is called too easily there is whole organs."""

_OPINION_OF_LARGE = 0.6
"""Weight of the opinion for large marks: it is surer than it may be of sizes it never saw."""

_NOISE_HU = 40.0
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
    probability : ndarray of float32
        Of each voxel the probability that at least two of four readers call it lesion, in [0, 1];
        0 far from the mark. The cut plays no part in it.
    pleura : bool
        Whether the lung's surface was found beside the mark.
    """

    mask: npt.NDArray[np.bool_]
    levels: Levels
    found: bool
    probability: npt.NDArray[np.float32]
    pleura: bool


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
        Weight of the mixtures' log-likelihood ratio beside the opinion.
    rounds : int
        At most so many cuts.

    Returns
    -------
    Cut
    """
    image = np.ascontiguousarray(image, np.float32)
    limit = float(np.clip(1 + _LIMIT_MM / ellipsoid.size_mm, *_LIMITS))
    expected = ellipsoid.volume_mm3 * limit**3 / float(np.prod(spacing))
    blocks = Blocks.for_count(int(min(expected, image.size)), spacing, _MOST_NODES)
    fine_shape = image.shape
    if not blocks.trivial:
        image = blocks.means(image)
        offset, spacing = blocks.offset(offset), blocks.spacing(spacing)
    radius = ellipsoid.radius(image.shape, spacing, offset)
    allowed = radius < limit
    evidence = measure(image, spacing, ellipsoid, offset, radius, allowed)
    judged = opinion(evidence.features, ellipsoid.size_mm)
    share = np.float32(tissue_share(ellipsoid))
    judged *= 1 - share * np.float32(1 - _OPINION_OF_LARGE)
    tissue = tissue_log_odds(image, spacing, ellipsoid, offset, radius) if share else None
    if tissue is not None:
        judged += share * tissue[allowed]
    log_odds = np.full(image.shape, -20, np.float32)
    log_odds[allowed] = judged + (1 - share) * np.float32(_CALLED_AT)
    probability = np.zeros(image.shape, np.float32)
    probability[allowed] = 1 / (1 + np.exp(-judged))

    mask = log_odds > 0
    found = bool(mask.any())
    if found:
        smoothness_mm *= max(1.0, ellipsoid.size_mm / _SMOOTH_SIZE_MM)
        links = GridLinks.between(image, spacing, allowed, smoothness_mm, _NOISE_HU)
        mask = alternate(image, radius, links, log_odds, mask, mixture_weight, rounds)
    else:
        mask = _core(radius)
    if not blocks.trivial:
        # Between blocks a thin bridge may part, and a lone block falls below one half.
        fine = blocks.interpolate(mask, fine_shape)
        mask = nearest_component(
            fine >= min(0.5, float(fine.max())), blocks.interpolate(radius, fine_shape)
        )
        probability = blocks.interpolate(probability, fine_shape)
    return Cut(mask, evidence.levels, found, probability, evidence.pleura is not None)


def _core(radius: npt.NDArray[np.float32]) -> npt.NDArray[np.bool_]:
    """The inner half of the ellipsoid, at least the voxel at its centre."""
    return nearest_component(radius <= max(0.5, float(radius.min())), radius)
