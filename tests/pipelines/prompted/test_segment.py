"""A mark on a CT becomes a soft mask by a network; which lesion is meant is the mark's to say."""

from __future__ import annotations

import highdicom as hd
import numpy as np
import pytest
import torch

import models
from pipelines.errors import UnusableMarkError
from pipelines.lesion import soft_mask_from_masks, soft_mask_from_recist
from pipelines.longest_axes import axes_from_mask
from pipelines.metrics import dice
from pipelines.networks.loaded import LoadedNetwork
from pipelines.networks.options import CPU
from pipelines.networks.result import NOTHING_FOUND
from pipelines.prompted import segment
from pipelines.recist import RecistAxes
from pipelines.soft_mask import READERS_LEVEL

METHOD = "recist-net"


class Bright(torch.nn.Module):
    """Calls lesion what the lung window shows denser than -300 HU."""

    def __init__(self):
        super().__init__()
        self.unused = torch.nn.Parameter(torch.zeros(1))

    def forward(self, planes):
        return planes[:, :, 0] * 20


@pytest.fixture(autouse=True)
def bright(monkeypatch):
    loaded = LoadedNetwork(
        METHOD, Bright(), "0123", models.REGISTRY[METHOD].contract, "probability", CPU
    )
    monkeypatch.setattr(segment, "loaded_network", lambda method, options: loaded)


@pytest.fixture(scope="module")
def scene():
    """Two balls of 12 mm beside each other, on slices that run downwards and turned axes."""
    spacing = (2.0, 0.8, 0.7)
    z, y, x = (np.arange(n) * s for n, s in zip((16, 70, 80), spacing, strict=True))
    z, y, x = np.meshgrid(z, y, x, indexing="ij", sparse=True)
    balls = [(z - 15) ** 2 + (y - 28) ** 2 + (x - c) ** 2 <= 36 for c in (20, 36)]
    hu = np.where(balls[0] | balls[1], 40, -860).astype(np.int16)
    affine = np.array(
        [[0, 0, 0.7, -100.0], [0, -0.8, 0, 50], [-2.0, 0, 0, 30], [0, 0, 0, 1]], float
    )
    return hd.Volume(hu, affine, coordinate_system="PATIENT"), balls


def masked(soft, shape):
    alpha = np.zeros(shape, np.float32)
    box = tuple(slice(o, o + n) for o, n in zip(soft.offset, soft.alpha.spatial_shape, strict=True))
    alpha[box] = soft.alpha.array
    return alpha


@pytest.mark.parametrize("which", [0, 1])
def test_the_marked_lesion_is_found_and_its_neighbour_is_not(scene, which):
    volume, balls = scene
    soft = soft_mask_from_recist(volume, axes_from_mask(balls[which], volume), method=METHOD)
    alpha = masked(soft, volume.spatial_shape)
    assert (soft.method, soft.parameters) == (METHOD, {"weights": "0123"})
    assert dice(alpha >= READERS_LEVEL, balls[which]) > 0.9
    assert alpha[balls[1 - which]].max() == 0
    part = volume[tuple(slice(o, None) for o in soft.offset)]
    assert np.allclose(soft.alpha.affine, part.affine)


def test_one_axis_suffices(scene):
    volume, balls = scene
    axes = axes_from_mask(balls[0], volume)
    soft = soft_mask_from_recist(volume, RecistAxes(axes.long_axis), method=METHOD)
    assert dice(masked(soft, volume.spatial_shape) >= READERS_LEVEL, balls[0]) > 0.9


def test_readers_masks_are_told_by_their_axes(scene):
    volume, balls = scene
    soft = soft_mask_from_masks(volume, np.stack([balls[0], balls[0]]), method=METHOD)
    assert dice(masked(soft, volume.spatial_shape) >= READERS_LEVEL, balls[0]) > 0.9
    assert any("longest diameters" in said for said in soft.warnings)


def test_a_mark_on_nothing_is_told(scene):
    volume, _ = scene
    centre = volume.map_indices_to_reference(np.array([[8, 60, 10], [8, 60, 18]]))
    soft = soft_mask_from_recist(volume, RecistAxes(centre), method=METHOD)
    assert NOTHING_FOUND in soft.warnings


def test_a_mark_across_slices_is_refused(scene):
    volume, _ = scene
    ends = volume.map_indices_to_reference(np.array([[4.0, 35, 28], [11, 35, 29]]))
    with pytest.raises(UnusableMarkError, match="in the plane of slices"):
        soft_mask_from_recist(volume, RecistAxes(ends), method=METHOD)
