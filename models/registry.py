"""The networks that the package ships, by name. Names can be read without PyTorch."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import nn

WEIGHTS = Path(__file__).parent / "weights"


class NoWeightsError(RuntimeError):
    """A network that has no weights, or whose weights do not fit."""


@dataclass(frozen=True)
class InputContract:
    """What a network expects.

    Attributes
    ----------
    kind : str
        "prompted-planes": planes in a mark's own frame, with the mark drawn
        (`pipelines.prompted`). "volume": patches (1, depth, height, width). "slice": single slices
        (1, height, width).
    channels : int
    size : tuple of int
        Voxels of a plane, a patch or a slice.
    spacing : str
        Of its voxels, for readers.
    window : str
        How HU become values, for readers.
    spacing_mm : float, optional
        Of the voxels of a patch, the same in all directions; None where they are the CT's own.
    window_hu : tuple of float, optional
        HU that become the first and the last of `values`; beyond it they are cut off.
    values : tuple of float
    """

    kind: str
    channels: int
    size: tuple[int, ...]
    spacing: str
    window: str
    spacing_mm: float | None = None
    window_hu: tuple[float, float] | None = None
    values: tuple[float, float] = (0.0, 1.0)


@dataclass(frozen=True)
class Network:
    """A network that can be named.

    Attributes
    ----------
    name : str
    make : callable
        Takes what the weights file says of itself, gives the module.
    contract : InputContract
    meaning : str
        OCCUPANCY (part of the voxel that is lesion) or PROBABILITY (part of the readers who would
        mark it).
    weights : Path
        A safetensors file; `load_network` says so if it is not there.
    """

    name: str
    make: Callable[[Mapping[str, str]], nn.Module]
    contract: InputContract
    meaning: str
    weights: Path


def _recist_net(about: Mapping[str, str]) -> nn.Module:
    from models.recist_net import RecistNet

    widths = tuple(int(width) for width in about["widths"].split(","))
    return RecistNet(widths=widths, blocks=int(about["blocks"]))


REGISTRY: Mapping[str, Network] = {
    network.name: network
    for network in (
        Network(
            name="recist-net",
            make=_recist_net,
            contract=InputContract(
                kind="prompted-planes",
                channels=13,
                size=(48, 48),
                spacing="the long axis takes 22 pixels; planes are slices, at most about ten a "
                "long axis",
                window="-1000 to 400 HU and -160 to 240 HU",
            ),
            meaning="PROBABILITY",
            weights=WEIGHTS / "recist-net.safetensors",
        ),
    )
}


def weights_digest(name: str) -> str:
    """First 16 digits of the SHA-256 of a network's weights, which say how it was trained.

    Raises
    ------
    NoWeightsError
        If there are none.
    """
    path = REGISTRY[name].weights
    if not path.is_file():
        raise NoWeightsError(f"the network {name} has no weights: {path} is not there")
    return hashlib.sha256(path.read_bytes()).hexdigest()[:16]


def problem_of(name: str) -> str | None:
    """Why a network of the registry cannot be used here, or None; loads nothing.

    Parameters
    ----------
    name : str
        In `REGISTRY`.
    """
    network = REGISTRY[name]
    if not network.weights.is_file():
        return f"the network {name} has no weights: {network.weights.name} is not in the package"
    if find_spec("torch") is None or find_spec("safetensors") is None:
        return f"the network {name} needs PyTorch and safetensors: install the extra `networks`"
    return None


def load_network(name: str, weights: Path | None = None) -> nn.Module:
    """A network with its weights, in single precision, ready for inference on the CPU.

    Parameters
    ----------
    name : str
        In `REGISTRY`.
    weights : Path, optional
        Other weights than the package's.

    Raises
    ------
    KeyError
        If the name is unknown.
    NoWeightsError
        If there are no weights, they are of another network, or PyTorch is not installed.
    """
    if name not in REGISTRY:
        raise KeyError(f"found the network {name!r}, known are: {', '.join(REGISTRY)}")
    network = REGISTRY[name]
    path = weights or network.weights
    if not path.is_file():
        raise NoWeightsError(f"the network {name} has no weights: {path} is not there")
    try:
        import torch
        from safetensors import SafetensorError, safe_open
    except ImportError:
        raise NoWeightsError(
            f"the network {name} needs PyTorch and safetensors: install the extra `networks`"
        ) from None
    try:
        with safe_open(path, "pt") as file:
            about = file.metadata() or {}
            state = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
    except SafetensorError as error:
        raise NoWeightsError(f"the weights of {name} cannot be read: {path}") from error
    if about.get("network") != name:
        raise NoWeightsError(
            f"{path}: found weights of {about.get('network')!r}, expected of {name!r}"
        )
    module = network.make(about)
    module.load_state_dict(
        {key: value.float() if value.is_floating_point() else value for key, value in state.items()}
    )
    module.to(memory_format=torch.channels_last)
    return module.eval()
