"""The learning rate over a run, and the average of weights."""

from __future__ import annotations

import torch
from torch import nn

from pipelines.training.settings import OptimiserSettings


def rate_at(step: int, steps: int, how: OptimiserSettings) -> float:
    """Learning rate of one step: it rises, stays, and falls to nothing.

    Only the fall depends on how many steps there are, so that a run can be made longer when it
    is resumed before that.
    """
    rise = (step + 1) / (how.warm_up + 1)
    fall = (steps - step) / max(how.cool_down * steps, 1)
    return how.learning_rate * min(1.0, rise, fall)


class AveragedWeights:
    """A running mean of a network's weights and norms, whose memory grows with the steps."""

    def __init__(self, network: nn.Module, memory: float) -> None:
        self.memory = memory
        self.state = {name: value.detach().clone() for name, value in network.state_dict().items()}

    @torch.no_grad()
    def update(self, network: nn.Module, step: int) -> None:
        """Take in the weights after a step."""
        memory = min(self.memory, (1 + step) / (10 + step))
        for name, value in network.state_dict().items():
            if value.is_floating_point():
                self.state[name].lerp_(value, 1 - memory)
            else:
                self.state[name].copy_(value)
