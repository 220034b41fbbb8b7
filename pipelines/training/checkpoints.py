"""Checkpoints: everything that a run needs to go on as if it had never stopped."""

from __future__ import annotations

import os
from pathlib import Path

import torch
from torch import nn

from pipelines.training.schedule import AveragedWeights

_FORMAT = 1


class CheckpointError(ValueError):
    """A checkpoint that does not fit the run."""


def write_checkpoint(
    path: Path,
    step: int,
    seed: int,
    network: nn.Module,
    optimiser: torch.optim.Optimizer,
    average: AveragedWeights,
) -> None:
    """Write the state after `step` steps: whole or not at all."""
    partial = path.with_name(path.name + ".partial")
    with open(partial, "wb") as file:
        torch.save(
            {
                "format": _FORMAT,
                "step": step,
                "seed": seed,
                "network": network.state_dict(),
                "optimiser": optimiser.state_dict(),
                "average": average.state,
            },
            file,
        )
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)


def read_checkpoint(
    path: Path,
    seed: int,
    network: nn.Module,
    optimiser: torch.optim.Optimizer,
    average: AveragedWeights,
) -> int:
    """Load a state in place; returns how many steps it has behind it.

    Raises
    ------
    CheckpointError
        If the file is of another format, seed or network.
    """
    state = torch.load(path, map_location="cpu", weights_only=True)
    if state["format"] != _FORMAT:
        raise CheckpointError(f"{path}: found format {state['format']}, expected {_FORMAT}")
    if state["seed"] != seed:
        raise CheckpointError(f"{path}: found seed {state['seed']}, expected {seed}")
    try:
        network.load_state_dict(state["network"])
        optimiser.load_state_dict(state["optimiser"])
    except (RuntimeError, ValueError) as error:
        raise CheckpointError(f"{path}: found another network than configured") from error
    for name, value in state["average"].items():
        average.state[name].copy_(value)
    return int(state["step"])
