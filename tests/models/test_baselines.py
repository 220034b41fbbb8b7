"""MONAI's networks under our contract."""

from __future__ import annotations

import pytest
import torch

pytest.importorskip("monai")

from safetensors.torch import save_file

from models import REGISTRY, baselines, load_network
from models.counting import parameter_count

MAKERS = [
    (baselines.monai_unet, 792_018),
    (baselines.monai_unet_plus_plus, 498_593),
    (baselines.monai_attention_unet, 494_245),
]


@pytest.mark.parametrize(("make", "parameters"), MAKERS)
def test_a_baseline_is_small_enough_for_a_cpu_and_says_nothing(make, parameters, capsys):
    assert parameter_count(make()) == parameters
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("make", [make for make, _ in MAKERS])
def test_a_slice_comes_out_the_same_alone_and_in_a_batch(make):
    torch.manual_seed(0)
    network = make().eval()
    images = torch.rand(3, 1, 32, 48)
    with torch.no_grad():
        together = network(images)
        alone = torch.cat([network(image[None]).alpha for image in images])
    assert together.alpha.shape == together.logit.shape == (3, 1, 32, 48)
    torch.testing.assert_close(together.alpha, torch.sigmoid(together.logit))
    torch.testing.assert_close(together.alpha, alone, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize(
    ("name", "widths"),
    [
        ("monai-unet", "4,4,8"),
        ("monai-unet-2.5d", "4,4,8"),
        ("monai-unet-plus-plus", "4,4,4,4,4,4"),
        ("monai-attention-unet", "4,4,8"),
    ],
)
def test_a_weights_file_says_how_wide_its_network_is(name, widths, tmp_path):
    about = {"network": name, "widths": widths}
    network = REGISTRY[name].make(about).eval()
    save_file({k: v.clone() for k, v in network.state_dict().items()}, tmp_path / "w", about)
    images = torch.rand(1, REGISTRY[name].contract.channels, 32, 32)
    loaded = load_network(name, tmp_path / "w")
    torch.testing.assert_close(loaded(images).alpha, network(images).alpha)
