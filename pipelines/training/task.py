"""What the training loop asks of a network's family: networks, batches, losses, scores."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol, TypeVar

from torch import Tensor, nn

Batch = TypeVar("Batch")
"""A frozen dataclass of tensors, the first axis of each the sample."""

MAIN = "network"
"""The network that is averaged, validated and exported, and the turn in which it learns."""


class Task(Protocol[Batch]):
    """One family of networks, what it learns from, and how it is scored.

    A step has one turn or more; in each turn one optimiser changes some of the networks, so that a
    segmenter and its discriminator can learn by turns. What a task gives depends on its settings
    and the step alone: a run that is resumed asks for step n without having asked for those
    before. The loop seeds PyTorch's own generator before each turn by seed and step, so that losses
    may draw from it.

    Attributes
    ----------
    name : str
        In `models.REGISTRY`.
    turns : mapping of str to tuple of str
        Turns of a step, in their order, and names of the networks that learn in each. One turn is
        called `MAIN`, and the network `MAIN` learns in it. No network learns in two.
    """

    name: str
    turns: Mapping[str, tuple[str, ...]]

    def about(self) -> dict[str, str]:
        """What the weights file says of the network, for `models.registry` to make it again.

        Needs no data. The loop's export adds name, step and seed.
        """
        ...

    def networks(self) -> dict[str, nn.Module]:
        """All networks as they are before the first step, by name; one is called `MAIN`."""
        ...

    def batch(self, step: int) -> Batch:
        """What all turns of a step learn from, on the CPU.

        Raises
        ------
        FileNotFoundError
            If the data are not where the settings say.
        """
        ...

    def loss(
        self, turn: str, networks: Mapping[str, nn.Module], batch: Batch, step: int
    ) -> Tensor | None:
        """What the turn's optimiser is to make small; None leaves out a turn, not `MAIN`.

        Parameters
        ----------
        turn : str
            In `turns`.
        networks : mapping of str to nn.Module
            As they are after the turns before, in training mode, perhaps in mixed precision.
        batch : Batch
            On the networks' device.
        step : int
            Steps before this one.
        """
        ...

    def validate(self, network: nn.Module) -> dict[str, float]:
        """Mean scores over the validation lesions; empty where there are none.

        Parameters
        ----------
        network : nn.Module
            Averaged weights, in evaluation mode, on the device.
        """
        ...
