"""What a method answers to a mark, on the CT's whole grid."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import highdicom as hd
import numpy as np
import numpy.typing as npt

from models import REGISTRY, problem_of, segmenting
from pipelines.errors import SegmentationError
from pipelines.lesion import soft_mask_from_recist
from pipelines.matting import METHODS, quantity_of
from pipelines.networks.options import NetworkOptions
from pipelines.recist import RecistAxes

MARKING_READER = "reader"
"""A name among the methods: the mask of the reader who drew the mark, as alpha of 0 and 1."""

HERE = NetworkOptions(device="cpu")
"""Networks as the package ships them, on the CPU."""


@dataclass(frozen=True, eq=False)
class Answer:
    """What a method said.

    Attributes
    ----------
    alpha : ndarray of float32, shape of the CT
        0 outside of the region that the method looked at, and everywhere where it failed.
    quantity : str
        What alpha says of a voxel: see `pipelines.soft_mask.QUANTITIES`; "binary" of a reader.
    failed : str, optional
        The kind of error where it gave no mask.
    """

    alpha: npt.NDArray[np.float32]
    quantity: str
    failed: str | None = None


def answer(
    volume: hd.Volume, axes: RecistAxes, method: str, networks: NetworkOptions = HERE
) -> Answer:
    """The soft mask that the node would send, on the whole grid.

    A method that refuses the mark has found nothing: it is scored so, and counted.

    Parameters
    ----------
    volume : highdicom.Volume, axes (slice, row, column)
        HU.
    axes : RecistAxes
    method : str
        One of `pipelines.parameters.known_methods`.
    networks : NetworkOptions

    Raises
    ------
    models.NoWeightsError
        If a network has none.
    """
    alpha = np.zeros(volume.spatial_shape, np.float32)
    try:
        soft = soft_mask_from_recist(volume, axes, method=method, networks=networks)
    except SegmentationError as error:
        quantity = "" if method in REGISTRY else quantity_of(method)
        return Answer(alpha, quantity, type(error).__name__)
    box = tuple(slice(o, o + n) for o, n in zip(soft.offset, soft.alpha.spatial_shape, strict=True))
    alpha[box] = soft.alpha.array
    return Answer(alpha, soft.quantity)


def usable_methods(names: tuple[str, ...], weights: Path | None = None) -> list[str]:
    """Those that can answer here: without networks that have no weights or find no PyTorch.

    Classical methods come first, in the order of `pipelines.matting.METHODS`.

    Parameters
    ----------
    names : tuple of str
    weights : Path, optional
        A folder of a site's own weights.
    """
    classical = [name for name in METHODS if name in names]
    return classical + [n for n in segmenting() if n in names and problem_of(n, weights) is None]
