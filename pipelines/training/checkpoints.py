"""Checkpoints: everything that a run needs to go on as if it had never stopped."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import nn

from pipelines.training.schedule import AveragedWeights
from pipelines.training.task import MAIN

_FORMAT = 1


class CheckpointError(ValueError):
    """A checkpoint that does not fit the run."""


def write_checkpoint(
    path: Path,
    step: int,
    seed: int,
    networks: Mapping[str, nn.Module],
    optimisers: Mapping[str, torch.optim.Optimizer],
    average: AveragedWeights,
) -> None:
    """Write the state after `step` steps: whole or not at all.

    Parameters
    ----------
    path : Path
    step, seed : int
    networks, optimisers : mapping
        By name and by turn; each has one that is called `pipelines.training.task.MAIN`.
    average : AveragedWeights
        Of the main network.
    """
    state = {
        "format": _FORMAT,
        "step": step,
        "seed": seed,
        "network": networks[MAIN].state_dict(),
        "optimiser": optimisers[MAIN].state_dict(),
        "average": average.state,
    }
    # Runs in which one network learns alone say no more; so their older checkpoints still serve.
    others = {name: network.state_dict() for name, network in networks.items() if name != MAIN}
    if others:
        state["others"] = others
    by_turns = {name: one.state_dict() for name, one in optimisers.items() if name != MAIN}
    if by_turns:
        state["other_optimisers"] = by_turns
    partial = path.with_name(path.name + ".partial")
    with open(partial, "wb") as file:
        torch.save(state, file)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)


def read_checkpoint(
    path: Path,
    seed: int,
    networks: Mapping[str, nn.Module],
    optimisers: Mapping[str, torch.optim.Optimizer],
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
    of_networks = {MAIN: state["network"], **state.get("others", {})}
    of_optimisers = {MAIN: state["optimiser"], **state.get("other_optimisers", {})}
    another = CheckpointError(f"{path}: found another network than configured")
    if of_networks.keys() != networks.keys() or of_optimisers.keys() != optimisers.keys():
        raise another
    try:
        for name, network in networks.items():
            network.load_state_dict(of_networks[name])
        for name, optimiser in optimisers.items():
            optimiser.load_state_dict(of_optimisers[name])
    except (RuntimeError, ValueError) as error:
        raise another from error
    for name, value in state["average"].items():
        average.state[name].copy_(value)
    return int(state["step"])
