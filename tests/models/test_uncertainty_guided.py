"""Medical Matting and its region-aware successor."""

from __future__ import annotations

import pytest
import torch

from models.counting import parameter_count
from models.losses import UncertaintyWeights, medical_matting_losses
from models.medical_matting import medical_matting
from models.probabilistic_unet import uncertainty
from models.region_aware import RegionAwareUpsampling, region_aware_matting

EVERY = [medical_matting, region_aware_matting]


@pytest.mark.parametrize(
    ("channels", "segmentation", "matting"), [(1, 5_000_073, 1_782_339), (3, 5_001_801, 1_782_979)]
)
def test_size_is_that_of_the_authors_network(channels, segmentation, matting):
    network = medical_matting(channels)
    assert parameter_count(network.segmentation) == segmentation
    assert parameter_count(network.matting) == matting


@pytest.mark.parametrize("make", EVERY)
@pytest.mark.parametrize("size", [(16, 16), (17, 23)])
def test_an_image_of_any_size_gives_a_matte_of_that_size(make, size):
    torch.manual_seed(0)
    result = make().eval()(torch.randn(2, 1, *size), samples=3)
    assert result.alpha.shape == (2, 1, *size)
    assert result.mask_logits.shape == (2, 3, *size)
    assert result.divergence is None
    for bounded in (result.alpha, result.uncertainty):
        assert bounded.min() >= -1e-5
        assert bounded.max() <= 1 + 1e-5


@pytest.mark.parametrize("make", EVERY)
def test_an_image_comes_out_the_same_alone_and_in_a_batch(make):
    torch.manual_seed(1)
    network = make().eval()
    images = torch.randn(3, 1, 16, 16)
    with torch.no_grad():
        together = network(images, generator=torch.Generator().manual_seed(5)).alpha
        alone = [
            network(image[None], generator=torch.Generator().manual_seed(5)).alpha
            for image in images
        ]
    torch.testing.assert_close(together, torch.cat(alone), atol=1e-5, rtol=1e-4)


def test_samples_differ_where_their_codes_do():
    torch.manual_seed(2)
    logits = medical_matting().eval()(torch.randn(1, 1, 16, 16), samples=4).mask_logits
    assert logits.std(dim=1).max() > 0


def test_uncertainty_is_one_bit_where_samples_are_even_and_none_where_they_agree():
    logits = torch.tensor([[50.0, -50.0], [50.0, 50.0], [-50.0, -50.0]]).reshape(3, 2, 1, 1)
    expected = torch.tensor([1.0, 0.0, 0.0]).reshape(3, 1, 1, 1)
    torch.testing.assert_close(uncertainty(logits), expected, atol=1e-5, rtol=0)


def test_region_aware_upsampling_begins_around_each_new_pixels_own_place():
    features = torch.rand(1, 1, 5, 6, dtype=torch.float64)
    enlarge = RegionAwareUpsampling(1, 1).double()
    offsets = [convolution(features)[0, :2, 2, 2].tolist() for convolution in enlarge.offsets]
    # Taps stand half a pixel to each side of -1/4 or 1/4.
    assert offsets == [[-0.75, -0.75], [-0.75, -0.25], [-0.25, -0.75], [-0.25, -0.25]]


def test_region_aware_upsampling_of_a_ramp_is_a_finer_ramp():
    ramp = torch.arange(6.0).expand(1, 1, 5, 6)
    enlarge = RegionAwareUpsampling(1, 1)
    with torch.no_grad():
        enlarge.weight.fill_(0.25)
        # The perceptron passes its first channel through; the ramp is positive.
        for layer in (enlarge.perceptron[0], enlarge.perceptron[2]):
            layer.weight.zero_()
            layer.bias.zero_()
            layer.weight[0, 0] = 1
    fine = enlarge(ramp)[0, 0, 4, 2:-2]
    expected = torch.arange(2, 10) / 2 - 0.25
    torch.testing.assert_close(fine, expected)


@pytest.mark.parametrize("make", EVERY)
def test_every_parameter_learns(make):
    torch.manual_seed(3)
    network, weigh = make(), UncertaintyWeights()
    mask = (torch.rand(2, 1, 16, 16) > 0.5).float()
    result = network(torch.randn(2, 1, 16, 16), mask)
    loss = weigh(*medical_matting_losses(result, mask, torch.rand(2, 1, 16, 16)))
    loss.backward()
    both = (*network.named_parameters(), *weigh.named_parameters())
    assert not [name for name, p in both if p.grad is None]


def test_a_loss_needs_a_pass_that_saw_a_mask():
    result = medical_matting().eval()(torch.randn(1, 1, 16, 16), samples=1)
    with pytest.raises(ValueError, match="without a mask"):
        medical_matting_losses(result, torch.zeros(1, 1, 16, 16), torch.zeros(1, 1, 16, 16))


@pytest.mark.parametrize("make", EVERY)
def test_one_image_can_be_learned_by_heart(make):
    torch.manual_seed(4)
    axis = torch.arange(16) - 7.5
    alpha = ((6 - (axis[:, None] ** 2 + axis**2).sqrt()) / 3).clamp(0, 1)[None, None]
    image, mask = alpha + 0.1 * torch.randn_like(alpha), (alpha > 0.5).float()
    image, mask, alpha = (torch.cat([part, part.flip(3)]) for part in (image, mask, alpha))
    network = make()
    optimiser = torch.optim.Adam(network.parameters(), lr=2e-3)
    for _ in range(26):
        optimiser.zero_grad()
        segmentation, matting = medical_matting_losses(network(image, mask, 2), mask, alpha)
        (segmentation + matting).backward()
        optimiser.step()
    # Batch norms are left as in training: so few steps do not settle their means.
    with torch.no_grad():
        result = network(image, mask, 2)
    assert (result.alpha - alpha).abs().mean() < 0.06
    assert ((result.mask_logits > 0).float() == mask).float().mean() > 0.95
