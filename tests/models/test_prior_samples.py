"""A mask at a time is what all masks at once are."""

from __future__ import annotations

import pytest
import torch

from models.medical_matting import medical_matting
from models.prior_samples import PriorSamples


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    made = medical_matting().eval()
    with torch.no_grad():  # The prior of a fresh network is so narrow that all masks are alike.
        made.segmentation.prior.to_code.bias[2:] = 1.0
    return made


def test_each_number_is_a_mask_of_its_own_and_all_cost_one_pass(network):
    samples, passes = PriorSamples(network, count=3, seed=5), []
    hook = network.segmentation.unet.register_forward_hook(lambda *_: passes.append(1))
    image = torch.rand(1, 1, 16, 16)
    found = []
    with torch.inference_mode():
        for samples.number in range(3):
            found.append(samples(image))
        drawn = network(image, samples=3, generator=torch.Generator().manual_seed(5))
    hook.remove()
    assert len(passes) == 2  # one of them for the comparison
    assert torch.allclose(torch.cat(found, dim=1), drawn.mask_logits, atol=1e-5)
    assert not torch.allclose(found[0], found[1], atol=1e-3)


def test_other_images_are_not_taken_for_one_another(network):
    samples = PriorSamples(network, count=2)
    one, other = torch.rand(2, 1, 1, 16, 16)
    with torch.inference_mode():
        first = samples(one)
        assert not torch.equal(samples(other), first)
        assert torch.equal(samples(one), first)
        assert torch.allclose(PriorSamples(network, count=2)(one), first)
