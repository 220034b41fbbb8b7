"""What the losses measure."""

from __future__ import annotations

import math

import pytest
import torch

from models.losses import (
    UncertaintyWeights,
    alternating_weight,
    discriminator_loss,
    matting_3d_loss,
    sobel,
    squared_dice_loss,
)
from models.matting_3d import Matte


@pytest.mark.parametrize("shape", [(7, 8), (6, 7, 8)])
@pytest.mark.parametrize("axis", [0, 1, -1])
def test_sobel_of_a_ramp_is_its_slope_along_its_axis(shape, axis):
    ramp = 3 * torch.arange(shape[axis], dtype=torch.float64)
    sizes = [1] * len(shape)
    sizes[axis] = -1
    image = ramp.reshape(sizes).expand(shape)[None, None]
    inner = (slice(None), slice(None), *[slice(1, -1)] * len(shape))
    expected = torch.zeros(len(shape), dtype=torch.float64)
    expected[axis] = 3
    found = sobel(image)[inner]
    torch.testing.assert_close(
        found, expected.reshape(1, -1, *[1] * len(shape)).expand_as(found), atol=1e-12, rtol=0
    )


def test_a_perfect_matte_costs_only_what_its_masks_leave():
    truth = torch.zeros(1, 1, 4, 4, 4)
    truth[..., 1:3] = 1
    sure = 100 * (2 * truth - 1)
    assert matting_3d_loss(Matte(truth, sure, sure), truth, truth, truth) < 1e-6


def test_an_error_in_the_union_counts_twice():
    union = torch.zeros(1, 1, 6, 6, 6)
    union[..., :3, :, :] = 1
    sure = 100 * (2 * union - 1)
    flat = torch.zeros_like(union)
    inside = matting_3d_loss(Matte(union * 0.5, sure, sure), flat, union, union)
    outside = matting_3d_loss(Matte((1 - union) * 0.5, sure, sure), flat, union, union)
    # Half of the voxels each, and the same edge between them.
    edge = 10 * ((1 + union) * sobel(union * 0.5).abs()).mean()
    assert inside - edge == pytest.approx(2 * (outside - edge).item(), rel=1e-5)


def test_squared_dice_is_none_for_the_mask_itself_and_one_beside_it():
    mask = torch.zeros(2, 1, 8, 8)
    mask[..., :4] = 1
    assert squared_dice_loss(mask, mask) == pytest.approx(0, abs=1e-6)
    assert squared_dice_loss(1 - mask, mask) == pytest.approx(1, abs=1e-6)


def test_a_discriminator_that_cannot_tell_costs_two_bits():
    zero = torch.zeros(3, 1)
    assert discriminator_loss(zero, zero).item() == pytest.approx(2 * math.log(2))


def test_the_alternating_weight_begins_at_one_and_settles_at_one_half():
    assert alternating_weight(0) == 1
    assert alternating_weight(200) == pytest.approx(0.5, abs=1e-3)
    assert all(0 <= alternating_weight(epoch) <= 1 for epoch in range(100))


def test_learned_weights_settle_where_each_task_counts_by_its_own_size():
    weigh = UncertaintyWeights(first=0.0)
    optimiser = torch.optim.Adam(weigh.parameters(), lr=0.1)
    segmentation, matting = torch.tensor(3.0), torch.tensor(0.2)
    for _ in range(200):
        optimiser.zero_grad()
        weigh(segmentation, matting).backward()
        optimiser.step()
    # The minimum of exp(-s) a + s is at s = log a; of 0.5 exp(-s) b + s at s = log(b / 2).
    expected = torch.tensor([3.0, 0.1]).log()
    torch.testing.assert_close(weigh.log_variances.detach(), expected, atol=1e-2, rtol=0)
