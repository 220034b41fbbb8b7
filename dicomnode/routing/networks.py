"""Whether a rule's network can be run here: asked at start, not at the first study."""

from __future__ import annotations

from models import REGISTRY, problem_of
from pipelines.networks.options import DeviceError, NetworkOptions, place_of


def network_problem(method: str, options: NetworkOptions) -> str | None:
    """Why a method cannot be used on this machine, or None; of matting methods always None.

    Parameters
    ----------
    method : str
        One of `pipelines.parameters.known_methods`.
    options : NetworkOptions
    """
    if method not in REGISTRY:
        return None
    problem = problem_of(method, options.weights)
    if problem is not None or not options.device.startswith("cuda"):
        return problem
    try:
        place_of(options)
    except DeviceError as error:
        return str(error)
    return None
