"""From a trimap to an alpha matte: methods of one shape, by name.

Each takes `(image, trimap, spacing, **parameters)` and gives alpha as float32. Further keyword
parameters belong to the method. A new method is one file and one line here.

Names cost nothing; a method's file, with SciPy and Numba, is loaded when it is first called. A node
reads the names when it starts, and only its workers call.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module

import numpy as np
import numpy.typing as npt

from pipelines.matting.density_weighted import density_weighted

Method = Callable[..., npt.NDArray[np.float32]]


def _in_file(name: str) -> Method:
    """The function `name` of the file of that name here, loaded when it is first called."""

    def method(
        image: npt.NDArray, trimap: npt.NDArray, spacing: tuple[float, ...], **parameters: object
    ) -> npt.NDArray[np.float32]:
        function = getattr(import_module(f"pipelines.matting.{name}"), name)
        return function(image, trimap, spacing, **parameters)

    method.__name__ = method.__qualname__ = name
    method.__doc__ = f"See `pipelines.matting.{name}.{name}`."
    return method


OCCUPANCY_METHODS: Mapping[str, Method] = {
    "occupancy": _in_file("occupancy"),
    "closed-form": _in_file("closed_form"),
    "knn": _in_file("knn"),
    "learning-based": _in_file("learning_based"),
    "information-flow": _in_file("information_flow"),
    "bayesian": _in_file("bayesian"),
}
"""Alpha is the part of a voxel that is lesion."""

DENSITY_METHODS: Mapping[str, Method] = {
    "closed-form+": density_weighted(_in_file("closed_form")),
    "knn+": density_weighted(_in_file("knn")),
    "learning-based+": density_weighted(_in_file("learning_based")),
    "information-flow+": density_weighted(_in_file("information_flow")),
}
"""Alpha is weighted by the density of the foreground, another quantity; its sum is no volume."""

METHODS: Mapping[str, Method] = {**OCCUPANCY_METHODS, **DENSITY_METHODS}


def quantity_of(method: str) -> str:
    """What the alpha of a method says: one of `pipelines.soft_mask.QUANTITIES`."""
    return "density-weighted" if method in DENSITY_METHODS else "occupancy"
