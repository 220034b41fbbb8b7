"""What a method answers to a mark, on the CT's whole grid."""

from __future__ import annotations

from dataclasses import dataclass

import highdicom as hd
import numpy as np
import numpy.typing as npt

from models import REGISTRY, NoWeightsError, problem_of, segmenting
from models.loading import meaning_of as meaning_of_weights
from models.loading import weights_about
from pipelines.errors import SegmentationError
from pipelines.lesion import soft_mask_from_recist
from pipelines.matting import METHODS, quantity_of
from pipelines.recist import RecistAxes

MARKING_READER = "reader"
"""A name among the methods: the mask of the reader who drew the mark, as alpha of 0 and 1."""


@dataclass(frozen=True, eq=False)
class Answer:
    """What a method said.

    Attributes
    ----------
    alpha : ndarray of float32, shape of the CT
        0 outside of the region that the method looked at, and everywhere where it failed.
    failed : str, optional
        The kind of error where it gave no mask.
    """

    alpha: npt.NDArray[np.float32]
    failed: str | None = None


def answer(volume: hd.Volume, axes: RecistAxes, method: str) -> Answer:
    """The soft mask that the node would send, on the whole grid.

    A method that refuses the mark has found nothing: it is scored so, and counted.

    Parameters
    ----------
    volume : highdicom.Volume, axes (slice, row, column)
        HU.
    axes : RecistAxes
    method : str
        Name in `pipelines.matting.METHODS` or `models.REGISTRY`.

    Raises
    ------
    models.NoWeightsError
        If a network has none.
    """
    alpha = np.zeros(volume.spatial_shape, np.float32)
    try:
        soft = soft_mask_from_recist(volume, axes, method=method)
    except NoWeightsError:
        raise
    except SegmentationError as error:
        return Answer(alpha, type(error).__name__)
    box = tuple(slice(o, o + n) for o, n in zip(soft.offset, soft.alpha.spatial_shape, strict=True))
    alpha[box] = soft.alpha.array
    return Answer(alpha)


def usable_methods(names: tuple[str, ...]) -> list[str]:
    """Those that can answer here: without networks that have no weights or find no PyTorch.

    Classical methods come first, in the order of `pipelines.matting.METHODS`.
    """
    classical = [name for name in METHODS if name in names]
    return classical + [n for n in segmenting() if n in names and problem_of(n) is None]


def meaning_of(method: str) -> str:
    """What the alpha of a method says of a voxel: see `pipelines.soft_mask.QUANTITIES`."""
    if method == MARKING_READER:
        return "binary"
    if method in REGISTRY:
        return meaning_of_weights(method, weights_about(method)).lower()
    return quantity_of(method)
