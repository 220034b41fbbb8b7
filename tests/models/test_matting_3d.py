"""The 3D matting networks have the papers' size and learn what they are shown."""

from __future__ import annotations

import pytest
import torch

from models.counting import multiply_accumulates, parameter_count
from models.losses import matting_3d_loss
from models.matting_3d import matting_3d, matting_3d_ghost, matting_3d_merged

# Wang et al., 3D Matting, table 3: parameters, and 1e9 multiply-accumulates of a patch of 96.
PRINTED = [
    (matting_3d, 2_940_327, 342.46),
    (matting_3d_merged, 2_829_603, 244.50),
    (matting_3d_ghost, 32_577, 5.64),
]
EVERY = [matting_3d, matting_3d_merged, matting_3d_ghost]


@pytest.mark.parametrize(("make", "parameters", "operations"), PRINTED)
def test_size_and_work_are_those_that_the_paper_prints(make, parameters, operations):
    network = make().to("meta")
    assert parameter_count(network) == parameters
    patch = torch.zeros(1, 1, 96, 96, 96, device="meta")
    assert round(multiply_accumulates(network, patch) / 1e9, 2) == operations


@pytest.mark.parametrize("make", EVERY)
def test_without_guidance_the_matting_part_alone_is_smaller(make):
    fused_inputs = 2 * (8 + 8 + 4) if make is not matting_3d_ghost else 2 * (8 + 4 + 4)
    assert parameter_count(make(guidance=False)) == parameter_count(make()) - fused_inputs


@pytest.mark.parametrize("guidance", [True, False])
@pytest.mark.parametrize("make", EVERY)
def test_a_patch_gives_a_matte_of_its_size_in_range(make, guidance):
    torch.manual_seed(0)
    with torch.no_grad():
        matte = make(guidance)(torch.randn(1, 1, 16, 32, 16))
    for part in matte:
        assert part.shape == (1, 1, 16, 32, 16)
        assert torch.isfinite(part).all()
    assert matte.alpha.min() >= 0
    assert matte.alpha.max() <= 1


@pytest.mark.parametrize("make", EVERY)
def test_a_patch_comes_out_the_same_alone_and_in_a_batch(make):
    torch.manual_seed(1)
    network = make().eval()
    patches = torch.randn(2, 1, 16, 16, 32)
    with torch.no_grad():
        together = network(patches).alpha
        alone = torch.cat([network(patch[None]).alpha for patch in patches])
    torch.testing.assert_close(together, alone, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("guidance", [True, False])
@pytest.mark.parametrize("make", EVERY)
def test_every_parameter_learns(make, guidance):
    torch.manual_seed(2)
    network = make(guidance)
    # The smallest that leaves the deepest norm two voxels.
    matte = network(torch.randn(1, 1, 16, 16, 32))
    truth = torch.rand(1, 1, 16, 16, 32)
    matting_3d_loss(matte, truth, (truth > 0.8).float(), (truth > 0.2).float()).backward()
    silent = [name for name, p in network.named_parameters() if p.grad is None]
    assert not silent


def learned(make, steps, rate):
    """How far the loss has fallen on one patch, and Dice of both masks."""
    torch.manual_seed(3)
    image, alpha = ball()
    overlap, union = (alpha > 0.8).float(), (alpha > 0.2).float()
    network = make()
    optimiser = torch.optim.Adam(network.parameters(), lr=rate)
    losses = []
    for _ in range(steps):
        optimiser.zero_grad()
        matte = network(image)
        loss = matting_3d_loss(matte, alpha, overlap, union)
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    dices = [
        2 * (said * truth).sum() / (said + truth).sum()
        for said, truth in (
            ((matte.overlap_logit > 0).float(), overlap),
            ((matte.union_logit > 0).float(), union),
        )
    ]
    return losses[-1] / losses[0], *(float(dice) for dice in dices)


def test_one_patch_can_be_learned_by_heart():
    left, overlap, union = learned(matting_3d_ghost, 40, 1e-2)
    assert left < 0.2
    assert overlap > 0.85
    assert union > 0.85


def test_the_plain_network_begins_to_learn_one_patch():
    """Its steps cost five times as much; what the ghost network learns by heart it only begins."""
    left, _, union = learned(matting_3d_merged, 10, 5e-3)
    assert left < 0.7
    assert union > 0.8


def ball() -> tuple[torch.Tensor, torch.Tensor]:
    """A noisy ball with a soft edge, and its alpha."""
    axis, longer = torch.arange(16) - 7.5, torch.arange(32) - 15.5
    distance = (axis[:, None, None] ** 2 + axis[:, None] ** 2 + longer**2).sqrt()
    alpha = ((6.5 - distance) / 3).clamp(0, 1)[None, None]
    return alpha + 0.1 * torch.randn_like(alpha), alpha
