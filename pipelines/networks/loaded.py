"""Networks in the memory of a worker process."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from models.contract import InputContract
from models.loading import contract_of, load_network, meaning_of, weights_about, weights_digest
from pipelines.networks.options import NetworkOptions, Place, place_of

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True, eq=False)
class LoadedNetwork:
    """A network that can be run.

    Attributes
    ----------
    name : str
        In `models.REGISTRY`.
    module : nn.Module
        In evaluation mode, on its place's device, in single precision.
    digest : str
        Of its weights.
    contract : InputContract
        With the size that the weights were trained for.
    quantity : str
        What its alpha is, as of `pipelines.soft_mask.SoftMask`.
    place : Place
    """

    name: str
    module: nn.Module
    digest: str
    contract: InputContract
    quantity: str
    place: Place


@lru_cache(maxsize=4)
def loaded_network(name: str, options: NetworkOptions) -> LoadedNetwork:
    """A network with its weights where it is to run, loaded once a process.

    Raises
    ------
    models.NoWeightsError
        If it has no weights, they do not fit, or a package that it needs is not installed.
    DeviceError
        If the device is not there.
    """
    module = load_network(name, folder=options.weights)
    import torch

    # Lesions run side by side in processes; threads of each would wait for one another.
    torch.set_num_threads(1)
    about = weights_about(name, options.weights)
    place = place_of(options)
    return LoadedNetwork(
        name=name,
        module=module.to(place.device),
        digest=weights_digest(name, options.weights),
        contract=contract_of(name, about),
        quantity=meaning_of(name, about).lower(),
        place=place,
    )
