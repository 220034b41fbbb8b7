"""Weights are found, fit, or are missed in words."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from safetensors.torch import save_file

from models import REGISTRY, NoWeightsError, load_network, weights_digest
from models.recist_net import CHANNELS, RecistNet

ABOUT = {"network": "recist-net", "widths": "4,6,8", "blocks": "1"}


def written(path, about=ABOUT):
    torch.manual_seed(0)
    network = RecistNet(widths=(4, 6, 8), blocks=1)
    state = {k: v.half() if v.is_floating_point() else v for k, v in network.state_dict().items()}
    save_file(state, path, metadata=about)
    return network


def test_a_file_gives_its_network_again(tmp_path):
    network = written(tmp_path / "w.safetensors").eval()
    loaded = load_network("recist-net", tmp_path / "w.safetensors")
    planes = torch.randn(1, 3, CHANNELS, 16, 16)
    assert not loaded.training
    assert torch.allclose(loaded(planes), network(planes), atol=0.05)


def test_missing_weights_are_named(tmp_path):
    with pytest.raises(NoWeightsError, match=r"recist-net has no weights: .*absent"):
        load_network("recist-net", tmp_path / "absent")


def test_weights_of_another_network_are_refused(tmp_path):
    written(tmp_path / "w.safetensors", {**ABOUT, "network": "dsnet"})
    with pytest.raises(NoWeightsError, match=r"found weights of 'dsnet'"):
        load_network("recist-net", tmp_path / "w.safetensors")


def test_a_broken_file_is_refused(tmp_path):
    (tmp_path / "w.safetensors").write_bytes(b"no weights")
    with pytest.raises(NoWeightsError, match="cannot be read"):
        load_network("recist-net", tmp_path / "w.safetensors")


def test_other_weights_have_another_digest(tmp_path, monkeypatch):
    digests = set()
    for number in range(2):
        path = tmp_path / str(number)
        path.write_bytes(bytes([number]))
        one = dataclasses.replace(REGISTRY["recist-net"], weights=path)
        monkeypatch.setitem(REGISTRY, "recist-net", one)
        digests.add(weights_digest("recist-net"))
    assert len(digests) == 2
    path.unlink()
    with pytest.raises(NoWeightsError):
        weights_digest("recist-net")


def test_an_unknown_name_is_refused():
    with pytest.raises(KeyError, match="recist-net"):
        load_network("nothing")
