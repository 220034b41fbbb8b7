"""Alpha over several views of a slice."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from models.alpha import alpha_of


class Slanted(nn.Module):
    """Answers with a logit that depends on where a pixel lies: no two views agree."""

    def forward(self, images):
        rows, columns = images.shape[2:]
        slant = torch.linspace(-1, 1, rows)[:, None] + torch.linspace(0, 3, columns)
        return images[:, :1] + slant


IMAGES = torch.randn(2, 1, 6, 4, generator=torch.Generator().manual_seed(0))


def test_one_view_is_the_network_itself():
    torch.testing.assert_close(alpha_of(Slanted(), IMAGES), torch.sigmoid(Slanted()(IMAGES)))


@pytest.mark.parametrize("views", [4, 8])
def test_the_mean_over_views_does_not_know_left_from_right(views):
    alpha = alpha_of(Slanted(), IMAGES, views)
    for axes in ((2,), (3,), (2, 3)):
        torch.testing.assert_close(alpha_of(Slanted(), IMAGES.flip(axes), views).flip(axes), alpha)
    assert not torch.allclose(alpha, alpha_of(Slanted(), IMAGES), atol=0.05)


def test_eight_views_do_not_know_rows_from_columns_either():
    turned = alpha_of(Slanted(), IMAGES.transpose(2, 3), 8).transpose(2, 3)
    torch.testing.assert_close(turned, alpha_of(Slanted(), IMAGES, 8))
    other = alpha_of(Slanted(), IMAGES.transpose(2, 3), 4).transpose(2, 3)
    assert not torch.allclose(other, alpha_of(Slanted(), IMAGES, 4), atol=0.01)
