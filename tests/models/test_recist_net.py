"""The RECIST-prompted network and its loss."""

from __future__ import annotations

import pytest
import torch

from models.counting import parameter_count
from models.losses import prompted_loss
from models.recist_net import CHANNELS, RecistNet
from models.registry import REGISTRY

TINY = (4, 6, 8)


@pytest.fixture
def tiny():
    torch.manual_seed(0)
    return RecistNet(widths=TINY, blocks=1)


def test_it_is_small_and_the_registry_knows_its_input():
    assert parameter_count(RecistNet()) <= 3_000_000
    assert REGISTRY["recist-net"].contract.channels == CHANNELS


def test_each_plane_gets_logits(tiny):
    assert tiny(torch.zeros(2, 5, CHANNELS, 16, 16)).shape == (2, 5, 16, 16)


def test_lesions_of_a_batch_do_not_touch_each_other(tiny):
    tiny.eval()
    planes = torch.randn(3, 4, CHANNELS, 16, 16)
    together = tiny(planes)
    alone = torch.cat([tiny(one[None]) for one in planes])
    assert torch.allclose(together, alone, atol=1e-5)


def test_neighbouring_planes_are_seen_and_far_ones_are_not(tiny):
    tiny.eval()
    planes = torch.randn(1, 9, CHANNELS, 16, 16)
    other = planes.clone()
    other[:, 8] += 1
    moved = (tiny(other) - tiny(planes)).abs().amax(dim=(0, 2, 3))
    # Two levels mix, each by one plane in either direction.
    assert (moved[6:] > 0).all()
    assert (moved[:6] == 0).all()


def test_it_learns_one_batch():
    torch.manual_seed(0)
    network = RecistNet(widths=(8, 12, 16), blocks=1)
    planes = torch.randn(2, 3, CHANNELS, 16, 16)
    target = (planes[:, :, 0] > 0.3).float() * 0.75
    weight = torch.ones(2, 3)
    optimiser = torch.optim.AdamW(network.parameters(), 1e-2)
    losses = []
    for _ in range(60):
        loss = prompted_loss(network(planes), target, weight)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(float(loss.detach()))
    least = float(prompted_loss(torch.logit(target, 1e-6), target, weight))
    assert losses[-1] - least < 0.3 * (losses[0] - least)


def test_the_loss_is_least_at_a_soft_truth():
    target = torch.rand(1, 2, 6, 6, dtype=torch.double)
    logits = torch.logit(target).requires_grad_()
    weight = torch.ones(1, 2, dtype=torch.double)
    at_truth = prompted_loss(logits, target, weight)
    for shift in (-0.05, 0.05):
        assert prompted_loss(logits + shift, target, weight) > at_truth


def test_planes_without_truth_do_not_count():
    logits, target = torch.randn(1, 2, 6, 6), torch.rand(1, 2, 6, 6)
    weight = torch.tensor([[1.0, 0.0]])
    other = target.clone()
    other[:, 1] = 1 - other[:, 1]
    assert prompted_loss(logits, target, weight) == prompted_loss(logits, other, weight)
