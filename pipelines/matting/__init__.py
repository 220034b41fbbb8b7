"""From a trimap to an alpha matte: methods of one shape, by name.

Each takes `(image, trimap, spacing, **parameters)` and gives alpha as float32. Further keyword
parameters belong to the method. A new method is one file and one line here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import numpy.typing as npt

from pipelines.matting.bayesian import bayesian
from pipelines.matting.closed_form import closed_form
from pipelines.matting.density_weighted import density_weighted
from pipelines.matting.information_flow import information_flow
from pipelines.matting.knn import knn
from pipelines.matting.learning_based import learning_based
from pipelines.matting.occupancy import occupancy

Method = Callable[..., npt.NDArray[np.float32]]

OCCUPANCY_METHODS: Mapping[str, Method] = {
    "occupancy": occupancy,
    "closed-form": closed_form,
    "knn": knn,
    "learning-based": learning_based,
    "information-flow": information_flow,
    "bayesian": bayesian,
}
"""Alpha is the part of a voxel that is lesion."""

DENSITY_METHODS: Mapping[str, Method] = {
    "closed-form+": density_weighted(closed_form),
    "knn+": density_weighted(knn),
    "learning-based+": density_weighted(learning_based),
    "information-flow+": density_weighted(information_flow),
}
"""Alpha is weighted by the density of the foreground, another quantity; its sum is no volume."""

METHODS: Mapping[str, Method] = {**OCCUPANCY_METHODS, **DENSITY_METHODS}


def quantity_of(method: str) -> str:
    """What the alpha of a method says: one of `pipelines.soft_mask.QUANTITIES`."""
    return "density-weighted" if method in DENSITY_METHODS else "occupancy"
