"""The learning rate over a run, and the average of weights."""

from __future__ import annotations

import math

import torch
from torch import nn

from pipelines.training.settings import OptimiserSettings

_POWER = 0.9
"""Of the polynomial fall; the papers that have one do not say which."""


def rate_at(step: int, steps: int, how: OptimiserSettings) -> float:
    """Learning rate of one step: it rises in a line, and falls to nothing as the schedule says.

    With "hold" only the fall depends on how many steps there are, so that a run can be made longer
    when it is resumed before that.
    """
    rise = (step + 1) / (how.warm_up + 1)
    if how.schedule == "hold":
        fall = (steps - step) / max(how.cool_down * steps, 1)
        return how.learning_rate * min(1.0, rise, fall)
    if rise < 1:
        return how.learning_rate * rise
    done = (step - how.warm_up) / max(steps - how.warm_up, 1)
    if how.schedule == "cosine":
        return how.learning_rate * (1 + math.cos(math.pi * done)) / 2
    return how.learning_rate * (1 - done) ** _POWER


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
