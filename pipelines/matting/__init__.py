"""From a trimap to an alpha matte: methods of one shape, by name.

Each takes `(image, trimap, spacing, **parameters)` and gives alpha as float32. Further keyword
parameters belong to the method. A new method is one file and one line here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import numpy.typing as npt

from pipelines.matting.closed_form import closed_form
from pipelines.matting.learning_based import learning_based
from pipelines.matting.occupancy import occupancy

Method = Callable[..., npt.NDArray[np.float32]]

METHODS: Mapping[str, Method] = {
    "closed-form": closed_form,
    "learning-based": learning_based,
    "occupancy": occupancy,
}
