"""Networks that see no mark find the lesion that is marked, on the CT's own grid."""

from __future__ import annotations

import dataclasses

import highdicom as hd
import numpy as np
import pytest
import torch

from models import REGISTRY
from models.registry import SLICE, VOLUME
from pipelines.errors import UnusableVolumeError
from pipelines.lesion import crop_around, soft_mask_from_masks, soft_mask_from_recist
from pipelines.longest_axes import axes_from_mask
from pipelines.metrics import dice
from pipelines.networks import segment
from pipelines.networks.options import NetworkOptions
from pipelines.networks.place_alpha import place_alpha
from pipelines.networks.result import NOTHING_FOUND
from pipelines.recist import RecistAxes
from tests.pipelines.networks.stand_ins import SMALL, balls, network

METHODS = {"slice": "region-aware", "volume": "3dmm-mg"}
TWO = ((20.0, 24.0, 24.0), (20.0, 24.0, 40.0))
KINDS = pytest.mark.parametrize("kind", METHODS)


@pytest.fixture(autouse=True)
def stand_ins(monkeypatch):
    by_method = {METHODS[kind]: loaded for kind, loaded in SMALL.items()}
    monkeypatch.setattr(segment, "loaded_network", lambda method, options: by_method[method])


def masked(soft, shape):
    alpha = np.zeros(shape, np.float32)
    box = tuple(slice(o, o + n) for o, n in zip(soft.offset, soft.alpha.spatial_shape, strict=True))
    alpha[box] = soft.alpha.array
    return alpha


@KINDS
@pytest.mark.parametrize("which", [0, 1])
def test_the_marked_lesion_is_found_and_its_neighbour_is_not(kind, which):
    volume, masks = balls(centres=TWO)
    method = METHODS[kind]
    soft = soft_mask_from_recist(volume, axes_from_mask(masks[which], volume), method=method)
    alpha = masked(soft, volume.spatial_shape)
    assert (soft.method, soft.quantity) == (method, "occupancy")
    assert soft.parameters == {"weights": "0123", "precision": "fp32"}
    assert dice(alpha >= 0.5, masks[which]) > 0.93
    assert alpha[masks[1 - which]].max() == 0
    assert soft.volume_ml == pytest.approx(4 / 3 * np.pi * 0.6**3, rel=0.08)
    part = volume[tuple(slice(o, None) for o in soft.offset)]
    assert np.allclose(soft.alpha.affine, part.affine)
    assert not any("ellipsoid" in said for said in soft.warnings)


@KINDS
def test_a_lesion_larger_than_a_patch_is_found_whole(kind):
    """A ball of 40 mm; the patches have 16 mm (volume) and 22 mm (slice) a side."""
    volume, (ball,) = balls((40, 110, 110), ((39.0, 38.0, 38.5),), radius=20.0)
    soft = soft_mask_from_recist(volume, axes_from_mask(ball, volume), method=METHODS[kind])
    assert dice(masked(soft, volume.spatial_shape) >= 0.5, ball) > 0.97
    assert soft.volume_ml == pytest.approx(4 / 3 * np.pi * 2**3, rel=0.03)


@KINDS
def test_windows_and_one_large_patch_agree(kind):
    volume, (ball,) = balls()
    axes = axes_from_mask(ball, volume)
    box, _ = crop_around(volume, axes)
    centre = volume.map_reference_to_indices(axes.centre[None])[0]
    contract = {"slice": SLICE, "volume": VOLUME}[kind]
    many = place_alpha(SMALL[kind], volume, centre, box, 1)
    one = place_alpha(network(contract), volume, centre, box, 1)
    assert many == pytest.approx(one, abs=1e-4)
    assert place_alpha(SMALL[kind], volume, centre, box, 7) == pytest.approx(many, abs=1e-6)


@KINDS
def test_a_lesion_at_the_corner_of_the_ct_is_seen_with_its_edge_continued(kind):
    volume, (ball,) = balls(centres=((1.0, 2.0, 3.0),))
    soft = soft_mask_from_recist(volume, axes_from_mask(ball, volume), method=METHODS[kind])
    assert dice(masked(soft, volume.spatial_shape) >= 0.5, ball) > 0.9
    assert any("the CT ends" in said for said in soft.warnings)


@KINDS
def test_a_mark_on_nothing_is_told(kind):
    volume, _ = balls()
    ends = volume.map_indices_to_reference(np.array([[10, 80, 76], [10, 80, 84]], float))
    soft = soft_mask_from_recist(volume, RecistAxes(ends), method=METHODS[kind])
    assert NOTHING_FOUND in soft.warnings
    assert soft.alpha.array.max() == 0


@KINDS
def test_a_mark_beside_the_middle_of_its_lesion_finds_it(kind):
    """A long axis on the rim: its middle is no lesion, the lesion reaches into its ellipsoid."""
    volume, _ = balls()
    ends = volume.map_indices_to_reference(np.array([[10, 36, 40], [10, 36, 50]], float))
    soft = soft_mask_from_recist(volume, RecistAxes(ends), method=METHODS[kind])
    assert masked(soft, volume.spatial_shape)[10, 44, 45] > 0.9
    assert NOTHING_FOUND not in soft.warnings


@KINDS
def test_a_lesion_unlike_its_mark_is_told(kind):
    volume, _ = balls()
    ends = volume.map_indices_to_reference(np.array([[10, 45, 42], [10, 45, 48]], float))
    soft = soft_mask_from_recist(volume, RecistAxes(ends), method=METHODS[kind])
    assert any("much larger than the mark" in said for said in soft.warnings)


@KINDS
def test_readers_masks_say_the_place(kind):
    volume, masks = balls(centres=TWO)
    soft = soft_mask_from_masks(volume, np.stack([masks[0]] * 2), method=METHODS[kind])
    assert dice(masked(soft, volume.spatial_shape) >= 0.5, masks[0]) > 0.93
    assert any("the place of the readers' masks" in said for said in soft.warnings)


class Beside(torch.nn.Module):
    """Alpha of a slice is what lies below it, then what lies above it, in its two halves."""

    def forward(self, images):
        below, _, above = images.split(1, dim=1)
        half = images.shape[-1] // 2
        return torch.logit(torch.cat([below[..., :half], above[..., half:]], -1), 1e-6)


def test_neighbours_are_channels_and_the_ends_come_again():
    hu = np.empty((4, 40, 40), np.int16)
    hu[:] = np.array([-860, -580, -300, -20])[:, None, None]
    volume = hd.Volume(hu, np.diag([2.0, 1, 1, 1]), coordinate_system="PATIENT")
    loaded = network(dataclasses.replace(SLICE, channels=3), Beside(), (32, 32))
    box = (slice(0, 4), slice(4, 36), slice(4, 36))
    alpha = place_alpha(loaded, volume, np.array([2.0, 20, 20]), box)
    assert alpha[:, 0, 0] == pytest.approx([0.1, 0.1, 0.3, 0.5], abs=1e-5)
    assert alpha[:, 0, -1] == pytest.approx([0.3, 0.5, 0.7, 0.7], abs=1e-5)


def test_a_single_slice_is_no_volume():
    volume, (ball,) = balls()
    one = volume[10:11]
    axes = axes_from_mask(ball[10:11], one)
    with pytest.raises(UnusableVolumeError, match="found a single slice, expected several"):
        soft_mask_from_recist(one, axes, method=METHODS["volume"])
    soft = soft_mask_from_recist(one, axes, method=METHODS["slice"])
    assert dice(masked(soft, one.spatial_shape) >= 0.5, ball[10:11]) > 0.95


@KINDS
def test_the_same_input_gives_the_same_bytes(kind):
    volume, (ball,) = balls()
    axes = axes_from_mask(ball, volume)
    first, second = (soft_mask_from_recist(volume, axes, method=METHODS[kind]) for _ in "ab")
    assert first.alpha.array.tobytes() == second.alpha.array.tobytes()


def test_thin_and_thick_slices_give_one_volume():
    volumes = []
    for step in (0.4, 1.0, 3.0):
        affine = np.diag([step, 0.6, 0.6, 1.0])
        volume, (ball,) = balls((int(40 / step), 70, 70), ((20.0, 21, 21),), affine=affine)
        volume = hd.Volume(volume.array, affine, coordinate_system="PATIENT")
        soft = soft_mask_from_recist(volume, axes_from_mask(ball, volume), method="3dmm-mg")
        volumes.append(soft.volume_ml)
    assert max(volumes) / min(volumes) < 1.05


def test_options_travel_to_the_network(monkeypatch):
    seen = []

    def loaded(method, options):
        seen.append((method, options))
        return SMALL["slice"]

    monkeypatch.setattr(segment, "loaded_network", loaded)
    volume, (ball,) = balls()
    options = NetworkOptions(device="cpu", batch=2)
    soft_mask_from_masks(volume, ball, method="medical-matting", networks=options)
    assert seen == [("medical-matting", options)]


def test_every_network_of_the_registry_has_a_way():
    kinds = {network.contract.kind for network in REGISTRY.values() if network.segments}
    assert kinds == {"prompted-planes", "volume", "slice"}
    for one in REGISTRY.values():
        if one.contract.kind == "volume":
            assert one.contract.spacing_mm
        assert dataclasses.is_dataclass(one.contract)
