"""Masks of a lesion that a probabilistic network draws from its prior. Needs PyTorch."""

from __future__ import annotations

from dataclasses import replace

import highdicom as hd
import numpy as np
import numpy.typing as npt

from models.medical_matting import SAMPLES, UncertaintyGuidedMatting
from models.prior_samples import PriorSamples
from pipelines.grabcut import RecistEllipsoid
from pipelines.lesion import crop_around
from pipelines.marked_region import marked_region
from pipelines.networks.loaded import loaded_network
from pipelines.networks.options import NetworkOptions
from pipelines.networks.place_alpha import place_alpha
from pipelines.recist import RecistAxes

LEVEL = 0.5
"""Of a sampled mask's probability, as the networks are trained."""


def draws_masks(method: str, networks: NetworkOptions) -> bool:
    """Whether a network, which has weights, draws masks."""
    return isinstance(loaded_network(method, networks).module, UncertaintyGuidedMatting)


def prior_masks(
    volume: hd.Volume,
    axes: RecistAxes,
    method: str,
    networks: NetworkOptions,
    count: int = SAMPLES,
) -> list[npt.NDArray[np.bool_]]:
    """Sampled masks on the CT's whole grid, each cut to the region under the mark as alpha is.

    Parameters
    ----------
    volume : highdicom.Volume, axes (slice, row, column)
        HU.
    axes : RecistAxes
    method : str
        A network for which `draws_masks`.
    networks : NetworkOptions
    count : int
        How many. A sample has the same code on every slice.
    """
    loaded = loaded_network(method, networks)
    sampled = PriorSamples(loaded.module, count)
    box, _ = crop_around(volume, axes)
    offset = tuple(held.start for held in box)
    shape = tuple(held.stop - held.start for held in box)
    centre = volume.map_reference_to_indices(axes.centre[None])[0]
    spacing = tuple(float(s) for s in volume.spacing)
    mark = RecistEllipsoid.from_axes(axes, volume).radius(shape, spacing, offset) <= 1
    found = []
    for sampled.number in range(count):
        probability = place_alpha(replace(loaded, module=sampled), volume, centre, box)
        mask = np.zeros(volume.spatial_shape, bool)
        mask[box] = marked_region(probability, centre - offset, mark) >= LEVEL
        found.append(mask)
    return found
