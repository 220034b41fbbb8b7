"""DSNet: its parts have the known sizes, its teacher stays frozen, and it learns."""

from __future__ import annotations

import pytest
import torch

from models.cbam_unet import AttentionUNet
from models.counting import parameter_count
from models.dsnet import (
    DetailRelevantTransfer,
    DSNet,
    EarlyRelation,
    PixelDiscriminator,
    SelectiveRelation,
    dsnet,
    dsnet_early,
    dsnet_selective,
)
from models.losses import discriminator_loss, dsnet_loss
from models.super_resolution import SuperResolution, SuperResolutionDiscriminator

EVERY = [dsnet, dsnet_early, dsnet_selective]


@pytest.mark.parametrize(
    ("part", "parameters"),
    [
        (lambda: AttentionUNet(64), 14_459_352),
        (SuperResolution, 1_528_724),
        (DetailRelevantTransfer, 59_008),
    ],
)
def test_parts_have_their_known_sizes(part, parameters):
    assert parameter_count(part()) == parameters


@pytest.mark.parametrize("make", EVERY)
def test_a_slice_gives_a_mask_and_a_soft_mask_of_four_times_its_size(make):
    torch.manual_seed(0)
    result = make().eval()(torch.rand(1, 1, 16, 20) * 2 - 1)
    assert result.mask_logit.shape == result.alpha.shape == (1, 1, 64, 80)
    assert result.alpha.min() >= 0
    assert result.alpha.max() <= 1


def test_the_teacher_learns_nothing_and_keeps_its_statistics():
    torch.manual_seed(1)
    network = dsnet().train()
    before = {name: value.clone() for name, value in network.teacher.state_dict().items()}
    optimiser = torch.optim.SGD((p for p in network.parameters() if p.requires_grad), lr=0.1)
    dsnet_loss(
        network(torch.randn(2, 1, 16, 16)), torch.ones(2, 1, 64, 64), torch.ones(2, 1, 64, 64)
    ).backward()
    optimiser.step()
    for name, value in network.teacher.state_dict().items():
        assert torch.equal(value, before[name]), name


@pytest.mark.parametrize("join", [DetailRelevantTransfer, EarlyRelation, SelectiveRelation])
def test_every_parameter_of_the_segmenter_learns(join):
    torch.manual_seed(2)
    network, discriminator = DSNet(join(), SuperResolution()), PixelDiscriminator()
    image = torch.randn(2, 1, 16, 16)
    result = network(image)
    truth = torch.rand(2, 1, 64, 64)
    large = torch.nn.functional.interpolate(image, scale_factor=4)
    judged = discriminator(large, result.alpha)
    dsnet_loss(result, (truth > 0.5).float(), truth, judged).backward()
    learning = (*network.join.named_parameters(), *network.backbone.named_parameters())
    assert not [name for name, p in learning if p.grad is None]


def test_the_discriminators_tell_what_they_are_shown():
    torch.manual_seed(3)
    image, soft = torch.randn(2, 1, 16, 16), torch.rand(2, 1, 16, 16)
    pixels = PixelDiscriminator()
    assert pixels(image, soft).shape == (2, 1, 16, 16)
    loss = discriminator_loss(pixels(image, soft), pixels(image, 1 - soft))
    assert torch.isfinite(loss)
    whole = SuperResolutionDiscriminator(32)
    assert whole(torch.randn(2, 1, 32, 32)).shape == (2, 1)


def test_one_slice_can_be_learned_by_heart():
    torch.manual_seed(4)
    axis = torch.arange(32) - 15.5
    alpha = ((10 - (axis[:, None] ** 2 + axis**2).sqrt()) / 6).clamp(0, 1)[None, None]
    image = torch.nn.functional.avg_pool2d(alpha, 4) * 2 - 1
    image, alpha = (torch.cat([part, part]) for part in (image, alpha))
    network = dsnet_selective()
    learning = [p for p in network.parameters() if p.requires_grad]
    optimiser = torch.optim.Adam(learning, lr=1e-3)
    for _ in range(12):
        optimiser.zero_grad()
        result = network(image)
        loss = dsnet_loss(result, (alpha > 0.5).float(), alpha)
        loss.backward()
        optimiser.step()
    assert (result.alpha - alpha).abs().mean() < 0.06


def test_the_pixel_discriminator_can_learn_which_mask_is_an_images():
    torch.manual_seed(5)
    image = torch.rand(2, 1, 8, 8)
    mask = (image > 0.5).float()
    judge = PixelDiscriminator()
    optimiser = torch.optim.Adam(judge.parameters(), lr=1e-2)
    for _ in range(80):
        optimiser.zero_grad()
        discriminator_loss(judge(image, mask), judge(image, 1 - mask)).backward()
        optimiser.step()
    # Neither image nor mask tells it alone.
    assert (judge(image, mask) > 0).float().mean() > 0.9
    assert (judge(image, 1 - mask) < 0).float().mean() > 0.9


def test_one_enlargement_can_be_learned_by_heart():
    torch.manual_seed(6)
    axis = torch.linspace(-1, 1, 16)
    fine = torch.cos(6 * (axis[:, None] ** 2 + axis**2).sqrt()).expand(2, 1, 16, 16)
    coarse = torch.nn.functional.avg_pool2d(fine, 4)
    generate, judge = SuperResolution(), SuperResolutionDiscriminator(16)
    optimiser = torch.optim.Adam(generate.parameters(), lr=1e-3)
    for _ in range(40):
        optimiser.zero_grad()
        made = generate(coarse).image
        deceived = torch.nn.functional.softplus(-judge(made)).mean()
        loss = (made - fine).abs().mean() + 1e-3 * deceived
        loss.backward()
        optimiser.step()
    plain = torch.nn.functional.interpolate(coarse, scale_factor=4, mode="bilinear")
    assert (made - fine).abs().mean() < 0.8 * (plain - fine).abs().mean()
