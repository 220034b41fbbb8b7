"""The compiled ghost network says what PyTorch's says."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from models.matting_3d import matting_3d, matting_3d_ghost
from pipelines.networks.ghost_on_cpu import alpha_on_cpu, runs_on_cpu


def _unlike_at_birth(guidance: bool) -> torch.nn.Module:
    """A ghost network whose biases, norms and slopes are not the ones that all are born with."""
    torch.manual_seed(0)
    network = matting_3d_ghost(guidance).eval()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.2 * torch.randn_like(parameter))
    return network


@pytest.mark.parametrize("guidance", [True, False])
@pytest.mark.parametrize("shape", [(16, 32, 48), (48, 32, 16)])
def test_alpha_is_pytorchs_but_for_rounding(guidance, shape):
    network = _unlike_at_birth(guidance)
    image = np.random.default_rng(1).random(shape, dtype=np.float32)
    with torch.no_grad():
        expected = network(torch.from_numpy(image)[None, None]).alpha[0, 0].numpy()

    found = alpha_on_cpu(network, image)

    assert expected.std() > 0.02  # Else anything would agree.
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, atol=2e-4)


def test_the_patch_is_left_as_it_was_and_may_lie_in_memory_as_it_likes():
    network = _unlike_at_birth(guidance=True)
    image = np.random.default_rng(2).random((32, 16, 16), dtype=np.float32)
    before = image.copy()

    one = alpha_on_cpu(network, image)
    other = alpha_on_cpu(network, np.asfortranarray(image))

    np.testing.assert_array_equal(image, before)
    np.testing.assert_array_equal(one, other)


def test_only_the_ghost_network_runs_so():
    assert runs_on_cpu(matting_3d_ghost())
    assert not runs_on_cpu(matting_3d())
    with pytest.raises(TypeError, match=r"found a Conv3d, expected a part of a ghost network"):
        alpha_on_cpu(matting_3d().eval(), np.zeros((16, 16, 16), np.float32))
