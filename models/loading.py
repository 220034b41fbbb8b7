"""Weights of a network: where they lie, what they say of themselves, and the network with them.

Weights in a site's own folder come first, where the file is called by the network's name
(``3dmm-mg.safetensors``), then those that the package ships: a later release does not change what a
site has chosen.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from models.contract import MEANINGS, VIEWS, InputContract, NoWeightsError
from models.registry import REGISTRY

if TYPE_CHECKING:
    from torch import nn


def weights_of(name: str, folder: Path | None = None) -> Path | None:
    """The file of a network's weights: that in a folder, else the package's, else None.

    Parameters
    ----------
    name : str
        In `REGISTRY`.
    folder : Path, optional
        A site's own.
    """
    network = REGISTRY[name]
    candidates = [network.weights]
    if folder is not None:
        candidates.insert(0, folder / f"{name}.safetensors")
    return next((path for path in candidates if path.is_file()), None)


def weights_digest(name: str, folder: Path | None = None) -> str:
    """First 16 digits of the SHA-256 of a network's weights, which say how it was trained.

    Raises
    ------
    NoWeightsError
        If there are none.
    """
    return hashlib.sha256(_found(name, folder).read_bytes()).hexdigest()[:16]


def weights_about(name: str, folder: Path | None = None) -> dict[str, str]:
    """What a network's weights file says of itself; reads no weights and needs no PyTorch.

    Raises
    ------
    NoWeightsError
        If there is none, it cannot be read, or it is of another network.
    """
    return _about(name, _found(name, folder))


def contract_of(name: str, about: Mapping[str, str]) -> InputContract:
    """The input contract of a network with certain weights.

    A key ``size``, such as "48,48,48", says on what patches they were trained where that is not
    the registry's size, and a key ``views`` over how many views of a slice alpha is the mean. Not
    for networks that a mark prompts.

    Raises
    ------
    NoWeightsError
        If the size has another number of sides, or one that is no multiple of 16 from 32 on, or
        views are none of `VIEWS`, or more than one in 3D.
    """
    contract = REGISTRY[name].contract
    if contract.kind == "prompted-planes":
        return contract
    views = about.get("views", str(contract.views))
    known = [str(count) for count in (VIEWS if contract.kind == "slice" else VIEWS[:1])]
    if views not in known:
        raise NoWeightsError(
            f"the weights of {name} say views {views!r}, expected {' or '.join(known)}"
        )
    contract = replace(contract, views=int(views))
    if "size" not in about:
        return contract
    sides = about["size"].split(",")
    fits = all(
        side.strip().isdecimal() and int(side) % 16 == 0 and int(side) >= 32 for side in sides
    )
    if not fits or len(sides) != len(contract.size):
        raise NoWeightsError(
            f"the weights of {name} say size {about['size']!r}, expected {len(contract.size)} "
            "multiples of 16, from 32 on, with commas between"
        )
    return replace(contract, size=tuple(int(side) for side in sides))


def meaning_of(name: str, about: Mapping[str, str]) -> str:
    """What alpha of a network with certain weights says: one of `MEANINGS`.

    Raises
    ------
    NoWeightsError
        If the weights file says something else.
    """
    meaning = about.get("meaning", REGISTRY[name].meaning)
    if REGISTRY[name].segments and meaning not in MEANINGS:
        raise NoWeightsError(
            f"the weights of {name} say meaning {meaning!r}, expected {' or '.join(MEANINGS)}"
        )
    return meaning


def problem_of(name: str, folder: Path | None = None) -> str | None:
    """Why a network of the registry cannot be used here, or None; loads no weights.

    Parameters
    ----------
    name : str
        In `REGISTRY`.
    folder : Path, optional
        A site's own weights.
    """
    network = REGISTRY[name]
    if weights_of(name, folder) is None:
        places = "not in the package"
        if folder is not None:
            places = f"neither in the package nor in {folder}"
        return f"the network {name} has no weights: {network.weights.name} is {places}"
    missing = [package for package in network.packages if find_spec(package) is None]
    if missing:
        return (
            f"the network {name} needs {_spoken(missing)}, not found: install the extra "
            f"`{network.extra}`"
        )
    try:
        about = weights_about(name, folder)
        contract_of(name, about), meaning_of(name, about)
    except NoWeightsError as error:
        return str(error)
    return None


def load_network(
    name: str, weights: Path | None = None, *, folder: Path | None = None
) -> nn.Module:
    """A network with its weights, in single precision, ready for inference on the CPU.

    Parameters
    ----------
    name : str
        In `REGISTRY`.
    weights : Path, optional
        Other weights than the package's or the folder's.
    folder : Path, optional
        A site's own weights, for networks of which the package ships none.

    Raises
    ------
    KeyError
        If the name is unknown.
    NoWeightsError
        If there are no weights, they do not fit, or a package that it needs is not installed.
    """
    if name not in REGISTRY:
        raise KeyError(f"found the network {name!r}, known are: {', '.join(REGISTRY)}")
    network = REGISTRY[name]
    path = weights or _found(name, folder)
    if not path.is_file():
        raise NoWeightsError(f"the network {name} has no weights: {path} is not there")
    about = _about(name, path)
    try:
        import torch
        from safetensors.torch import load_file

        module = network.make(about)
    except ImportError:
        raise NoWeightsError(
            f"the network {name} needs {_spoken(network.packages)}: install the extra "
            f"`{network.extra}`"
        ) from None
    except (KeyError, ValueError) as error:
        raise NoWeightsError(
            f"{path}: what it says of itself does not make the network {name}: {error}"
        ) from None
    state = load_file(path)
    try:
        module.load_state_dict(
            {
                key: value.float() if value.is_floating_point() else value
                for key, value in state.items()
            }
        )
    except RuntimeError:  # its text lists every tensor
        raise NoWeightsError(f"{path}: its tensors are not those of the network {name}") from None
    if len(network.contract.size) == 2:
        module.to(memory_format=torch.channels_last)
    return module.eval()


def _found(name: str, folder: Path | None) -> Path:
    path = weights_of(name, folder)
    if path is None:
        raise NoWeightsError(
            f"the network {name} has no weights: {REGISTRY[name].weights} is not there"
            + ("" if folder is None else f", nor such a file in {folder}")
        )
    return path


def _about(name: str, path: Path) -> dict[str, str]:
    try:
        from safetensors import SafetensorError, safe_open
    except ImportError:
        raise NoWeightsError(
            f"the network {name} needs PyTorch and safetensors: install the extra `networks`"
        ) from None
    try:
        with safe_open(path, "numpy") as file:
            about = dict(file.metadata() or {})
    except (SafetensorError, OSError) as error:
        raise NoWeightsError(f"the weights of {name} cannot be read: {path}") from error
    if about.get("network") != name:
        raise NoWeightsError(
            f"{path}: found weights of {about.get('network')!r}, expected of {name!r}"
        )
    return about


_SPOKEN = {"torch": "PyTorch", "monai": "MONAI"}


def _spoken(packages: tuple[str, ...] | list[str]) -> str:
    return " and ".join(_SPOKEN.get(package, package) for package in packages)
