"""How many patches go at a time changes nothing but the time; too little memory is no end."""

from __future__ import annotations

import logging

import numpy as np
import pytest
import torch

from models import REGISTRY
from models.alpha import alpha_of
from models.registry import SLICE, VOLUME
from pipelines.errors import UnusableVolumeError
from pipelines.lesion import crop_around
from pipelines.longest_axes import axes_from_mask
from pipelines.networks import segment
from pipelines.networks.batches import alphas
from pipelines.networks.ghost_on_cpu import alpha_on_cpu
from pipelines.networks.options import NetworkOptions, Place
from tests.pipelines.networks.stand_ins import Bright, balls, network

PATCHES = np.random.default_rng(0).random((5, 32, 32)).astype(np.float32)


class Cramped(Bright):
    """Holds so many patches at a time."""

    def __init__(self, most):
        super().__init__()
        self.most, self.tried = most, []

    def forward(self, images):
        self.tried.append(len(images))
        if len(images) > self.most:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return super().forward(images)


def run(loaded, patches, batch):
    found = list(alphas(loaded, lambda i: patches[i][None], len(patches), batch))
    assert [number for number, _ in found] == list(range(len(patches)))
    return np.stack([alpha for _, alpha in found])


def test_a_batch_that_does_not_fit_is_halved(caplog):
    module = Cramped(2)
    with caplog.at_level(logging.WARNING):
        found = run(network(module=module), PATCHES, 5)
    assert module.tried == [5, 2, 2, 1]
    assert found == pytest.approx(run(network(), PATCHES, 1), abs=1e-6)
    assert "network.memory network=stand-in device=cpu batch=2" in caplog.text


def test_not_even_one_patch_is_told():
    module = Cramped(0)
    with pytest.raises(torch.OutOfMemoryError):
        run(network(module=module), PATCHES, 4)
    assert module.tried == [4, 2, 1]


@pytest.mark.parametrize(("name", "contract"), [("3dmm", VOLUME), ("region-aware", SLICE)])
def test_batch_one_and_batch_n_are_equal(name, contract):
    torch.manual_seed(0)
    size = (32,) * len(contract.size)
    patches = np.random.default_rng(1).random((2, *size)).astype(np.float32)
    loaded = network(contract, REGISTRY[name].make({}), size)
    one, both = run(loaded, patches, 1), run(loaded, patches, 2)
    assert np.ptp(one) > 1e-3, "else anything would agree"
    assert both == pytest.approx(one, abs=2e-5)


def test_the_ghost_network_runs_compiled_on_the_cpu():
    torch.manual_seed(0)
    made = REGISTRY["3dmm-mg"].make({}).eval()
    patches = np.random.default_rng(1).random((2, 32, 32, 32)).astype(np.float32)
    found = run(network(VOLUME, made, (32,) * 3), patches, 2)
    assert found[1].tobytes() == alpha_on_cpu(made, patches[1]).tobytes()
    with torch.inference_mode():
        assert found[0] == pytest.approx(
            alpha_of(made, torch.from_numpy(patches[:1, None]))[0, 0].numpy(), abs=2e-4
        )


def test_on_the_cpu_patches_go_one_by_one_whatever_the_batch(monkeypatch):
    """So that a site's batch changes no bit of a result."""
    module = Cramped(1)
    loaded = network(module=module, size=(32, 32))
    monkeypatch.setattr(segment, "loaded_network", lambda method, options: loaded)
    volume, (ball,) = balls()
    axes = axes_from_mask(ball, volume)
    box, ends = crop_around(volume, axes)
    segment.soft_mask_at_mark(volume, axes, "stand-in", box, ends, NetworkOptions(batch=8))
    assert len(module.tried) > 8
    assert set(module.tried) == {1}


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("precision", ["fp32", "fp16", "bf16"])
def test_a_cuda_device_agrees_with_the_cpu(precision):
    torch.manual_seed(0)
    made = REGISTRY["region-aware"].make({}).eval()
    on_cpu = run(network(module=made, size=(32, 32)), PATCHES, 1)
    place = Place("cuda:0", precision)
    on_cuda = run(network(module=made.cuda(), size=(32, 32), place=place), PATCHES, 4)
    assert np.abs(on_cuda - on_cpu).max() < {"fp32": 1e-3, "fp16": 0.02, "bf16": 0.1}[precision]


@pytest.fixture
def cramped_device(monkeypatch):
    """A device, by name none of the CPU, that holds nothing; the CPU holds all."""
    asked = []

    def loaded(method, options):
        asked.append(options)
        if options.device == "cpu":
            return network(size=(32, 32))
        return network(module=Cramped(0), size=(32, 32), place=Place("cpu:0", "fp16"))

    monkeypatch.setattr(segment, "loaded_network", loaded)
    return asked


def test_what_no_device_memory_holds_is_computed_on_the_cpu(cramped_device, caplog):
    volume, (ball,) = balls()
    axes = axes_from_mask(ball, volume)
    options = NetworkOptions(device="cuda", precision="fp16", batch=8)
    box, ends = crop_around(volume, axes)
    with caplog.at_level(logging.WARNING):
        soft = segment.soft_mask_at_mark(volume, axes, "stand-in", box, ends, options)
    assert [o.device for o in cramped_device] == ["cuda", "cpu"]
    assert soft.parameters == {"weights": "0123", "precision": "fp32"}
    assert soft.volume_ml == pytest.approx(4 / 3 * np.pi * 0.6**3, rel=0.1)
    assert "too small, using the CPU" in caplog.text


def test_hu_that_are_not_finite_are_refused(cramped_device):
    volume, (ball,) = balls()
    axes = axes_from_mask(ball, volume)
    box, ends = crop_around(volume, axes)
    broken = volume.with_array(np.full(volume.spatial_shape, np.nan, np.float32))
    with pytest.raises(UnusableVolumeError, match="not finite"):
        segment.soft_mask_at_mark(broken, axes, "stand-in", box, ends, NetworkOptions())
