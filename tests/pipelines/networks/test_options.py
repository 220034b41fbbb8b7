"""What a site says of devices is possible, or is refused in words."""

from __future__ import annotations

import pytest
import torch

from pipelines.networks.options import CPU, DeviceError, NetworkOptions, Place, place_of


@pytest.fixture
def devices(monkeypatch):
    def have(count, capability=(9, 0)):
        monkeypatch.setattr(torch.cuda, "is_available", lambda: count > 0)
        monkeypatch.setattr(torch.cuda, "device_count", lambda: count)
        monkeypatch.setattr(torch.cuda, "get_device_capability", lambda number: capability)

    return have


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ({"device": "gpu"}, "found the device 'gpu'"),
        ({"device": "cuda:x"}, "found the device"),
        ({"precision": "half"}, "expected one of auto, fp32, fp16, bf16"),
        ({"device": "cpu", "precision": "fp16"}, "on the CPU, which works in fp32"),
        ({"batch": 0}, "expected 1 or more"),
    ],
)
def test_what_makes_no_sense_is_refused(said, reason):
    with pytest.raises(ValueError, match=reason):
        NetworkOptions(**said)


def test_auto_takes_the_first_cuda_device_and_else_the_cpu(devices):
    devices(0)
    assert place_of(NetworkOptions()) == CPU
    assert place_of(NetworkOptions(precision="fp16")) == CPU
    devices(2)
    assert place_of(NetworkOptions()) == Place("cuda:0", "fp16")
    assert place_of(NetworkOptions(device="cpu")) == CPU
    assert place_of(NetworkOptions(device="cuda:1", precision="fp32")) == Place("cuda:1", "fp32")


def test_a_named_device_that_is_not_there_is_no_cpu(devices):
    devices(0)
    with pytest.raises(DeviceError, match="'cuda' is not there: PyTorch finds no CUDA device"):
        place_of(NetworkOptions(device="cuda"))
    devices(1)
    with pytest.raises(DeviceError, match=r"finds 1 CUDA device$"):
        place_of(NetworkOptions(device="cuda:1"))


def test_bf16_needs_a_device_that_knows_it(devices):
    devices(1, (7, 5))
    with pytest.raises(DeviceError, match="use fp16"):
        place_of(NetworkOptions(precision="bf16"))
